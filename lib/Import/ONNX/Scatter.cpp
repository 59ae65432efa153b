//===- Scatter.cpp - Writes at indices that are data -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Each is a loop that inserts into a tensor it carries, so that bufferization
// updates a cache in place. Indices are clamped: nothing is written outside.
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

using LoopBody = llvm::function_ref<Value(OpBuilder &, Location, ValueRange, Value)>;

/// One loop a size, which carries a tensor: body(indices, tensor) gives the next one. Sizes of 1 have no loop.
static Value loops(Emitter &e, OpBuilder &b, Location loc, ArrayRef<AffineExpr> shape, Value carried, LoopBody body) {
  SmallVector<Value> ends, indices;
  for (AffineExpr size : shape)
    ends.push_back(e.size(size));
  std::function<Value(OpBuilder &, Value)> nest = [&](OpBuilder &inner, Value tensor) -> Value {
    size_t level = indices.size();
    if (level == shape.size())
      return body(inner, loc, indices, tensor);
    Value zero = arith::ConstantIndexOp::create(inner, loc, 0), one = arith::ConstantIndexOp::create(inner, loc, 1);
    Value result;
    if (constantOf(shape[level]) == 1) {
      indices.push_back(zero);
      result = nest(inner, tensor);
    } else {
      auto loop = scf::ForOp::create(inner, loc, zero, ends[level], one, tensor,
                                     [&](OpBuilder &next, Location, Value index, ValueRange carriedValues) {
                                       indices.push_back(index);
                                       Value out = nest(next, carriedValues[0]);
                                       scf::YieldOp::create(next, loc, out);
                                     });
      result = loop.getResult(0);
    }
    indices.resize(level);
    return result;
  };
  return nest(b, carried);
}

static FailureOr<Value> combine(Node &node, OpBuilder &b, Location loc, StringRef reduction, int32_t dtype, Value old,
                                Value fresh) {
  bool isF = isFloat(dtype);
  if (reduction == "none")
    return fresh;
  if (reduction == "add")
    return isF ? Value(arith::AddFOp::create(b, loc, old, fresh)) : Value(arith::AddIOp::create(b, loc, old, fresh));
  if (reduction == "mul")
    return isF ? Value(arith::MulFOp::create(b, loc, old, fresh)) : Value(arith::MulIOp::create(b, loc, old, fresh));
  if (reduction == "max")
    return isF ? Value(arith::MaximumFOp::create(b, loc, old, fresh))
               : Value(arith::MaxSIOp::create(b, loc, old, fresh));
  return isF ? Value(arith::MinimumFOp::create(b, loc, old, fresh)) : Value(arith::MinSIOp::create(b, loc, old, fresh));
}

static LogicalResult checkReduction(Node &node, StringRef reduction) {
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"}, reduction))
    return node.fail("reduction '" + reduction + "' is not known");
  return success();
}

/// The result is the next value of the input that was written.
static Tensor written(Emitter &e, Tensor &data, Value result) {
  Tensor t = e.make(result, data.dtype, data.shape);
  if (auto argument = dyn_cast_or_null<BlockArgument>(data.value); argument && isFloat(data.dtype))
    t.stateOf = argument.getArgNumber();
  return t;
}

/// True for an initializer, also one that the exporter transposes before and after its use.
static bool isConstant(const Tensor &t) {
  if (t.contents || t.constant || !t.parameter.empty())
    return true;
  auto transpose = t.value ? t.value.getDefiningOp<linalg::TransposeOp>() : linalg::TransposeOp();
  return transpose && transpose.getInput().getDefiningOp<ml_program::GlobalLoadConstOp>();
}

/// A cache that the exporter turned into a constant would be empty for ever. Unpacking of weights looks alike, but
/// writes integers, or to places that are known.
static void warnOfLostCache(Node &node, Tensor &data, Tensor &indices) {
  if (isFloat(data.dtype) && data.rank() >= 3 && isConstant(data) && !isConstant(indices))
    node.warn("writes into a constant of the model: a cache that was lost in export (the model forgets it after every "
              "run). Export the model with its caches as inputs and outputs");
}

