//===- AttentionOps.cpp - Attention and its position encoding -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints; numbers are those of AttentionOps.td.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::nn;

/// Whether `size` is 1, to be broadcast, or may be `full`.
static bool broadcastsTo(int64_t size, int64_t full) { return size == 1 || sizesAgree(size, full); }

LogicalResult RotaryEmbeddingOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  Type element = elementOf(getX());
  ArrayRef<int64_t> x = shapeOf(getX());
  if (x.size() != 4 || !isa<FloatType>(element) || elementOf(getY()) != element || !shapesAgree(x, shapeOf(getY())))
    return emitOpError("C1: `x` and `y` must have one shape [B, H, S, D] and one float element type");
  for (Value cache : {getCos(), getSin()}) {
    ArrayRef<int64_t> shape = shapeOf(cache);
    if (elementOf(cache) != element || shape.size() != 3 || !broadcastsTo(shape[0], x[0]) ||
        !sizesAgree(shape[1], x[2]))
      return emitOpError("C2: `cos` and `sin` must be [B, S, h] or [1, S, h] of the element type of `x`");
  }
  int64_t half = shapeOf(getCos())[2];
  if (!sizesAgree(half, shapeOf(getSin())[2]))
    return emitOpError("C2: `cos` and `sin` must have one last dimension");
  if (!ShapedType::isDynamic(half) && !ShapedType::isDynamic(x[3]) && 2 * half > x[3])
    return emitOpError("C2: twice the last dimension of `cos`, ") << half << ", must be at most D, " << x[3];
  return success();
}

/// (C1) of attention.
static LogicalResult verifyHeads(AttentionOp op) {
  Type element = elementOf(op.getQ());
  for (Value operand : {op.getQ(), op.getK(), op.getV(), op.getY()})
    if (!isa<FloatType>(element) || elementOf(operand) != element || !hasRank(operand, 4))
      return op.emitOpError("C1: `q`, `k`, `v` and `y` must have rank 4 and one float element type");
  ArrayRef<int64_t> q = shapeOf(op.getQ()), k = shapeOf(op.getK()), v = shapeOf(op.getV()), y = shapeOf(op.getY());
  if (!shapesAgree({q[0], k[1], k[2], q[3]}, k))
    return op.emitOpError("C1: `k` must be [B, G, T, D] with B and D of `q`");
  if (!shapesAgree({q[0], k[1], k[2], v[3]}, v))
    return op.emitOpError("C1: `v` must be [B, G, T, E] with B, G and T of `k`");
  if (!shapesAgree({q[0], q[1], q[2], v[3]}, y))
    return op.emitOpError("C1: `y` must be [B, H, S, E] with B, H and S of `q` and E of `v`");
  if (!mayDivide(k[1], q[1]))
    return op.emitOpError("C1: the heads of `k`, ") << k[1] << ", must divide those of `q`, " << q[1];
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyDestinationOp(*this)) || failed(verifyHeads(*this)))
    return failure();
  if (Value mask = getMask()) {
    ArrayRef<int64_t> shape = shapeOf(mask), q = shapeOf(getQ());
    if (elementOf(mask) != elementOf(getQ()) && !elementOf(mask).isSignlessInteger(1))
      return emitOpError("C2: `mask` must be of i1 or of the element type of `q`");
    if (shape.size() != 4 || !broadcastsTo(shape[0], q[0]) || !broadcastsTo(shape[1], q[1]) ||
        !broadcastsTo(shape[2], q[2]) || !sizesAgree(shape[3], shapeOf(getK())[2]))
      return emitOpError("C2: `mask` must be [B, H, S, T], where each of B, H and S may be 1");
  }
  if ((getCausal() || getWindow() != 0) && !getPast())
    return emitOpError("C3: `causal` and `window` need `past`");
  if (static_cast<int64_t>(getWindow()) < 0 || !isFiniteAtLeast(getSoftcap(), /*orZero=*/true))
    return emitOpError("C4: `window` and `softcap` must be finite and not negative");
  if (!getScale().isFinite())
    return emitOpError("C4: `scale` must be finite");
  if (Value scratch = getScratch(); scratch && (!hasRank(scratch, 1) || !elementOf(scratch).isF32()))
    return emitOpError("C5: `scratch` must have one dimension and elements of f32");
  return success();
}
