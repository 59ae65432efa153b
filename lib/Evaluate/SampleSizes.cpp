//===- SampleSizes.cpp - Sizes with which a function can be run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The sizes of one operation say something about those of its neighbours in both directions: what is known is carried
// along until nothing changes.

#include "setun/Evaluate/SampleSizes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kUnknown = ShapedType::kDynamic;

SmallVector<int64_t> &SampleSizes::getShape(Value tensor) {
  auto [entry, isNew] = shapes.try_emplace(tensor);
  if (isNew)
    entry->second.assign(cast<RankedTensorType>(tensor.getType()).getShape().begin(),
                         cast<RankedTensorType>(tensor.getType()).getShape().end());
  return entry->second;
}

RankedTensorType SampleSizes::getType(Value tensor) const {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto found = shapes.find(tensor);
  return found == shapes.end() ? type : type.clone(found->second);
}

void SampleSizes::setSize(Value tensor, int64_t dim, int64_t size) {
  int64_t &known = getShape(tensor)[dim];
  contradiction |= known != kUnknown && known != size;
  if (known == kUnknown) {
    known = size;
    changed = true;
  }
}

void SampleSizes::equate(Value a, int64_t dimA, Value b, int64_t dimB) {
  int64_t sizeA = getShape(a)[dimA], sizeB = getShape(b)[dimB];
  if (sizeA != kUnknown)
    setSize(b, dimB, sizeA);
  if (sizeB != kUnknown)
    setSize(a, dimA, sizeB);
}

void SampleSizes::setSizes(Value tensor, ArrayRef<OpFoldResult> sizes) {
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    if (auto constant = getConstantIntValue(size))
      setSize(tensor, dim, *constant);
    else if (auto known = scalars.find(cast<Value>(size)); known != scalars.end())
      setSize(tensor, dim, known->second);
  }
}

/// Each dimension of `narrow` is the product of a group of dimensions of `wide`.
void SampleSizes::matchGroups(Value narrow, Value wide, ArrayRef<SmallVector<int64_t, 2>> groups) {
  for (auto [dim, group] : llvm::enumerate(groups)) {
    int64_t product = 1, open = -1, numOpen = 0;
    for (int64_t part : group) {
      int64_t size = getShape(wide)[part];
      if (size == kUnknown)
        open = part, ++numOpen;
      else
        product *= size;
    }
    int64_t whole = getShape(narrow)[dim];
    if (numOpen == 0)
      setSize(narrow, dim, product);
    else if (numOpen == 1 && whole != kUnknown && product != 0 && whole % product == 0)
      setSize(wide, open, whole / product);
  }
}

/// Operands that a loop indexes in the same manner have one size there.
void SampleSizes::visitLinalg(Operation *op) {
  auto linalgOp = cast<linalg::LinalgOp>(op);
  SmallVector<std::pair<Value, int64_t>> loops(linalgOp.getNumLoops());
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = linalgOp.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        continue;
      auto &[value, position] = loops[loop.getPosition()];
      if (value)
        equate(value, position, operand.get(), dim);
      if (!value || getShape(value)[position] == kUnknown)
        value = operand.get(), position = dim;
    }
  }
}

/// Index arithmetic on what is known.
void SampleSizes::fold(Operation *op) {
  SmallVector<Attribute> operands;
  Builder builder(op->getContext());
  for (Value operand : op->getOperands()) {
    auto known = scalars.find(operand);
    if (known == scalars.end() || !operand.getType().isIntOrIndex())
      return;
    operands.push_back(builder.getIntegerAttr(operand.getType(), known->second));
  }
  SmallVector<OpFoldResult> results;
  if (op->getNumResults() != 1 || failed(op->fold(operands, results)) || results.size() != 1)
    return;
  auto attribute = dyn_cast<Attribute>(results[0]);
  if (auto integer = dyn_cast_if_present<IntegerAttr>(attribute); integer && integer.getType().isIntOrIndex())
    changed |= scalars.try_emplace(op->getResult(0), integer.getInt()).second;
}

void SampleSizes::visit(Operation *op) {
  if (op->getNumResults() == 1 && op->getResult(0).getType().isIntOrIndex()) {
    if (auto dim = dyn_cast<tensor::DimOp>(op)) {
      auto position = dim.getConstantIndex();
      int64_t size = position ? getShape(dim.getSource())[*position] : kUnknown;
      if (size != kUnknown)
        changed |= scalars.try_emplace(dim.getResult(), size).second;
    } else if (!scalars.contains(op->getResult(0))) {
      fold(op);
    }
    return;
  }
  if (isa<linalg::LinalgOp>(op))
    visitLinalg(op);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return setSizes(empty, empty.getMixedSizes());
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op); slice && slice.getDroppedDims().none())
    return setSizes(slice, slice.getMixedSizes());
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    setSizes(expand, expand.getMixedOutputShape());
    return matchGroups(expand.getSrc(), expand, expand.getReassociationIndices());
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return matchGroups(collapse, collapse.getSrc(), collapse.getReassociationIndices());
  SmallVector<std::pair<Value, Value>> alike;
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op); destination && op->getNumResults() > 0)
    for (OpOperand &init : destination.getDpsInitsMutable())
      alike.emplace_back(init.get(), destination.getTiedOpResult(&init));
  else if (OpTrait::hasElementwiseMappableTraits(op) || isa<tensor::CastOp>(op))
    for (Value operand : op->getOperands())
      alike.emplace_back(operand, op->getResult(0));
  for (auto [a, b] : alike) {
    auto typeA = dyn_cast<RankedTensorType>(a.getType()), typeB = dyn_cast<RankedTensorType>(b.getType());
    for (int64_t dim = 0; typeA && typeB && typeA.getRank() == typeB.getRank() && dim < typeA.getRank(); ++dim)
      equate(a, dim, b, dim);
  }
}

void SampleSizes::settle(func::FuncOp function) {
  do {
    changed = false;
    for (Operation &op : function.getBody().front())
      visit(&op);
  } while (changed && !contradiction);
}

std::optional<SampleSizes> SampleSizes::find(func::FuncOp function) {
  SampleSizes sizes;
  int64_t next = 2;
  auto take = [&] { return std::exchange(next, 5 - next); };
  for (BlockArgument argument : function.getArguments())
    if (argument.getType().isIndex())
      sizes.scalars[argument] = take();
  sizes.settle(function);
  SmallVector<Value> values(function.getArguments());
  llvm::append_range(values, function.getBody().front().getTerminator()->getOperands());
  for (Value value : values) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    for (int64_t dim = 0; type && dim < type.getRank(); ++dim)
      if (sizes.getShape(value)[dim] == kUnknown) {
        if (!isa<BlockArgument>(value))
          return std::nullopt;
        sizes.setSize(value, dim, take());
        sizes.settle(function);
      }
  }
  return sizes.contradiction ? std::nullopt : std::optional(sizes);
}
