//===- HostJit.cpp - LLVM IR to a function of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/HostJit.h"

#include "setun/Support/OptimizeLLVM.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace setun;

/// Adds `void NAME(ptr arguments)`, which calls the C interface with the pointers that `arguments` holds: one signature
/// for every slice, so that no call needs to be made up at run time.
static void addEntry(llvm::Module &module, llvm::Function &target, llvm::StringRef name) {
  llvm::IRBuilder<> builder(module.getContext());
  auto *pointer = builder.getPtrTy();
  auto *type = llvm::FunctionType::get(builder.getVoidTy(), {pointer}, /*isVarArg=*/false);
  auto *entry = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
  builder.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", entry));
  llvm::SmallVector<llvm::Value *> arguments;
  for (unsigned i = 0; i < target.arg_size(); ++i)
    arguments.push_back(builder.CreateLoad(pointer, builder.CreateConstGEP1_32(pointer, entry->getArg(0), i)));
  builder.CreateCall(&target, arguments);
  builder.CreateRetVoid();
}

llvm::Expected<HostJit::Entry> HostJit::compile(mlir::ModuleOp source, llvm::StringRef name) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return host.takeError();
  host->getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict; // what is folded must not depend on the machine
  if (!jit) {
    auto made = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(*host).create();
    if (!made)
      return made.takeError();
    jit = std::move(*made);
    jit->getExecutionSession().setErrorReporter(
        [this](llvm::Error error) { messages += llvm::toString(std::move(error)) + "; "; });
  }
  auto machine = host->createTargetMachine();
  if (!machine)
    return machine.takeError();

  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> module = mlir::translateModuleToLLVMIR(source, *context);
  llvm::Function *target = module ? module->getFunction(("_mlir_ciface_" + name).str()) : nullptr;
  if (!target)
    return llvm::createStringError("cannot translate the slice to LLVM IR");
  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  std::string entry = ("entry_" + name).str();
  addEntry(*module, *target, entry);
  for (llvm::Function &function : *module)
    if (!function.isDeclaration() && function.getName() != entry)
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  optimizeLLVM(*module, **machine, llvm::OptimizationLevel::O2);
  if (llvm::Error error = jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
    return error;
  auto address = jit->lookup(entry);
  if (!address)
    return llvm::createStringError(std::exchange(messages, "") + llvm::toString(address.takeError()));
  return address->toPtr<Entry>();
}
