//===- Layout.cpp - Shapes: reshape, transpose, expand and their kin -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

static LogicalResult reshapeTo(Node &node, ArrayRef<AffineExpr> shape, bool trusted = false) {
  FailureOr<Tensor> result = node.e.reshape(node.in(0), shape, trusted);
  return failed(result) ? failure() : node.out(*result);
}

/// The elements of a small integer operand as sizes.
static FailureOr<Shape> sizesOf(Node &node, int index) {
  Tensor &t = node.in(index);
  if (!t.contents)
    return node.fail("operand " + Twine(index) + " depends on data: a shape must follow from the inputs' shapes");
  return Shape(*t.contents);
}

static LogicalResult importReshape(Node &node) {
  Emitter &e = node.e;
  FailureOr<Shape> target = sizesOf(node, 1);
  if (failed(target))
    return failure();
  Tensor &x = node.in(0);
  bool allowZero = node.intAttr("allowzero", 0) != 0;
  int64_t open = -1;
  bool trusted = false;
  for (auto [axis, size] : llvm::enumerate(*target)) {
    std::optional<int64_t> number = constantOf(size);
    if (number == 0 && !allowZero) {
      if (int64_t(axis) >= x.rank())
        return node.fail("the new shape copies size " + Twine(axis) + ", which the operand lacks");
      size = x.shape[axis];
    } else if (number == -1) {
      if (open >= 0)
        return node.fail("the new shape has two open sizes");
      open = axis;
    } else if (number && *number < 0) {
      return node.fail("the new shape has a negative size");
    }
  }
  if (open >= 0) {
    Shape others = *target;
    others.erase(others.begin() + open);
    SizeProduct have = e.sizes.product(x.shape), want = e.sizes.product(others);
    std::optional<AffineExpr> rest = e.sizes.divide(have, want);
    if (!rest) {
      // What doesn't divide for all sizes still may for the sizes there will be: [b * s] as [-1, 4].
      Sizes::cancel(have, want);
      if (!want.factors.empty() || want.constant <= 0 || have.factors.empty())
        return node.fail("the open size of the new shape does not come out as a whole number");
      rest = e.sizes.expr(have).floorDiv(want.constant);
      trusted = true;
    }
    (*target)[open] = *rest;
  }
  return reshapeTo(node, *target, trusted);
}

static LogicalResult importSqueeze(Node &node) {
  Tensor &x = node.in(0);
  FailureOr<std::optional<SmallVector<int64_t>>> axes = node.axes(1, x.rank());
  if (failed(axes))
    return failure();
  Shape shape;
  AffineExpr one = node.e.sizes.constant(1);
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    bool drop = *axes ? llvm::is_contained(**axes, axis) : x.shape[axis] == one;
    if (!drop)
      shape.push_back(x.shape[axis]);
    else if (failed(node.e.unify(x.shape[axis], one, "a squeezed size")))
      return failure();
  }
  return reshapeTo(node, shape);
}

static LogicalResult importUnsqueeze(Node &node) {
  Tensor &x = node.in(0);
  std::optional<SmallVector<int64_t>> given = node.intsAttr("axes");
  if (!given) {
    if (!node.has(1))
      return node.fail("has no axes");
    FailureOr<SmallVector<int64_t>> known = node.constantInts(1);
    if (failed(known))
      return failure();
    given = *known;
  }
  int64_t rank = x.rank() + given->size();
  SmallVector<bool> added(rank, false);
  for (int64_t axis : *given) {
    FailureOr<int64_t> normal = node.normalizeAxis(axis, rank);
    if (failed(normal))
      return failure();
    if (added[*normal])
      return node.fail("an axis is given twice");
    added[*normal] = true;
  }
  Shape shape;
  const AffineExpr *next = x.shape.begin();
  for (bool one : added)
    shape.push_back(one ? node.e.sizes.constant(1) : *next++);
  return reshapeTo(node, shape);
}

static LogicalResult importFlatten(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  int64_t axis = node.intAttr("axis", 1);
  if (axis < -x.rank() || axis > x.rank())
    return node.fail("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(x.rank()));
  axis = axis < 0 ? axis + x.rank() : axis;
  ArrayRef<AffineExpr> shape = x.shape;
  return reshapeTo(node, {e.sizes.expr(e.sizes.product(shape.take_front(axis))),
                          e.sizes.expr(e.sizes.product(shape.drop_front(axis)))});
}

static LogicalResult importTranspose(Node &node) {
  Tensor &x = node.in(0);
  SmallVector<int64_t> permutation;
  if (auto given = node.intsAttr("perm"))
    permutation = *given;
  else
    for (int64_t axis = x.rank(); axis-- > 0;)
      permutation.push_back(axis);
  SmallVector<int64_t> sorted = permutation;
  llvm::sort(sorted);
  bool good = int64_t(sorted.size()) == x.rank();
  for (auto [axis, entry] : llvm::enumerate(sorted))
    good &= entry == int64_t(axis);
  if (!good)
    return node.fail("attribute 'perm' is no permutation of " + Twine(x.rank()) + " axes");
  return node.out(node.e.transpose(x, permutation));
}

static LogicalResult importExpand(Node &node) {
  FailureOr<Shape> target = sizesOf(node, 1);
  if (failed(target))
    return failure();
  FailureOr<Shape> shape = node.e.broadcastShape(node.in(0).shape, *target);
  return failed(shape) ? failure() : node.out(node.e.broadcast(node.in(0), *shape));
}

/// [a, b] tiled by [m, n] is [1, a, 1, b] broadcast to [m, a, n, b].
static LogicalResult importTile(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  FailureOr<Shape> repeats = sizesOf(node, 1);
  if (failed(repeats))
    return failure();
  if (int64_t(repeats->size()) != x.rank())
    return node.fail("'repeats' must name every axis");
  Shape narrow, wide, result;
  AffineExpr one = e.sizes.constant(1);
  for (auto [size, repeat] : llvm::zip(x.shape, *repeats)) {
    if (repeat != one) {
      narrow.push_back(one);
      wide.push_back(repeat);
    }
    narrow.push_back(size);
    wide.push_back(size);
    result.push_back(size * repeat);
  }
  FailureOr<Tensor> spread = e.reshape(x, narrow);
  if (failed(spread))
    return failure();
  Tensor repeated = e.broadcast(*spread, wide);
  FailureOr<Tensor> flat = e.reshape(repeated, result);
  return failed(flat) ? failure() : node.out(*flat);
}

static LogicalResult importShape(Node &node) {
  Tensor &x = node.in(0);
  int64_t rank = x.rank(), start = node.intAttr("start", 0), end = node.intAttr("end", rank);
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  start = clamp(start), end = std::max(start, clamp(end));
  ArrayRef<AffineExpr> part = ArrayRef(x.shape).slice(start, end - start);
  return node.out(node.e.ints(part, i64, node.e.staticShape({end - start})));
}

static LogicalResult importSize(Node &node) {
  Sizes &sizes = node.e.sizes;
  return node.out(node.e.ints({sizes.expr(sizes.product(node.in(0).shape))}, i64, {}));
}

static const OpRow rows[] = {
    {"Reshape", 2, 2, importReshape}, {"Squeeze", 1, 2, importSqueeze},     {"Unsqueeze", 1, 2, importUnsqueeze},
    {"Flatten", 1, 1, importFlatten}, {"Transpose", 1, 1, importTranspose}, {"Expand", 2, 2, importExpand},
    {"Tile", 2, 2, importTile},       {"Shape", 1, 1, importShape},         {"Size", 1, 1, importSize},
};
ArrayRef<OpRow> setun::onnx::getLayoutOps() { return rows; }
