//===- Rotary.cpp - Rotary position embedding -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace setun::onnx;

namespace {
struct RotaryOperands {
  Tensor *cos, *sin;
  std::optional<Tensor> positions;
};
} // namespace

/// Rows of a [P, h] cache at positions [B, S].
static Tensor rowsAt(Emitter &e, Tensor &cache, Tensor &positions) {
  Shape shape = positions.shape;
  shape.push_back(cache.shape[1]);
  Value table = e.value(cache), ids = e.value(positions), init = e.empty(shape, e.elementType(cache.dtype));
  auto rows = setun::nn::EmbeddingOp::create(e.b, init.getType(), ids, table, init);
  return e.make(rows->getResult(0), cache.dtype, shape);
}

static LogicalResult rotary(Node &node, RotaryOperands &operands) {
  Emitter &e = node.e;
  Tensor x = node.in(0);
  if (!isFloat(x.dtype) || operands.cos->dtype != x.dtype || operands.sin->dtype != x.dtype)
    return node.fail("operand and caches must have one float element type");
  // [B, S, H * D] is a view of [B, H, S, D].
  Shape original = x.shape;
  bool packed = x.rank() == 3;
  if (packed) {
    int64_t heads = node.intAttr("num_heads", 0);
    std::optional<AffineExpr> size;
    if (heads > 0)
      size = e.sizes.divide(e.sizes.product(x.shape.back()), {heads, {}});
    if (!size)
      return node.fail("attribute 'num_heads' doesn't divide the last size");
    FailureOr<Tensor> split = e.reshape(x, {x.shape[0], x.shape[1], e.sizes.constant(heads), *size});
    if (failed(split))
      return failure();
    x = e.transpose(*split, {0, 2, 1, 3});
  }
  if (x.rank() != 4)
    return node.fail("the operand must have rank 3 or 4");
  SmallVector<Value> tables;
  for (Tensor *cache : {operands.cos, operands.sin}) {
    Tensor t = *cache;
    if (operands.positions) {
      if (t.rank() != 2)
        return node.fail("caches must have rank 2 where positions are given");
      t = rowsAt(e, t, *operands.positions);
    }
    // Exporters leave the batch out: [S, h], or [1, S, h] for a batch of any size.
    if (t.rank() == 2)
      t = *e.reshape(t, {e.sizes.constant(1), t.shape[0], t.shape[1]});
    if (t.rank() != 3)
      return node.fail("caches must have rank 3");
    if (constantOf(t.shape[0]) != 1 && failed(e.unify(t.shape[0], x.shape[0], "the caches' batch")))
      return failure();
    if (failed(e.unify(t.shape[1], x.shape[2], "the caches' length")))
      return failure();
    std::optional<int64_t> half = constantOf(t.shape[2]), whole = constantOf(x.shape[3]);
    int64_t rotated = node.intAttr("rotary_embedding_dim", 0);
    if (!half || !whole || 2 * *half > *whole || (rotated && rotated != 2 * *half) || (!rotated && 2 * *half != *whole))
      return node.fail("the caches' last size doesn't fit the head size");
    tables.push_back(e.value(t));
  }
  Value input = e.value(x), init = e.empty(x.shape, e.elementType(x.dtype));
  UnitAttr interleaved = node.intAttr("interleaved", 0) ? e.b.getUnitAttr() : UnitAttr();
  auto op = setun::nn::RotaryEmbeddingOp::create(e.b, init.getType(), input, tables[0], tables[1], init, interleaved);
  Tensor result = e.make(op->getResult(0), x.dtype, x.shape);
  if (!packed)
    return node.out(result);
  Tensor back = e.transpose(result, {0, 2, 1, 3});
  FailureOr<Tensor> joined = e.reshape(back, original);
  return failed(joined) ? failure() : node.out(*joined);
}

static LogicalResult importRotary(Node &node) {
  RotaryOperands operands{&node.in(1), &node.in(2), std::nullopt};
  if (node.has(3))
    operands.positions = node.in(3);
  return rotary(node, operands);
}

/// onnxruntime's: operands in another order, and one start position may stand for all.
static LogicalResult importMicrosoft(Node &node) {
  Emitter &e = node.e;
  RotaryOperands operands{&node.in(2), &node.in(3), node.in(1)};
  if (node.floatAttr("scale", 1) != 1 || node.intAttr("is_packed_batching", 0))
    return node.fail("scale and packed batches are not supported");
  Tensor &at = node.in(1), &x = node.in(0);
  if (at.rank() == 1) {
    if (constantOf(at.shape[0]) != 1 || at.dtype != i64 || x.rank() < 3)
      return node.fail("position_ids must be one number or one a token");
    AffineExpr length = x.shape[x.rank() == 3 ? 1 : 2], one = e.sizes.constant(1);
    Tensor wide = e.broadcast(at, {one, length});
    Value ids = e.generic(e.value(wide), e.b.getMultiDimIdentityMap(2), {one, length}, e.b.getI64Type(),
                          [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            Value i =
                                arith::IndexCastOp::create(b, loc, b.getI64Type(), linalg::IndexOp::create(b, loc, 1));
                            return arith::AddIOp::create(b, loc, v[0], i);
                          });
    operands.positions = e.make(ids, i64, {one, length});
  }
  return rotary(node, operands);
}

static const OpRow rows[] = {
    {"RotaryEmbedding", 3, 4, importRotary},
    {"RotaryEmbedding", 4, 4, importMicrosoft, "com.microsoft"},
};
ArrayRef<OpRow> setun::onnx::getRotaryOps() { return rows; }
