//===- Proof.cpp - A raise's before and after, kept to be checked ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace setun;

static constexpr StringLiteral originalAttr = "setun.proof", raisedAttr = "setun.raised_from", kindAttr = "setun.raise";

bool setun::isProof(func::FuncOp func) { return func->hasAttr(originalAttr) || func->hasAttr(raisedAttr); }

/// The ops between `boundary` and `output`, and what they read besides.
static SetVector<Operation *> getSlice(Value output, ArrayRef<Value> boundary, SetVector<Value> &inputs) {
  BackwardSliceOptions options;
  options.inclusive = true;
  options.omitBlockArguments = true;
  options.omitUsesFromAbove = false;
  options.filter = [&](Operation *op) {
    return llvm::none_of(boundary, [&](Value value) { return value.getDefiningOp() == op; });
  };
  SetVector<Operation *> slice;
  (void)getBackwardSlice(output, &slice, options);
  slice = topologicalSort(slice);
  inputs.insert(boundary.begin(), boundary.end());
  auto addInput = [&](Value value) {
    if (!value.getDefiningOp() || !slice.contains(value.getDefiningOp()))
      inputs.insert(value);
  };
  for (Operation *op : slice) {
    llvm::for_each(op->getOperands(), addInput);
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::for_each(captured, addInput);
  }
  return slice;
}

static func::FuncOp outline(Value output, ArrayRef<Operation *> slice, ValueRange inputs, StringRef name) {
  auto module = output.getParentRegion()->getParentOfType<ModuleOp>();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = builder.getFunctionType(inputs.getTypes(), output.getType());
  auto func = func::FuncOp::create(builder, output.getLoc(), name, type);
  func.setPrivate();
  IRMapping mapping;
  mapping.map(inputs, func.addEntryBlock()->getArguments());
  builder.setInsertionPointToStart(&func.getBody().front());
  for (Operation *op : slice)
    builder.clone(*op, mapping);
  func::ReturnOp::create(builder, output.getLoc(), mapping.lookup(output));
  return func;
}

Proof::Proof(Value output, ArrayRef<Value> boundary) {
  SetVector<Value> inputs;
  SetVector<Operation *> slice = getSlice(output, boundary, inputs);
  auto module = output.getParentRegion()->getParentOfType<ModuleOp>();
  unsigned number = 0;
  while (SymbolTable::lookupSymbolIn(module, ("proof_" + Twine(number)).str()))
    ++number;
  original = outline(output, slice.getArrayRef(), inputs.getArrayRef(), ("proof_" + Twine(number)).str());
  original->setAttr(originalAttr, UnitAttr::get(output.getContext()));
  others.assign(inputs.begin() + boundary.size(), inputs.end());
}

void Proof::finish(Value output, ArrayRef<Value> boundary, StringRef kind) {
  SetVector<Value> inputs;
  SetVector<Operation *> slice = getSlice(output, boundary, inputs);
  SmallVector<Value> arguments(boundary);
  arguments.append(others);
  if (!llvm::all_of(inputs, [&](Value value) { return llvm::is_contained(arguments, value); })) {
    original.erase();
    return;
  }
  auto raised = outline(output, slice.getArrayRef(), arguments, (original.getName() + "_raised").str());
  raised->setAttr(raisedAttr, FlatSymbolRefAttr::get(original.getNameAttr()));
  raised->setAttr(kindAttr, StringAttr::get(output.getContext(), kind));
}
