//===- EmitMovement.cpp - Reshapes, broadcasts, transposes and slices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

Tensor Emitter::broadcast(Tensor &t, ArrayRef<AffineExpr> shape) {
  Shape target(llvm::map_range(shape, [&](AffineExpr size) { return sizes.canonical(size); }));
  Shape source(llvm::map_range(t.shape, [&](AffineExpr size) { return sizes.canonical(size); }));
  if (source == target)
    return t;
  Tensor result = make(nullptr, t.dtype, target);
  // A number known here needs no data at all.
  DenseElementsAttr constant = t.constant;
  if (!constant && t.contents && llvm::all_equal(*t.contents) && t.contents->size() && constantOf(t.contents->front()))
    constant = DenseElementsAttr::get(type(t), scalar(double(*constantOf(t.contents->front())), elementType(t.dtype)));
  if (constant && constant.isSplat()) {
    auto value = mlir::cast<TypedAttr>(constant.getSplatValue<Attribute>());
    if (type(result).hasStaticShape())
      result.constant = DenseElementsAttr::get(type(result), Attribute(value));
    else
      result.value = fill(target, value);
    return result;
  }
  // Sizes of 1 that grow are dropped, then all that is missing is added.
  SmallVector<int64_t> added;
  Shape kept;
  size_t shift = target.size() - source.size();
  AffineExpr one = sizes.constant(1);
  for (size_t i = 0; i < target.size(); ++i) {
    if (i < shift || (source[i - shift] == one && target[i] != one))
      added.push_back(i);
    else
      kept.push_back(target[i]);
  }
  Tensor narrow = *reshape(t, kept);
  result.value = value(narrow);
  if (!added.empty())
    result.value =
        linalg::BroadcastOp::create(b, result.value, empty(target, elementType(t.dtype)), added)->getResult(0);
  return result;
}

/// Cuts both shapes into groups with equal products: one collapse and one expand then do the reshape.
static void findGroups(Sizes &sizes, ArrayRef<AffineExpr> from, ArrayRef<AffineExpr> to,
                       SmallVectorImpl<ReassociationIndices> &fromGroups,
                       SmallVectorImpl<ReassociationIndices> &toGroups) {
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    size_t endI = from.size(), endJ = to.size();
    // The nearest pair of prefixes with one product closes the group.
    for (size_t reach = 2; reach <= (from.size() - i) + (to.size() - j); ++reach) {
      bool found = false;
      for (size_t n = 1; n < reach && !found; ++n) {
        size_t m = reach - n;
        if (i + n > from.size() || j + m > to.size())
          continue;
        found = sizes.product(from.slice(i, n)) == sizes.product(to.slice(j, m)) &&
                sizes.product(from.drop_front(i + n)) == sizes.product(to.drop_front(j + m));
        if (found)
          endI = i + n, endJ = j + m;
      }
      if (found)
        break;
    }
    // What is left on one side alone can only be sizes of 1.
    if (endI == from.size() || endJ == to.size())
      endI = from.size(), endJ = to.size();
    ReassociationIndices left, right;
    for (; i < endI; ++i)
      left.push_back(i);
    for (; j < endJ; ++j)
      right.push_back(j);
    fromGroups.push_back(left), toGroups.push_back(right);
  }
}