static LogicalResult importScatterND(Node &node) {
  Emitter &e = node.e;
  Tensor &data = node.in(0), &indices = node.in(1), &updates = node.in(2);
  std::string reduction = node.stringAttr("reduction", "none");
  if (failed(checkReduction(node, reduction)))
    return failure();
  if (indices.rank() < 1 || !constantOf(indices.shape.back()) || indices.dtype != i64 || updates.dtype != data.dtype)
    return node.fail("indices must be INT64 with a fixed last size, and updates have the operand's element type");
  int64_t depth = *constantOf(indices.shape.back()), leading = indices.rank() - 1;
  if (depth < 1 || depth > data.rank() || updates.rank() != leading + data.rank() - depth)
    return node.fail("the last size of the indices doesn't fit the operand");
  for (int64_t d = 0; d < leading; ++d)
    if (failed(e.unify(updates.shape[d], indices.shape[d], "updates and indices")))
      return failure();
  for (int64_t d = depth; d < data.rank(); ++d)
    if (failed(e.unify(updates.shape[leading + d - depth], data.shape[d], "updates and operand")))
      return failure();
  if (holdsNothing(data) || holdsNothing(updates))
    return node.out(data);
  warnOfLostCache(node, data, indices);
  Value into = e.value(data), ids = e.value(indices), from = e.value(updates);
  SmallVector<Value> ends;
  for (int64_t d = 0; d < depth; ++d)
    ends.push_back(e.size(data.shape[d]));
  // A row of the operand a tuple of indices; with a reduction, an element each.
  bool whole = reduction == "none" && depth < data.rank();
  Shape space(ArrayRef(updates.shape).take_front(whole ? leading : updates.rank()));
  SmallVector<OpFoldResult> rowSizes = e.foldSizes(ArrayRef(data.shape).drop_front(depth));
  auto rowType = e.type(ArrayRef(data.shape).drop_front(depth), e.elementType(data.dtype));
  Value result =
      loops(e, e.b, e.b.getLoc(), space, into, [&](OpBuilder &b, Location loc, ValueRange at, Value tensor) -> Value {
        SmallVector<Value> where(at.take_front(leading)), target;
        where.push_back(nullptr);
        for (int64_t d = 0; d < depth; ++d) {
          where.back() = arith::ConstantIndexOp::create(b, loc, d);
          Value index = tensor::ExtractOp::create(b, loc, ids, where);
          target.push_back(e.clampedIndex(b, loc, index, ends[d]));
        }
        if (!whole) {
          llvm::append_range(target, at.drop_front(leading));
          Value fresh = tensor::ExtractOp::create(b, loc, from, at);
          if (reduction != "none")
            fresh =
                *combine(node, b, loc, reduction, data.dtype, tensor::ExtractOp::create(b, loc, tensor, target), fresh);
          return tensor::InsertOp::create(b, loc, fresh, tensor, target);
        }
        OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
        SmallVector<OpFoldResult> fromAt(at.begin(), at.end()), fromSizes(leading, one),
            toAt(target.begin(), target.end()), toSizes(depth, one);
        fromAt.append(rowSizes.size(), zero), toAt.append(rowSizes.size(), zero);
        fromSizes.append(rowSizes), toSizes.append(rowSizes);
        Value row = tensor::ExtractSliceOp::create(b, loc, rowType, from, fromAt, fromSizes,
                                                   SmallVector<OpFoldResult>(fromAt.size(), one));
        return tensor::InsertSliceOp::create(b, loc, row, tensor, toAt, toSizes,
                                             SmallVector<OpFoldResult>(toAt.size(), one));
      });
  return node.out(written(e, data, result));
}

static LogicalResult importScatterElements(Node &node) {
  Emitter &e = node.e;
  Tensor &data = node.in(0), &indices = node.in(1), &updates = node.in(2);
  std::string reduction = node.stringAttr("reduction", "none");
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), data.rank());
  if (failed(axis) || failed(checkReduction(node, reduction)))
    return failure();
  if (indices.rank() != data.rank() || updates.rank() != data.rank() || updates.dtype != data.dtype ||
      (indices.dtype != i32 && indices.dtype != i64))
    return node.fail("operand, indices and updates must have one rank, and operand and updates one element type");
  for (int64_t d = 0; d < data.rank(); ++d)
    if (failed(e.unify(updates.shape[d], indices.shape[d], "updates and indices")))
      return failure();
  if (holdsNothing(data) || holdsNothing(updates))
    return node.out(data);
  warnOfLostCache(node, data, indices);
  Value into = e.value(data), ids = e.value(indices), from = e.value(updates);
  SmallVector<Value> ends;
  for (AffineExpr size : data.shape)
    ends.push_back(e.size(size));
  Value result = loops(
      e, e.b, e.b.getLoc(), updates.shape, into, [&](OpBuilder &b, Location loc, ValueRange at, Value tensor) -> Value {
        SmallVector<Value> target(at);
        target[*axis] = tensor::ExtractOp::create(b, loc, ids, at);
        for (auto [index, end] : llvm::zip(target, ends))
          index = e.clampedIndex(b, loc, index, end);
        Value fresh = tensor::ExtractOp::create(b, loc, from, at);
        if (reduction != "none")
          fresh =
              *combine(node, b, loc, reduction, data.dtype, tensor::ExtractOp::create(b, loc, tensor, target), fresh);
        return tensor::InsertOp::create(b, loc, fresh, tensor, target);
      });
  return node.out(written(e, data, result));
}

