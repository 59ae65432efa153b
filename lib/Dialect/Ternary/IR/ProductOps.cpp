//===- ProductOps.cpp - Products with ternary weights -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints of the products; numbers are those of ProductOps.td.
//
//===----------------------------------------------------------------------===//

#include "QuantizerAttributes.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

static bool isMatrix(Value value, int64_t rows, int64_t cols) { return shapesAgree(shapeOf(value), {rows, cols}); }

/// (C2) of matmul: trits, or bytes of a known layout.
static LogicalResult verifyWeight(MatmulOp op, int64_t rows, int64_t cols) {
  bool trits = isa<TritType>(elementOf(op.getWeight()));
  std::optional<EncodingAttr> encoding = op.getEncoding();
  if (trits && encoding)
    return op.emitOpError("C2: a `weight` of trits must have no `encoding`");
  if (trits)
    return isMatrix(op.getWeight(), rows, cols)
               ? success()
               : op.emitOpError("C2: `weight` must be [N, K] with N of `acc` and K of `x`");
  if (!encoding)
    return op.emitOpError("C2: a `weight` of bytes needs an `encoding`");
  if (!hasRank(op.getWeight(), 1))
    return op.emitOpError("C2: a `weight` of bytes must have rank 1");
  if (ShapedType::isDynamic(rows) || ShapedType::isDynamic(cols))
    return success();
  int64_t bytes = encoding->getByteSize(rows, cols);
  if (!sizesAgree(shapeOf(op.getWeight())[0], bytes))
    return op.emitOpError("C2: `weight` must hold ") << bytes << " bytes, a " << rows << " x " << cols << " matrix";
  return success();
}

LogicalResult MatmulOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  Type element = elementOf(getX());
  bool integers = element.isSignlessInteger(8);
  if (!hasRank(getX(), 2) || (!integers && !isActivationFloat(element)))
    return emitOpError("C1: `x` must be a matrix of i8, f32, f16 or bf16");
  ArrayRef<int64_t> x = shapeOf(getX()), acc = shapeOf(getAcc());
  Type sum = elementOf(getAcc());
  if (acc.size() != 2 || !sizesAgree(acc[0], x[0]) ||
      !(integers && !getScales() ? sum.isSignlessInteger(32) : sum.isF32()))
    return emitOpError("C3: `acc` must be [M, N] of ")
           << (integers && !getScales() ? "i32 (i8 activations, no `scales`)" : "f32 (float activations or `scales`)");
  if (failed(verifyWeight(*this, acc[1], x[1])))
    return failure();
  if (Value scales = getScales())
    if (!elementOf(scales).isF32() || !hasRank(scales, 2) || !sizesAgree(shapeOf(scales)[0], acc[1]) ||
        !mayDivide(shapeOf(scales)[1], x[1]))
      return emitOpError("C4: `scales` must be [N, G] of f32 with G dividing K");
  // One less than 2^24: -128 times -1, so many times, is one more than the largest i32.
  if (x[1] >= int64_t(1) << 24)
    return emitOpError("C5: K must be at most 16777215, or an i32 sum could overflow");
  return success();
}

/// Loops over M and N. Packed bytes have no rows to cut: tiling comes before encodings are materialized.
TileMap MatmulOp::getTileMap() {
  if (getEncoding())
    return {};
  TileMap map{2, {{0, kWhole}, {1, kWhole}}};
  if (getScales())
    map.operands.push_back({1, kWhole});
  map.operands.push_back({0, 1});
  return map;
}

LogicalResult BitLinearOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  Type element = elementOf(getX());
  if (!hasRank(getX(), 2) || !hasRank(getY(), 2) || !isActivationFloat(element) || elementOf(getY()) != element ||
      !sizesAgree(shapeOf(getX())[0], shapeOf(getY())[0]))
    return emitOpError("C1: `x` must be [M, K] and `y` [M, N], of one of f32, f16 and bf16");
  int64_t rows = shapeOf(getY())[1], cols = shapeOf(getX())[1];
  if (!isa<TritType>(elementOf(getWeight())) || !isMatrix(getWeight(), rows, cols))
    return emitOpError("C2: `weight` must be [N, K] of trits");
  ArrayRef<int64_t> scale = shapeOf(getScale());
  bool vector = scale.size() == 1 && (scale[0] == 1 || sizesAgree(scale[0], rows));
  bool groups = scale.size() == 2 && sizesAgree(scale[0], rows) && mayDivide(scale[1], cols);
  if (elementOf(getScale()) != element || (!vector && !groups))
    return emitOpError("C3: `scale` must be [1], [N] or [N, G] with G dividing K, of the element type of `x`");
  if (Value bias = getBias())
    if (elementOf(bias) != element || !shapesAgree(shapeOf(bias), {rows}))
      return emitOpError("C4: `bias` must be [N] of the element type of `x`");
  return verifyQuantizer(*this, "C5", "C5");
}
