//===- Matchers.cpp - Seeing through the spelling of tensor code ----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Matchers.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace setun;

/// Sizes of 1 follow no dimension, so that views with and without them are equal.
static View normalize(View view) {
  auto type = dyn_cast<RankedTensorType>(view.value.getType());
  for (auto [i, dim] : llvm::enumerate(view.dims))
    if (type.getDimSize(i) == 1)
      dim = -1;
  return view;
}

View View::root(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return normalize({value, llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()))});
}

View View::operand(Value operand) const { return normalize({operand, dims}).strip(); }

/// The dimensions of a reshape's source, if the reshape only adds (`expands`) or drops sizes of 1.
static std::optional<SmallVector<int64_t>> getReshapeDims(ArrayRef<ReassociationIndices> groups, bool expands,
                                                          RankedTensorType resultType, RankedTensorType sourceType,
                                                          ArrayRef<int64_t> dims) {
  RankedTensorType wide = expands ? resultType : sourceType;
  SmallVector<int64_t> sourceDims(sourceType.getRank(), -1);
  for (auto [narrowDim, group] : llvm::enumerate(groups)) {
    int64_t kept = -1;
    for (int64_t wideDim : group) {
      if (wide.getDimSize(wideDim) == 1)
        continue;
      if (kept != -1)
        return std::nullopt;
      kept = wideDim;
    }
    if (kept != -1)
      sourceDims[expands ? narrowDim : kept] = dims[expands ? kept : narrowDim];
  }
  return sourceDims;
}

View View::strip() const {
  View view = *this;
  while (Operation *op = view.value.getDefiningOp()) {
    std::optional<SmallVector<int64_t>> dims;
    Value source;
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      source = broadcast.getInput();
      dims.emplace();
      for (auto [i, dim] : llvm::enumerate(view.dims))
        if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(i)))
          dims->push_back(dim);
    } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
      source = expand.getSrc();
      dims = getReshapeDims(expand.getReassociationIndices(), true, expand.getResultType(), expand.getSrcType(),
                            view.dims);
    } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
      source = collapse.getSrc();
      dims = getReshapeDims(collapse.getReassociationIndices(), false, collapse.getResultType(), collapse.getSrcType(),
                            view.dims);
    } else if (auto cast = dyn_cast<tensor::CastOp>(op)) {
      source = cast.getSource();
      if (isa<RankedTensorType>(source.getType()))
        dims = view.dims;
    }
    if (!dims)
      break;
    view = normalize({source, *dims});
  }
  return view;
}

std::optional<double> setun::getSplat(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    DenseElementsAttr elements;
    FloatAttr scalar;
    if (matchPattern(value, m_Constant(&elements)))
      return elements.isSplat() && isa<FloatType>(elements.getElementType())
                 ? std::optional(elements.getSplatValue<FloatAttr>().getValueAsDouble())
                 : std::nullopt;
    if (matchPattern(value, m_Constant(&scalar)))
      return scalar.getValueAsDouble();
    if (auto fill = dyn_cast<linalg::FillOp>(op))
      value = fill.getInputs().front();
    else if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op))
      value = broadcast.getInput();
    else if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::SplatOp, tensor::CastOp, arith::ExtFOp>(op))
      value = op->getOperand(0);
    else
      break;
  }
  return std::nullopt;
}

ElementsAttr setun::getConstantData(Value value) {
  ElementsAttr data;
  if (matchPattern(value, m_Constant(&data)))
    return data;
  auto load = value.getDefiningOp<ml_program::GlobalLoadConstOp>();
  auto global = load ? SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobalAttr())
                     : ml_program::GlobalOp();
  return global && !global.getIsMutable() ? dyn_cast_or_null<ElementsAttr>(global.getValueAttr()) : ElementsAttr();
}

/// The bound keeps shared operands from being compared over and over; deeper duplicates are `--cse`'s business.
static bool isSameValue(Value a, Value b, int depth) {
  if (a == b)
    return true;
  auto left = dyn_cast<OpResult>(a), right = dyn_cast<OpResult>(b);
  if (!left || !right || left.getResultNumber() != right.getResultNumber() || depth == 0)
    return false;
  Operation *x = left.getOwner(), *y = right.getOwner();
  bool plain = x->getName() == y->getName() && isPure(x) && x->getNumRegions() == 0;
  auto sameOperand = [&](Value u, Value v) { return success(isSameValue(u, v, depth - 1)); };
  return plain &&
         OperationEquivalence::isEquivalentTo(x, y, sameOperand, nullptr, OperationEquivalence::IgnoreLocations);
}

