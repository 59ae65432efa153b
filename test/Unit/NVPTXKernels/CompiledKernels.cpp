//===- CompiledKernels.cpp - Steps of a model, run by the emulator --------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompiledKernels.h"

#include "setun/Pipelines/Registration.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/ThreadSafeModule.h"
#include "llvm/Support/TargetSelect.h"

using namespace setun;
using namespace setun::test;

static std::unique_ptr<llvm::Module> lower(llvm::StringRef source, llvm::StringRef pipeline,
                                           llvm::function_ref<void(mlir::ModuleOp)> edit,
                                           llvm::LLVMContext &llvmContext) {
  static const bool registered = [] {
    registerPasses();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  static_cast<void>(registered);
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
  mlir::PassManager passes(&context);
  if (module && edit) {
    context.loadAllAvailableDialects();
    edit(*module);
  }
  if (!module || failed(mlir::parsePassPipeline(pipeline, passes)) || failed(passes.run(*module)))
    return nullptr;
  return mlir::translateModuleToLLVMIR(*module, llvmContext);
}

std::unique_ptr<CompiledKernels> CompiledKernels::compile(llvm::StringRef source, llvm::StringRef passes,
                                                          llvm::StringRef target,
                                                          llvm::function_ref<void(mlir::ModuleOp)> edit) {
  auto context = std::make_unique<llvm::LLVMContext>();
  std::string pipeline = (passes + ",canonicalize,cse,setun-target-to-llvm{emulate=true target=" + target + "}").str();
  std::unique_ptr<llvm::Module> module = lower(source, pipeline, edit, *context);
  if (!module)
    return nullptr;
  auto result = std::make_unique<CompiledKernels>();
  result->jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(result->jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))));
  auto *code = llvm::cantFail(result->jit->lookup("setun_device_code")).toPtr<const setun_device_code *>();
  for (uint32_t i = 0; i < code->num_kernels; ++i)
    result->kernels.push_back(code->kernels[i]);
  result->bitcode = {static_cast<const char *>(code->images->data), code->images->size};
  return result->replaceBitcode(result->bitcode) ? std::move(result) : nullptr;
}

bool CompiledKernels::replaceBitcode(llvm::StringRef other, bool checkRaces) {
  auto loaded = nvptx::DeviceEmulator::load(other, {/*seed=*/0, /*checkAccesses=*/true, checkRaces});
  if (!loaded) {
    llvm::logAllUnhandledErrors(loaded.takeError(), llvm::errs());
    return false;
  }
  emulator = std::move(*loaded);
  return true;
}

struct CompiledKernels::Host : setun_rt {
  CompiledKernels *owner;
  std::string message;

  static void launchKernel(setun_rt *rt, const setun_launch *what) {
    auto *host = static_cast<Host *>(rt);
    if (!host->message.empty())
      return;
    std::array<uint32_t, 3> grid, block;
    std::copy_n(what->grid, 3, grid.begin());
    std::copy_n(what->block, 3, block.begin());
    if (llvm::Error error = host->owner->emulator->launch(host->owner->kernels[what->kernel], grid, block,
                                                          what->shared_bytes, what->params, what->params_size))
      host->message = llvm::toString(std::move(error));
  }
};

std::string CompiledKernels::run(llvm::StringRef function, std::vector<void *> arguments,
                                 std::vector<nvptx::MemoryRange> memory, uint64_t seed) {
  setun_device_frame frame = {};
  Host host{};
  host.launch = Host::launchKernel;
  host.device = &frame;
  host.owner = this;
  memory.push_back({reinterpret_cast<uint64_t>(&frame), sizeof frame});
  emulator->setMemory(memory);
  emulator->setSeed(seed);
  auto address = jit->lookup(("_mlir_ciface_" + function).str());
  if (!address)
    return llvm::toString(address.takeError());
  void *rt = static_cast<setun_rt *>(&host);
  switch (arguments.size()) {
  case 3:
    address->toPtr<void (*)(void *, void *, void *, void *)>()(arguments[0], arguments[1], arguments[2], rt);
    break;
  case 4:
    address->toPtr<void (*)(void *, void *, void *, void *, void *)>()(arguments[0], arguments[1], arguments[2],
                                                                       arguments[3], rt);
    break;
  default:
    return "a function of as many arguments cannot be called";
  }
  return host.message;
}
