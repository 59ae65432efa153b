//===- LayerJit.cpp - One layer as a model in this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerJit.h"

#include "setun/Pipelines/Registration.h"
#include "setun/Support/OptimizeLLVM.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include <cstdio>
#include <cstdlib>

using namespace setun;
using namespace setun::bench;

std::vector<const TargetLevel *> setun::bench::getLevels() {
  std::vector<const TargetLevel *> levels;
  const Target *host = getHostTarget();
  for (const std::unique_ptr<TargetLevel> &level : host ? host->getLevels() : getTargets().front()->getLevels()) {
    const LevelInfo &info = level->getInfo();
    bool isKnown = llvm::any_of(levels, [&](const TargetLevel *known) {
      return known->getInfo().cpu == info.cpu && known->getInfo().vectorBits == info.vectorBits;
    });
    if (runsOnHost(*level) && !isKnown)
      levels.push_back(level.get());
  }
  return levels;
}

static mlir::MLIRContext &getContext() {
  static auto context = [] {
    setun::registerPasses();
    mlir::DialectRegistry registry;
    setun::registerDialects(registry);
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    auto context = std::make_unique<mlir::MLIRContext>(registry);
    context->disableMultithreading();
    return context;
  }();
  return *context;
}

LayerJit::LayerJit(const TargetLevel &level) : level(level) {
  getContext();
  // Without this the code would have every feature of this processor.
  llvm::orc::JITTargetMachineBuilder machine((llvm::Triple(llvm::sys::getProcessTriple())));
  machine.setCPU(level.getInfo().cpu);
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(level.getInfo().features).split(features, ',', -1, /*KeepEmpty=*/false);
  machine.addFeatures(std::vector<std::string>(features.begin(), features.end()));
  machine.setRelocationModel(llvm::Reloc::PIC_);
  machine.setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
  machine.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict; // docs/numerics.md
  target = llvm::cantFail(machine.createTargetMachine());
  jit = llvm::cantFail(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create());
}

LayerJit::~LayerJit() = default;

bool LayerJit::compile(const std::string &source) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(source, &getContext());
  if (!module)
    return false;
  mlir::PassManager passes(&getContext());
  std::string target = "{target=" + level.getName() + "}";
  std::string pipeline =
      "setun-encode" + target + ",setun-encoded-to-target" + target + ",setun-target-to-llvm" + target;
  if (failed(mlir::parsePassPipeline(pipeline, passes)) || failed(passes.run(*module)))
    return false;
  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(*module, *context);
  if (!code || !add(std::move(code), std::move(context)))
    return false;
  runFunction = reinterpret_cast<setun_run_fn>(lookup("setun_run"));
  planFunction = reinterpret_cast<setun_plan_fn>(lookup("setun_plan"));
  return runFunction && planFunction;
}

bool LayerJit::compileIR(const std::string &source) {
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic error;
  std::unique_ptr<llvm::Module> code = llvm::parseAssemblyString(source, error, *context);
  if (!code) {
    error.print("LayerBench", llvm::errs());
    return false;
  }
  return add(std::move(code), std::move(context));
}

bool LayerJit::add(std::unique_ptr<llvm::Module> code, std::unique_ptr<llvm::LLVMContext> context) {
  code->setTargetTriple(target->getTargetTriple());
  code->setDataLayout(target->createDataLayout());
  optimizeLLVM(*code, *target, llvm::OptimizationLevel::O3);
  if (llvm::Error failure = jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(code), std::move(context)))) {
    llvm::logAllUnhandledErrors(std::move(failure), llvm::errs());
    return false;
  }
  return true;
}

void *LayerJit::lookup(const std::string &name) {
  auto address = jit->lookup(name);
  if (!address) {
    llvm::logAllUnhandledErrors(address.takeError(), llvm::errs());
    return nullptr;
  }
  return address->toPtr<void *>();
}

static void serialFor(setun_rt *, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  // Task by task, as threads take them.
  for (int64_t begin = 0; begin < count; begin += grain)
    body(env, begin, std::min(count, begin + grain));
}

static void failHard(setun_rt *, const char *message) {
  std::fprintf(stderr, "LayerBench: %s\n", message);
  std::exit(1);
}

void LayerJit::run(const std::vector<void *> &buffers, const std::vector<int64_t> &symbols) {
  int64_t plan[16];
  planFunction(symbols.data(), plan);
  if (arena.size() < static_cast<size_t>(plan[0]) + SETUN_ALIGNMENT)
    arena.resize(plan[0] + SETUN_ALIGNMENT);
  auto base = reinterpret_cast<uintptr_t>(arena.data());
  auto *aligned = reinterpret_cast<uint8_t *>((base + SETUN_ALIGNMENT - 1) & ~uintptr_t(SETUN_ALIGNMENT - 1));
  setun_rt runtime{serialFor, failHard};
  setun_frame frame{nullptr, aligned, buffers.data(), symbols.data()};
  runFunction(&runtime, &frame);
}
