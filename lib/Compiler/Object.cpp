//===- Object.cpp - From LLVM dialect to an object -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each level is optimized for its own processor; the functions carry that processor as an attribute, so that all levels
// live in one LLVM module and one object.

#include "setun/Compiler/Object.h"

#include "setun/Support/OptimizeLLVM.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace setun;

static std::unique_ptr<llvm::TargetMachine> makeTargetMachine(llvm::StringRef tripleName, llvm::StringRef cpu,
                                                              llvm::StringRef features, mlir::Location loc) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::Triple triple(tripleName);
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    mlir::emitError(loc) << "no code generator for " << tripleName << ": " << error;
    return nullptr;
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // docs/numerics.md: never contracted
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, cpu, features, options, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

std::unique_ptr<llvm::Module> setun::makeLevel(mlir::ModuleOp source, llvm::StringRef name, const CodeTarget &target,
                                               llvm::LLVMContext &context) {
  std::unique_ptr<llvm::TargetMachine> machine =
      makeTargetMachine(target.triple, target.cpu, target.features, source.getLoc());
  if (!machine)
    return nullptr;
  std::unique_ptr<llvm::Module> module = mlir::translateModuleToLLVMIR(source, context, name);
  if (!module) {
    mlir::emitError(source.getLoc(), "cannot translate the lowered module to LLVM IR");
    return nullptr;
  }
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  if (llvm::GlobalVariable *device = module->getNamedGlobal("setun_device_code")) {
    device->setName(device->getName() + "_" + name);
    device->setVisibility(llvm::GlobalValue::HiddenVisibility);
  }
  for (llvm::Function &function : *module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    if (!target.tune.empty())
      function.addFnAttr("tune-cpu", target.tune);
    if (function.getName() == "setun_run" || function.getName() == "setun_plan") {
      function.setName(function.getName() + "_" + name);
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    } else {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
  }
  optimizeLLVM(*module, *machine, llvm::OptimizationLevel::O3);
  return module;
}

llvm::LogicalResult setun::emitMachineCode(llvm::Module &module, llvm::StringRef triple, llvm::CodeGenFileType type,
                                           llvm::raw_pwrite_stream &os, mlir::Location loc) {
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(triple, "", "", loc);
  if (!machine)
    return llvm::failure();
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr, type))
    return mlir::emitError(loc) << "the code generator for " << triple << " cannot emit this kind of file";
  passes.run(module);
  return llvm::success();
}
