//===- DeviceHarness.cpp - Functions on buffers, on the CPU and by kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "setun/Pipelines/Registration.h"
#include "setun/Support/OptimizeLLVM.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Support/TargetSelect.h"

using namespace llvm;
using namespace setun;
using namespace setun::nvptx;

static constexpr const char *kToLoops =
    "func.func(setun-convert-nn-to-loops{vector-bits=128},setun-convert-quantize-to-loops{vector-bits=128},"
    "setun-convert-dense-to-loops{vector-bits=128},setun-convert-elementwise-to-loops{vector-bits=128},"
    "convert-linalg-to-loops,setun-expand-math),canonicalize,cse";
static constexpr const char *kToLLVM =
    "scf-forall-to-for,setun-hoist-scratch,canonicalize,cse,expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    "convert-vector-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,finalize-memref-to-llvm,func.func(llvm-request-"
    "c-wrappers),"
    "convert-func-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,reconcile-unrealized-casts";

static mlir::MLIRContext &getContext() {
  static mlir::MLIRContext *context = [] {
    setun::registerPasses();
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    mlir::DialectRegistry registry;
    setun::registerDialects(registry);
    mlir::registerAllToLLVMIRTranslations(registry);
    return new mlir::MLIRContext(registry);
  }();
  return *context;
}

static bool run(mlir::ModuleOp module, StringRef pipeline) {
  mlir::PassManager passes(module.getContext());
  return succeeded(mlir::parsePassPipeline(pipeline, passes)) && succeeded(passes.run(module));
}

static bool extend(mlir::ModuleOp module, const TargetLevel *level, PipelinePoint point) {
  if (!level)
    return true;
  mlir::PassManager passes(module.getContext());
  LevelOptions options;
  options.emulate = true;
  level->extendPipeline(point, passes, options);
  return succeeded(passes.run(module));
}

std::unique_ptr<CompiledFunctions> CompiledFunctions::compile(StringRef source, StringRef levelName) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, &getContext());
  const TargetLevel *level = levelName.empty() ? nullptr : lookupLevel(levelName);
  if (!module || (!level && !levelName.empty()) || !extend(*module, level, PipelinePoint::AfterProducts) ||
      !run(*module, kToLoops) || !extend(*module, level, PipelinePoint::BeforeLLVM) || !run(*module, kToLLVM))
    return nullptr;
  auto context = std::make_unique<LLVMContext>();
  std::unique_ptr<Module> code = mlir::translateModuleToLLVMIR(*module, *context);
  if (!code)
    return nullptr;
  auto result = std::make_unique<CompiledFunctions>();
  result->jit = cantFail(orc::LLJITBuilder().create());
  code->setDataLayout(result->jit->getDataLayout());
  if (GlobalValue *device = code->getNamedValue("setun_device_code"))
    device->setLinkage(GlobalValue::ExternalLinkage);
  cantFail(result->jit->addIRModule(orc::ThreadSafeModule(std::move(code), std::move(context))));
  if (!level)
    return result;
  auto device = result->jit->lookup("setun_device_code");
  if (!device) {
    logAllUnhandledErrors(device.takeError(), errs());
    return nullptr;
  }
  result->device = device->toPtr<const setun_device_code *>();
  const setun_image &image = result->device->images[0];
  auto emulator = DeviceEmulator::load(StringRef(static_cast<const char *>(image.data), image.size));
  if (!emulator) {
    logAllUnhandledErrors(emulator.takeError(), errs());
    return nullptr;
  }
  result->emulator = std::move(*emulator);
  return result;
}

void CompiledFunctions::launch(setun_rt *rt, const setun_launch *launch) {
  auto *runtime = reinterpret_cast<Runtime *>(rt);
  CompiledFunctions *self = runtime->self;
  if (!runtime->message.empty())
    return;
  LaunchConfig config;
  std::copy(launch->grid, launch->grid + 3, config.grid.begin());
  std::copy(launch->block, launch->block + 3, config.block.begin());
  config.sharedBytes = launch->shared_bytes;
  config.params = launch->params;
  config.paramsSize = launch->params_size;
  self->launched.push_back(self->device->kernels[launch->kernel]);
  if (Error error = self->emulator->launch(self->launched.back(), config))
    runtime->message = toString(std::move(error));
}

void CompiledFunctions::fail(setun_rt *rt, const char *message) {
  auto *runtime = reinterpret_cast<Runtime *>(rt);
  if (runtime->message.empty())
    runtime->message = message;
}

void CompiledFunctions::parallelFor(setun_rt *, int64_t count, int64_t, setun_body_fn body, void *env) {
  body(env, 0, count);
}

Error CompiledFunctions::call(StringRef name, ArrayRef<TestArgument> arguments, uint64_t seed) {
  auto address = jit->lookup(("_mlir_ciface_" + name).str());
  if (!address)
    return address.takeError();
  launched.clear();
  setun_device_frame frame = {};
  Runtime runtime = {{parallelFor, fail, launch, nullptr, &frame}, this, ""};
  std::vector<MemoryRange> ranges{{reinterpret_cast<uint64_t>(&frame), sizeof frame}};
  std::deque<std::vector<int64_t>> descriptors;
  std::vector<int64_t> words;
  for (const TestArgument &argument : arguments) {
    if (!argument.bytes) {
      words.push_back(argument.number);
      continue;
    }
    if (!argument.bytes->empty())
      ranges.push_back({reinterpret_cast<uint64_t>(argument.bytes->data()), argument.bytes->size()});
    int64_t data = reinterpret_cast<int64_t>(argument.bytes->data());
    std::vector<int64_t> &descriptor = descriptors.emplace_back(std::vector<int64_t>{data, data, argument.offset});
    descriptor.insert(descriptor.end(), argument.sizes.begin(), argument.sizes.end());
    descriptor.insert(descriptor.end(), argument.strides.begin(), argument.strides.end());
    words.push_back(reinterpret_cast<int64_t>(descriptor.data()));
  }
  words.push_back(reinterpret_cast<int64_t>(&runtime));
  if (words.size() > 10)
    return createStringError("too many arguments for this test");
  words.resize(10);
  if (emulator) {
    emulator->setMemory(ranges);
    emulator->setSeed(seed);
  }
  using Word = int64_t;
  using Function = void (*)(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word);
  address->toPtr<Function>()(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8],
                             words[9]);
  if (frame.fault)
    runtime.message = device->messages[frame.fault - 1];
  return runtime.message.empty() ? Error::success() : createStringError(runtime.message);
}
