//===- ConstantValues.cpp - What depends on parameters alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Analysis/ConstantValues.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace setun;

static bool hasStaticType(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor ? tensor.hasStaticShape() : value.getType().isIntOrIndexOrFloat();
}

func::FuncOp setun::getCallee(func::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
}

bool setun::isPureOp(Operation *op) {
  auto call = dyn_cast<func::CallOp>(op);
  if (!call)
    return isMemoryEffectFree(op) && !op->hasTrait<OpTrait::IsTerminator>();
  func::FuncOp callee = getCallee(call); // the operation itself does not tell its effects
  return callee && callee.getBody().hasOneBlock() &&
         llvm::all_of(callee.getBody().front().without_terminator(), [](Operation &op) { return isPureOp(&op); });
}

SetVector<Value> setun::getInputs(Operation *op) {
  SetVector<Value> inputs(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), inputs);
  return inputs;
}

ConstantValues::ConstantValues(func::FuncOp function) {
  if (!function.getBody().hasOneBlock())
    return;
  for (Operation &op : function.getBody().front())
    if (isPureOp(&op) && llvm::all_of(op.getResults(), hasStaticType) &&
        llvm::all_of(getInputs(&op), [&](Value input) { return contains(input); }))
      values.insert(op.result_begin(), op.result_end());
}
