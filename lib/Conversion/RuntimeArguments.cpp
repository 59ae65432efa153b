//===- RuntimeArguments.cpp - Who has the runtime ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/RuntimeCalls.h"
#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

RuntimeArguments setun::giveRuntime(ModuleOp module, llvm::function_ref<bool(Operation *)> needs) {
  RuntimeArguments runtimes;
  llvm::SmallPtrSet<Operation *, 8> had;
  for (auto function : module.getOps<func::FuncOp>())
    if (Value rt = entry::service(function, entry::Service::Runtime)) {
      runtimes[function] = rt;
      had.insert(function);
    }
  if (func::FuncOp entry = entry::find(module))
    runtimes[entry] = entry::getOrAddService(entry, entry::Service::Runtime);
  auto give = [&](func::FuncOp function) {
    if (!runtimes.count(function))
      runtimes[function] = entry::getOrAddService(function, entry::Service::Runtime);
  };
  SmallVector<func::CallOp> calls;
  module.walk([&](Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op))
      calls.push_back(call);
    else if (auto function = op->getParentOfType<func::FuncOp>(); function && needs(op))
      give(function);
  });
  for (bool changed = true; changed;) {
    changed = false;
    for (func::CallOp &call : calls) {
      auto callee = call ? SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr()) : nullptr;
      if (!callee || !runtimes.count(callee) || had.contains(callee))
        continue;
      auto caller = call->getParentOfType<func::FuncOp>();
      give(caller);
      call.getOperandsMutable().append(runtimes[caller]);
      call = nullptr;
      changed = true;
    }
  }
  return runtimes;
}