/// TensorScatter-24: update[b, .., 0:L, ..] goes to cache[b, .., at[b] : at[b] + L, ..].
static LogicalResult importTensorScatter(Node &node) {
  Emitter &e = node.e;
  Tensor &cache = node.in(0), &update = node.in(1);
  std::string mode = node.stringAttr("mode", "linear");
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", -2), cache.rank());
  if (failed(axis))
    return failure();
  if (*axis == 0 || update.rank() != cache.rank() || update.dtype != cache.dtype ||
      (mode != "linear" && mode != "circular"))
    return node.fail("operands or attributes don't fit TensorScatter");
  for (int64_t d = 0; d < cache.rank(); ++d)
    if (d != *axis && failed(e.unify(cache.shape[d], update.shape[d], "cache and update")))
      return failure();
  if (node.has(2) && (node.in(2).rank() != 1 || node.in(2).dtype != i64 ||
                      failed(e.unify(cache.shape[0], node.in(2).shape[0], "cache and write_indices"))))
    return node.fail("write_indices must hold one INT64 a batch");
  if (holdsNothing(cache) || holdsNothing(update))
    return node.out(cache);
  Tensor empty;
  warnOfLostCache(node, cache, node.has(2) ? node.in(2) : empty);
  Value into = e.value(cache), from = e.value(update), starts = node.has(2) ? e.value(node.in(2)) : Value();
  Value room = e.size(cache.shape[*axis]), length = e.size(update.shape[*axis]);
  bool circular = mode == "circular";
  // Linear writes go in one piece, circular ones entry by entry.
  Shape space = {cache.shape[0]};
  if (circular)
    space.push_back(update.shape[*axis]);
  Shape pieceShape = update.shape;
  pieceShape[0] = e.sizes.constant(1);
  if (circular)
    pieceShape[*axis] = e.sizes.constant(1);
  SmallVector<OpFoldResult> sizes = e.foldSizes(pieceShape);
  auto pieceType = e.type(pieceShape, e.elementType(cache.dtype));
  Value result =
      loops(e, e.b, e.b.getLoc(), space, into, [&](OpBuilder &b, Location loc, ValueRange at, Value tensor) -> Value {
        Value zeroIndex = arith::ConstantIndexOp::create(b, loc, 0), start = zeroIndex;
        if (starts)
          start =
              arith::IndexCastOp::create(b, loc, b.getIndexType(), tensor::ExtractOp::create(b, loc, starts, at[0]));
        if (circular) {
          start = arith::RemSIOp::create(b, loc, arith::AddIOp::create(b, loc, start, at[1]), room);
          start = arith::MaxSIOp::create(b, loc, start, zeroIndex);
        } else {
          start = arith::MinSIOp::create(b, loc, start, arith::SubIOp::create(b, loc, room, length));
          start = arith::MaxSIOp::create(b, loc, start, zeroIndex);
        }
        OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
        SmallVector<OpFoldResult> fromAt(cache.rank(), zero), toAt(cache.rank(), zero), strides(cache.rank(), one);
        fromAt[0] = toAt[0] = at[0];
        if (circular)
          fromAt[*axis] = at[1];
        toAt[*axis] = start;
        Value piece = tensor::ExtractSliceOp::create(b, loc, pieceType, from, fromAt, sizes, strides);
        return tensor::InsertSliceOp::create(b, loc, piece, tensor, toAt, sizes, strides);
      });
  return node.out(written(e, cache, result));
}

static const OpRow rows[] = {
    {"ScatterND", 3, 3, importScatterND},
    {"ScatterElements", 3, 3, importScatterElements},
    {"TensorScatter", 2, 3, importTensorScatter},
};
ArrayRef<OpRow> setun::onnx::getScatterOps() { return rows; }
