//===- NormOps.cpp - Normalization -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints; numbers are those of NormOps.td.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::nn;

/// (C1) to (C3), which both norms have.
template <typename OpTy> static LogicalResult verifyNorm(OpTy op) {
  ArrayRef<int64_t> shape = shapeOf(op.getX());
  Type element = elementOf(op.getX());
  if (shape.empty() || !isa<FloatType>(element) || elementOf(op.getY()) != element ||
      !shapesAgree(shape, shapeOf(op.getY())))
    return op.emitOpError("C1: `x` and `y` must have one shape of rank 1 or more and one float element type");
  if (elementOf(op.getGamma()) != element || !shapesAgree(shapeOf(op.getGamma()), shape.take_back()))
    return op.emitOpError("C2: `gamma` must be a vector of the element type of `x` and the size of its last dimension");
  if (!isFiniteAtLeast(op.getEpsilon(), /*orZero=*/true))
    return op.emitOpError("C3: `epsilon` must be finite and not negative");
  return success();
}

LogicalResult RmsNormOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  return verifyNorm(*this);
}

LogicalResult LayerNormOp::verify() {
  if (failed(verifyDestinationOp(*this)) || failed(verifyNorm(*this)))
    return failure();
  if (Value beta = getBeta())
    if (elementOf(beta) != elementOf(getGamma()) || !shapesAgree(shapeOf(beta), shapeOf(getGamma())))
      return emitOpError("C4: `beta` must have the shape and element type of `gamma`");
  return success();
}

TileMap RmsNormOp::getTileMap() { return getTokenTileMap(*this, getGamma()); }
TileMap LayerNormOp::getTileMap() {
  return getBeta() ? getTokenTileMap(*this, {getGamma(), getBeta()}) : getTokenTileMap(*this, getGamma());
}
