//===- Slices.cpp - Slice, Split, Concat and Pad -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

/// A start or end as a position in [0, size]. Numbers are clamped where the size is known; where it is not, they are
/// taken to lie inside, and the slice guards its reads.
static AffineExpr position(Emitter &e, AffineExpr at, AffineExpr size, bool isEnd) {
  std::optional<int64_t> number = constantOf(at), known = constantOf(size);
  if (number && known)
    return e.sizes.constant(std::clamp<int64_t>(*number < 0 ? *number + *known : *number, 0, *known));
  if (number && *number >= (int64_t(1) << 30))
    return size;
  if (number && *number <= -(int64_t(1) << 30))
    return e.sizes.constant(0);
  if (number && *number < 0)
    return e.sizes.canonical(size + *number);
  // Past the end for every size of the symbols.
  if (isEnd && isModest(at) && isNonNegative(e.sizes.canonical(at - size)))
    return size;
  return e.sizes.canonical(at);
}

static LogicalResult importSlice(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  for (int i : {1, 2})
    if (!node.in(i).contents)
      return node.fail("operand " + Twine(i) + " depends on data: a slice must follow from the inputs' shapes");
  ArrayRef<AffineExpr> starts = *node.in(1).contents, ends = *node.in(2).contents;
  SmallVector<int64_t> axes, steps(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i)
    axes.push_back(i);
  if (node.has(3)) {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(3);
    if (failed(given))
      return failure();
    axes = *given;
  }
  if (node.has(4)) {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(4);
    if (failed(given))
      return failure();
    steps = *given;
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return node.fail("starts, ends, axes and steps differ in length");
  Shape offsets(x.rank(), e.sizes.constant(0)), shape = x.shape;
  SmallVector<int64_t> strides(x.rank(), 1);
  for (size_t i = 0; i < starts.size(); ++i) {
    FailureOr<int64_t> axis = node.normalizeAxis(axes[i], x.rank());
    if (failed(axis))
      return failure();
    AffineExpr size = x.shape[*axis];
    std::optional<int64_t> known = constantOf(size), start = constantOf(starts[i]), end = constantOf(ends[i]);
    if (steps[i] == 0 || steps[i] == INT64_MIN)
      return node.fail("a step of 0 or beyond all sizes");
    strides[*axis] = steps[i];
    if (steps[i] > 0) {
      AffineExpr from = position(e, starts[i], size, false), to = position(e, ends[i], size, true);
      AffineExpr length = e.sizes.canonical(to - from);
      if (std::optional<int64_t> number = constantOf(length))
        length = e.sizes.constant(std::max<int64_t>(0, *number));
      offsets[*axis] = from;
      if (steps[i] > (int64_t(1) << 40))
        shape[*axis] = e.sizes.constant(1), strides[*axis] = 1;
      else
        shape[*axis] = e.sizes.canonical((length + (steps[i] - 1)).floorDiv(steps[i]));
      continue;
    }
    // Backwards: numbers against a known size, or the whole of an axis.
    if (known && start && end) {
      auto clamp = [&](int64_t at) {
        return std::clamp<int64_t>(at < 0 ? (at < -*known ? -1 : at + *known) : at, -1, *known - 1);
      };
      int64_t from = clamp(*start), to = *end < -*known ? -1 : clamp(*end);
      offsets[*axis] = e.sizes.constant(from);
      shape[*axis] = e.sizes.constant(from > to ? (from - to - steps[i] - 1) / -steps[i] : 0);
    } else if (steps[i] == -1 && start && (*start == -1 || *start >= (int64_t(1) << 30)) && end &&
               *end <= -(int64_t(1) << 30)) {
      offsets[*axis] = e.sizes.canonical(size - 1);
    } else {
      return node.fail("a backward slice of a dynamic size is not supported");
    }
  }
  // Shapes are sliced as expressions.
  if (x.contents && x.rank() == 1 && constantOf(offsets[0]) && constantOf(shape[0])) {
    SmallVector<AffineExpr> part;
    for (int64_t i = 0, n = *constantOf(shape[0]); i < n; ++i)
      part.push_back((*x.contents)[*constantOf(offsets[0]) + i * strides[0]]);
    return node.out(e.ints(part, x.dtype, shape));
  }
  if (shape == x.shape && llvm::all_of(strides, [](int64_t s) { return s == 1; }))
    return node.out(x);
  return node.out(e.slice(x, offsets, shape, strides));
}

static LogicalResult importSplit(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), x.rank());
  if (failed(axis))
    return failure();
  int64_t count = node.numOutputs();
  Shape parts;
  AffineExpr size = x.shape[*axis];
  if (node.has(1)) {
    if (!node.in(1).contents)
      return node.fail("the sizes of a split must follow from the inputs' shapes");
    parts = *node.in(1).contents;
  } else {
    int64_t pieces = node.intAttr("num_outputs", count);
    std::optional<int64_t> known = constantOf(size);
    if (pieces < 1 || (!known && e.sizes.divide(e.sizes.product({size}), {pieces, {}}) == std::nullopt))
      return node.fail("a dynamic size can't be split into " + Twine(pieces) + " equal parts");
    AffineExpr part = known ? e.sizes.constant((*known + pieces - 1) / pieces)
                            : *e.sizes.divide(e.sizes.product({size}), {pieces, {}});
    for (int64_t i = 0; i < pieces; ++i)
      parts.push_back(
          known ? e.sizes.constant(std::clamp<int64_t>(*known - i * *constantOf(part), 0, *constantOf(part))) : part);
  }
  if (int64_t(parts.size()) < count)
    return node.fail("has " + Twine(count) + " results for " + Twine(parts.size()) + " parts");
  AffineExpr total = e.sizes.constant(0);
  for (AffineExpr part : parts)
    total = total + part;
  total = e.sizes.canonical(total);
  if (failed(e.unify(total, size, "the parts of a split")))
    return failure();
  AffineExpr offset = e.sizes.constant(0);
  for (int64_t i = 0; i < count; ++i) {
    if (node.wants(i)) {
      Shape offsets(x.rank(), e.sizes.constant(0)), shape = x.shape;
      offsets[*axis] = offset, shape[*axis] = parts[i];
      Tensor piece = e.slice(x, offsets, shape, SmallVector<int64_t>(x.rank(), 1));
      if (x.contents && x.rank() == 1)
        piece = e.ints(ArrayRef(*x.contents).slice(*constantOf(offset), *constantOf(parts[i])), x.dtype, shape);
      if (failed(node.out(i, piece)))
        return failure();
    }
    offset = e.sizes.canonical(offset + parts[i]);
  }
  return success();
}

