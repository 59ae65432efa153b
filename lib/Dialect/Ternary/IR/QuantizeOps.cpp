//===- QuantizeOps.cpp - Quantization of weights and activations -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints of the quantizers; numbers are those of QuantizeOps.td.
//
//===----------------------------------------------------------------------===//

#include "QuantizerAttributes.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

LogicalResult QuantizeWeightOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getWeight());
  if (shape.size() != 2 || !shapesAgree(shape, shapeOf(getTrits())))
    return emitOpError("C1: `weight` must be a matrix and `trits` must have its shape");
  int64_t scales = getPerRow() ? shape[0] : 1;
  if (elementOf(getScale()) != elementOf(getWeight()) || !hasRank(getScale(), 1) ||
      !sizesAgree(shapeOf(getScale())[0], scales))
    return emitOpError("C2: `scale` must be a vector of ")
           << elementOf(getWeight()) << ", one for " << (getPerRow() ? "each row" : "the whole matrix");
  if (!isFiniteAtLeast(getEps(), /*orZero=*/false))
    return emitOpError("C3: `eps` must be positive and finite");
  return success();
}

LogicalResult DequantizeOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getTrits());
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape) || shapeOf(getResult()) != shape)
    return emitOpError("C1: `trits` must be a static matrix and the result must have its shape");
  Value scale = getScale();
  if (!scale)
    return success();
  Type element = elementOf(getResult());
  if (element.isSignlessInteger(8))
    return emitOpError("C2b: an i8 result takes no `scale`");
  ArrayRef<int64_t> sizes = shapeOf(scale);
  bool vector = sizes.size() == 1 && (sizes[0] == 1 || sizesAgree(sizes[0], shape[0]));
  bool groups = sizes.size() == 2 && sizesAgree(sizes[0], shape[0]) && mayDivide(sizes[1], shape[1]);
  if (elementOf(scale) != element || (!vector && !groups))
    return emitOpError("C2: `scale` must be [1], [N] or [N, G] with G dividing K, of the result's element type");
  return success();
}

/// (C1) and (C2) of quantize.
template <typename OpTy> static LogicalResult verifyTokens(OpTy op) {
  ArrayRef<int64_t> shape = shapeOf(op.getX());
  if (!isActivationFloat(elementOf(op.getX())) || shape.empty())
    return op.emitOpError("C1: `x` must be of f32, f16 or bf16 and have a rank of at least 1");
  if (!elementOf(op.getQ()).isSignlessInteger(8) || !shapesAgree(shape, shapeOf(op.getQ())))
    return op.emitOpError("C1: `q` must be of i8 and have the shape of `x`");
  ArrayRef<int64_t> tokens = op.getPerTensor() ? ArrayRef<int64_t>() : shape.drop_back();
  if (elementOf(op.getAbsmax()) != elementOf(op.getX()) || !shapesAgree(tokens, shapeOf(op.getAbsmax())))
    return op.emitOpError("C2: `absmax` must have the element type of `x` and ")
           << (op.getPerTensor() ? "rank 0" : "its leading shape");
  return verifyQuantizer(op, "C3", "C4");
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  return verifyTokens(*this);
}

LogicalResult NormQuantizeOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  if (getPerTensor())
    return emitOpError("C6: must not be `per_tensor`");
  if (failed(verifyTokens(*this)))
    return failure();
  if (elementOf(getGamma()) != elementOf(getX()) || !shapesAgree(shapeOf(getGamma()), shapeOf(getX()).take_back()))
    return emitOpError("C5: `gamma` must be a vector of the element type of `x` and the size of its last dimension");
  if (!isFiniteAtLeast(getNormEps(), /*orZero=*/true))
    return emitOpError("C7: `norm_eps` must be finite and not negative");
  return success();
}

/// One scale for all tokens leaves no loop.
TileMap QuantizeOp::getTileMap() { return getPerTensor() ? TileMap{} : getTokenTileMap(*this, {}); }
TileMap NormQuantizeOp::getTileMap() { return getTokenTileMap(*this, getGamma()); }