FailureOr<Tensor> Emitter::reshape(Tensor &t, ArrayRef<AffineExpr> shape, bool trusted) {
  Tensor result = make(nullptr, t.dtype, shape);
  SizeProduct have = sizes.product(t.shape), want = sizes.product(result.shape);
  if (!(have == want) && !trusted) {
    Sizes::cancel(have, want);
    AffineExpr left = sizes.expr(have);
    if (failed(unify(left, sizes.expr(want), "the new shape holds another number of elements")))
      return failure();
    result = make(nullptr, t.dtype, shape);
  }
  result.contents = t.contents;
  if (t.constant && type(result).hasStaticShape())
    result.constant = t.constant.reshape(type(result));
  if (result.contents || result.constant)
    return result;
  Shape source(llvm::map_range(t.shape, [&](AffineExpr size) { return sizes.canonical(size); }));
  Value current = value(t);
  if (source == result.shape) {
    result.value = current;
    result.parameter = t.parameter;
    return result;
  }
  Type element = elementType(t.dtype);
  SmallVector<ReassociationIndices> fromGroups, toGroups;
  if (!source.empty() && !result.shape.empty())
    findGroups(sizes, source, result.shape, fromGroups, toGroups);
  Shape middle;
  for (const ReassociationIndices &group : fromGroups) {
    ArrayRef<AffineExpr> part = ArrayRef(source).slice(group.front(), group.size());
    middle.push_back(sizes.expr(sizes.product(part)));
  }
  if (middle.size() != source.size()) {
    current = b.createOrFold<tensor::CollapseShapeOp>(current, fromGroups);
    // A product of dynamic sizes may be a number after all.
    if (current.getType() != type(middle, element))
      current = tensor::CastOp::create(b, type(middle, element), current);
  }
  if (middle.size() != result.shape.size())
    current = tensor::ExpandShapeOp::create(b, type(result), current, toGroups, foldSizes(result.shape));
  result.value = current;
  return result;
}

Tensor Emitter::transpose(Tensor &t, ArrayRef<int64_t> permutation) {
  Shape shape;
  for (int64_t axis : permutation)
    shape.push_back(t.shape[axis]);
  if (llvm::is_sorted(permutation))
    return t;
  Tensor result = make(nullptr, t.dtype, shape);
  if (t.constant && t.constant.isSplat()) {
    result.constant = t.constant.reshape(type(result));
    return result;
  }
  Value input = value(t);
  result.value = linalg::TransposeOp::create(b, input, empty(shape, elementType(t.dtype)), permutation)->getResult(0);
  return result;
}

Tensor Emitter::slice(Tensor &t, ArrayRef<AffineExpr> offsets, ArrayRef<AffineExpr> shape, ArrayRef<int64_t> strides) {
  Tensor result = make(nullptr, t.dtype, shape);
  if (llvm::any_of(result.shape, [](AffineExpr size) { return constantOf(size) == 0; })) {
    result.value = empty(shape, elementType(t.dtype));
    return result;
  }
  bool inside = true;
  for (int64_t axis = 0; axis < t.rank(); ++axis) {
    AffineExpr last = offsets[axis] + (shape[axis] - 1) * strides[axis];
    inside &= strides[axis] > 0 && isNonNegative(sizes.canonical(offsets[axis])) &&
              isNonNegative(sizes.canonical(t.shape[axis] - 1 - last));
  }
  Value input = value(t);
  if (inside) {
    auto steps = llvm::map_to_vector(strides, [&](int64_t s) { return OpFoldResult(b.getIndexAttr(s)); });
    result.value = tensor::ExtractSliceOp::create(b, type(result), input, foldSizes(offsets), foldSizes(shape), steps);
    return result;
  }
  SmallVector<Value> starts, ends;
  for (int64_t axis = 0; axis < t.rank(); ++axis) {
    starts.push_back(size(offsets[axis]));
    ends.push_back(size(t.shape[axis]));
  }
  result.value = generic({}, {}, shape, elementType(t.dtype), [&](OpBuilder &ob, Location loc, ValueRange) -> Value {
    SmallVector<Value> at;
    Value zero = arith::ConstantIndexOp::create(ob, loc, 0), one = arith::ConstantIndexOp::create(ob, loc, 1);
    for (int64_t axis = 0; axis < t.rank(); ++axis) {
      Value step = arith::ConstantIndexOp::create(ob, loc, strides[axis]);
      Value i = arith::MulIOp::create(ob, loc, linalg::IndexOp::create(ob, loc, axis), step);
      i = arith::AddIOp::create(ob, loc, i, starts[axis]);
      i = arith::MinSIOp::create(ob, loc, i, arith::SubIOp::create(ob, loc, ends[axis], one));
      at.push_back(arith::MaxSIOp::create(ob, loc, i, zero));
    }
    return tensor::ExtractOp::create(ob, loc, input, at);
  });
  return result;
}