static LogicalResult importConcat(Node &node) {
  Emitter &e = node.e;
  Tensor &first = node.in(0);
  const setun_onnx::AttributeProto *given = node.attribute("axis");
  if (!given)
    return node.fail("attribute 'axis' is missing");
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), first.rank());
  if (failed(axis))
    return failure();
  Shape shape = first.shape;
  SmallVector<int> parts;
  bool known = true;
  for (int i = 0; i < node.numInputs(); ++i) {
    if (!node.has(i))
      return node.fail("operand " + Twine(i) + " is missing");
    Tensor &t = node.in(i);
    if (t.dtype != first.dtype || t.rank() != first.rank())
      return node.fail("operands differ in element type or rank");
    for (int64_t d = 0; d < t.rank(); ++d)
      if (d != *axis && failed(e.unify(shape[d], t.shape[d], "operands of Concat")))
        return failure();
    if (i)
      shape[*axis] = shape[*axis] + t.shape[*axis];
    known &= t.contents.has_value();
    // Empty parts hold nothing: an empty cache, or an empty shape.
    if (constantOf(t.shape[*axis]) != 0)
      parts.push_back(i);
  }
  shape[*axis] = e.sizes.canonical(shape[*axis]);
  if (known && first.rank() == 1) {
    SmallVector<AffineExpr> all;
    for (int i : parts)
      llvm::append_range(all, *node.in(i).contents);
    return node.out(e.ints(all, first.dtype, shape));
  }
  if (parts.size() == 1)
    return node.out(node.in(parts.front()));
  if (parts.empty())
    return node.out(first);
  SmallVector<Value> values;
  for (int i : parts)
    values.push_back(e.value(node.in(i)));
  Tensor result = e.make(tensor::ConcatOp::create(e.b, e.type(shape, e.elementType(first.dtype)), *axis, values),
                         first.dtype, shape);
  // A cache that grows: a float input of the model, dynamic where something that is no input is appended.
  auto past = dyn_cast<BlockArgument>(values[0]);
  if (past && parts.size() == 2 && first.rank() >= 3 && isFloat(first.dtype) &&
      isa<AffineSymbolExpr>(first.shape[*axis]) && !isa<BlockArgument>(values[1]))
    result.stateOf = past.getArgNumber(), result.stateAxis = *axis;
  return node.out(result);
}

static LogicalResult importPad(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  std::string mode = node.stringAttr("mode", "constant");
  if (mode != "constant")
    return node.fail("mode '" + mode + "' is not supported");
  if (!node.in(1).contents)
    return node.fail("the pads must follow from the inputs' shapes");
  Shape pads = *node.in(1).contents;
  SmallVector<int64_t> axes;
  if (node.has(3)) {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(3);
    if (failed(given))
      return failure();
    axes = *given;
  } else {
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      axes.push_back(axis);
  }
  if (pads.size() != 2 * axes.size())
    return node.fail("'pads' must hold two numbers an axis");
  Shape low(x.rank(), e.sizes.constant(0)), high = low, shape = x.shape;
  for (size_t i = 0; i < axes.size(); ++i) {
    FailureOr<int64_t> axis = node.normalizeAxis(axes[i], x.rank());
    if (failed(axis))
      return failure();
    low[*axis] = pads[i], high[*axis] = pads[i + axes.size()];
    if (!isNonNegative(low[*axis]) || !isNonNegative(high[*axis]))
      return node.fail("negative pads are not supported");
    shape[*axis] = e.sizes.canonical(x.shape[*axis] + low[*axis] + high[*axis]);
  }
  double number = 0;
  if (node.has(2)) {
    std::optional<double> known = node.constantNumber(2);
    if (!known)
      return node.fail("the padding value must be known at compile time");
    number = *known;
  }
  Value fill = arith::ConstantOp::create(e.b, e.scalar(number, e.elementType(x.dtype)));
  Value input = e.value(x);
  auto pad = tensor::PadOp::create(e.b, e.type(shape, e.elementType(x.dtype)), input, e.foldSizes(low),
                                   e.foldSizes(high), fill);
  return node.out(e.make(pad, x.dtype, shape));
}

static const OpRow rows[] = {
    {"Slice", 3, 5, importSlice},
    {"Split", 1, 2, importSplit},
    {"Concat", 1, -1, importConcat},
    {"Pad", 2, 4, importPad},
};
ArrayRef<OpRow> setun::onnx::getSlicesOps() { return rows; }