bool setun::isSameValue(Value a, Value b) { return ::isSameValue(a, b, 3); }

Value setun::stripFloatCasts(Value value, bool lossy) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp>(op) && !(lossy && isa<arith::TruncFOp>(op)))
      break;
    value = op->getOperand(0);
  }
  return value;
}

Value setun::stripReshapes(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

SmallVector<OpFoldResult> setun::getSizes(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Operation *op = value.getDefiningOp();
  if (type.hasStaticShape() || !op)
    return tensor::getMixedSizes(builder, loc, value);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getMixedSizes();
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape();
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op); slice && slice.getSourceType().getRank() == type.getRank())
    return slice.getMixedSizes();
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return getSizes(builder, loc, destination.getTiedOpOperand(cast<OpResult>(value))->get());
  if (op->hasTrait<OpTrait::Elementwise>())
    for (Value operand : op->getOperands())
      if (auto operandType = dyn_cast<RankedTensorType>(operand.getType()))
        if (operandType.getShape() == type.getShape())
          return getSizes(builder, loc, operand);
  auto collapse = dyn_cast<tensor::CollapseShapeOp>(op);
  if (!collapse)
    return tensor::getMixedSizes(builder, loc, value);
  SmallVector<OpFoldResult> sizes, source = getSizes(builder, loc, collapse.getSrc());
  for (const ReassociationIndices &group : collapse.getReassociationIndices()) {
    AffineExpr product = builder.getAffineConstantExpr(1);
    SmallVector<OpFoldResult> factors;
    for (int64_t dim : group) {
      product = product * builder.getAffineSymbolExpr(factors.size());
      factors.push_back(source[dim]);
    }
    sizes.push_back(affine::makeComposedFoldedAffineApply(builder, loc, product, factors));
  }
  return sizes;
}

Value setun::broadcastTo(OpBuilder &builder, Location loc, Value value, ArrayRef<OpFoldResult> sizes,
                         ArrayRef<int64_t> dims) {
  if (dims.size() == sizes.size())
    return value;
  SmallVector<int64_t> added;
  for (int64_t i = 0, e = sizes.size(); i < e; ++i)
    if (!llvm::is_contained(dims, i))
      added.push_back(i);
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  Value init = tensor::EmptyOp::create(builder, loc, sizes, element);
  return linalg::BroadcastOp::create(builder, loc, value, init, added).getResult()[0];
}

/// The reshape between a tensor whose dimension i follows `dims[i]` and the same without its sizes of 1.
static SmallVector<ReassociationIndices> getCompactGroups(ArrayRef<int64_t> dims, SmallVector<int64_t> &kept) {
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices leading;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (dim != -1) {
      kept.push_back(dim);
      groups.push_back(std::move(leading));
      leading.clear();
    }
    (groups.empty() ? leading : groups.back()).push_back(i);
  }
  return groups;
}

Value setun::reshapeView(OpBuilder &builder, Location loc, const View &view, ArrayRef<int64_t> dims,
                         ArrayRef<OpFoldResult> rootSizes) {
  SmallVector<int64_t> have, want, positions;
  SmallVector<ReassociationIndices> collapse = getCompactGroups(view.dims, have), expand = getCompactGroups(dims, want);
  Value value = view.value;
  if (have.size() != view.dims.size())
    value = tensor::CollapseShapeOp::create(builder, loc, value, collapse);
  SmallVector<OpFoldResult> sizes, fullSizes;
  for (auto [i, dim] : llvm::enumerate(want)) {
    sizes.push_back(rootSizes[dim]);
    if (llvm::is_contained(have, dim))
      positions.push_back(i);
  }
  value = broadcastTo(builder, loc, value, sizes, positions);
  if (want.size() == dims.size())
    return value;
  auto compact = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  for (int64_t i = 0, next = 0, e = dims.size(); i < e; ++i) {
    shape.push_back(dims[i] == -1 ? 1 : compact.getDimSize(next++));
    fullSizes.push_back(dims[i] == -1 ? builder.getIndexAttr(1) : rootSizes[dims[i]]);
    if (!ShapedType::isDynamic(shape.back()))
      fullSizes.back() = builder.getIndexAttr(shape.back());
  }
  return tensor::ExpandShapeOp::create(builder, loc, compact.clone(shape), value, expand, fullSizes);
}
