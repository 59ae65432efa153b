//===- KernelJit.cpp - Kernels of any target as functions of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelJit.h"

using namespace setun;
using namespace setun::conformance;

std::vector<Variant> setun::conformance::getVariants() {
  std::vector<Variant> variants;
  for (const std::unique_ptr<Target> &target : getTargets())
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      for (Products products : {Products::AddSub, Products::Best})
        // A level without instructions of its own has one way only.
        if (runsOnHost(*level) && !(products == Products::Best && level->getInfo().products.empty()))
          variants.push_back({level.get(), products, false});
  return variants;
}

static std::unique_ptr<llvm::orc::LLJIT> makeJit() {
  auto machine = llvm::cantFail(llvm::orc::JITTargetMachineBuilder::detectHost());
  machine.setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive); // as the compiler does; functions name their processor
  return llvm::cantFail(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create());
}

KernelJit::KernelJit() : jit(makeJit()) {}

bool KernelJit::compile(llvm::StringRef source, const Variant &variant, Loops loops) {
  std::optional<CompiledModule> code = compiler.compile(source, variant, loops);
  if (!code)
    return false;
  llvm::orc::ThreadSafeModule module(std::move(code->module), std::move(code->context));
  if (llvm::Error failure = jit->addIRModule(std::move(module))) {
    llvm::logAllUnhandledErrors(std::move(failure), llvm::errs());
    return false;
  }
  return true;
}

void *KernelJit::lookup(llvm::StringRef name) { return lookupSymbol(cInterface(name)); }

void *KernelJit::lookupSymbol(llvm::StringRef name) {
  auto address = jit->lookup(name);
  if (!address) {
    llvm::logAllUnhandledErrors(address.takeError(), llvm::errs());
    return nullptr;
  }
  return address->toPtr<void *>();
}
