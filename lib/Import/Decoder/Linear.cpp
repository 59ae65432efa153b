//===- Linear.cpp - Linear layers and norms -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The order of scales, bias and roundings is that of transformers (integrations/bitnet.py): AutoBitLinear multiplies
// its result by the scale, BitLinear divides it by the product of both scales.

#include "Writer.h"

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::decoder;

Value Writer::norm(Value x, const Norm &norm) {
  At at(*this, norm.name);
  auto type = cast<RankedTensorType>(x.getType());
  auto vector = RankedTensorType::get(type.getShape().take_back(), b.getF32Type());
  Value gamma = norm.weight ? loadFloat(*norm.weight) : splat(vector, 1);
  if (norm.weight && norm.plusOne)
    gamma = arith::AddFOp::create(b, gamma, splat(vector, 1));
  Value init = empty(type);
  FloatAttr epsilon = b.getF32FloatAttr(norm.epsilon);
  if (norm.kind == Norm::Layer) {
    Value beta = norm.bias ? loadFloat(*norm.bias) : Value();
    return nn::LayerNormOp::create(b, type, x, gamma, beta, init, epsilon)->getResult(0);
  }
  Value result = nn::RmsNormOp::create(b, type, x, gamma, init, epsilon)->getResult(0);
  return norm.bias ? arith::AddFOp::create(b, result, alongColumns(loadFloat(*norm.bias), result)) : result;
}

/// clamp(roundeven(W * s), -1, 1) / s with s = 1 / max(mean |W|, 1e-5).
Value Writer::masterToTernary(Value master) {
  auto type = cast<RankedTensorType>(master.getType());
  auto scalar = RankedTensorType::get({}, b.getF32Type());
  Value sum = sumOf(math::AbsFOp::create(b, master));
  Value mean = arith::DivFOp::create(b, sum, splat(scalar, static_cast<double>(type.getNumElements())));
  mean = arith::MaximumFOp::create(b, mean, splat(scalar, 1e-5));
  Value scale = alongAll(arith::DivFOp::create(b, splat(scalar, 1), mean), master);
  Value rounded = math::RoundEvenOp::create(b, arith::MulFOp::create(b, master, scale));
  rounded = arith::MaximumFOp::create(b, rounded, splat(type, -1));
  rounded = arith::MinimumFOp::create(b, rounded, splat(type, 1));
  return arith::DivFOp::create(b, rounded, scale);
}

/// Two-bit codes, four rows of the matrix in one row of bytes, as int8 numbers.
Value Writer::unpack(Value packed, int64_t rows) {
  auto type = cast<RankedTensorType>(packed.getType());
  int64_t blocks = 4, size = type.getDimSize(0), columns = type.getDimSize(1);
  auto wide = RankedTensorType::get({blocks, size, columns}, b.getI8Type());
  AffineMap identity = b.getMultiDimIdentityMap(3);
  AffineMap perByte = identity.getMajorSubMap(3).dropResult(0);
  Value init = empty(wide);
  Value codes = linalg::GenericOp::create(
                    b, wide, packed, init, ArrayRef<AffineMap>{perByte, identity},
                    SmallVector<utils::IteratorType>(3, utils::IteratorType::parallel),
                    [&](OpBuilder &ob, Location loc, ValueRange values) {
                      auto number = [&](int64_t value) {
                        return arith::ConstantOp::create(ob, loc, ob.getI8IntegerAttr(value)).getResult();
                      };
                      Value block = linalg::IndexOp::create(ob, loc, 0);
                      Value shift = arith::IndexCastOp::create(ob, loc, ob.getI8Type(), block);
                      shift = arith::AddIOp::create(ob, loc, shift, shift);
                      Value code = arith::ShRUIOp::create(ob, loc, values[0], shift);
                      code = arith::AndIOp::create(ob, loc, code, number(3));
                      linalg::YieldOp::create(ob, loc, arith::SubIOp::create(ob, loc, code, number(1)).getResult());
                    })
                    .getResult(0);
  Value all = tensor::CollapseShapeOp::create(b, codes, ArrayRef<ReassociationIndices>{{0, 1}, {2}});
  if (blocks * size == rows)
    return all;
  SmallVector<OpFoldResult> offsets(2, b.getIndexAttr(0)), ones(2, b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(rows), b.getIndexAttr(columns)};
  return tensor::ExtractSliceOp::create(b, all, offsets, sizes, ones);
}

Value Writer::linear(Value x, const Linear &linear) {
  x = norm(x, linear.norm);
  At at(*this, linear.name);
  Type f32 = b.getF32Type();
  Value weight = load(linear.weight);
  bool isInteger = linear.form == WeightForm::Packed;
  if (linear.form == WeightForm::Online)
    weight = masterToTernary(loadFloat(linear.weight));
  else if (linear.form == WeightForm::Packed)
    weight = unpack(weight, linear.rows);

  // The scale of each row of integers: 127 * (1 / max |x|), as the reciprocal of a tensor is written in torch.
  Value integers, step;
  if (linear.quantizeInput) {
    auto vector = RankedTensorType::get({ShapedType::kDynamic}, f32);
    Value q = empty(rowsOf(linear.columns, b.getI8Type())), c = empty(vector);
    auto quantize = ternary::QuantizeOp::create(
        b, TypeRange{q.getType(), c.getType()}, x, q, c, b.getF32FloatAttr(127), b.getDenseI64ArrayAttr({-128, 127}),
        b.getF32FloatAttr(1e-5f), ternary::SpellingAttr::get(b.getContext(), ternary::Spelling::Reciprocal),
        UnitAttr());
    integers = quantize->getResult(0);
    step = arith::DivFOp::create(b, splat(vector, 1), quantize->getResult(1));
    step = arith::MulFOp::create(b, step, splat(vector, 127));
  }

  bool dividesBoth = linear.scale && linear.scaling == Linear::Divide && step;
  Value y;
  if (step && isInteger) { // exact, and what any order of the float sum is rounded from
    y = product(integers, weight, b.getI32Type());
    y = arith::SIToFPOp::create(b, rowsOf(linear.rows), y);
    if (!dividesBoth)
      y = arith::DivFOp::create(b, y, alongRows(step, y));
  } else {
    if (isInteger)
      weight = arith::SIToFPOp::create(b, cast<RankedTensorType>(weight.getType()).clone(f32), weight);
    if (step) {
      x = arith::SIToFPOp::create(b, rowsOf(linear.columns), integers);
      if (!dividesBoth)
        x = arith::DivFOp::create(b, x, alongRows(step, x));
    }
    y = product(x, weight, f32);
  }
  auto addBias = [&] { y = arith::AddFOp::create(b, y, alongColumns(loadFloat(*linear.bias), y)); };
  if (linear.bias && linear.biasBeforeScale)
    addBias();
  if (linear.scale) {
    Value scale = loadScalar(*linear.scale);
    if (dividesBoth) {
      auto vector = cast<RankedTensorType>(step.getType());
      y = arith::DivFOp::create(b, y, alongRows(arith::MulFOp::create(b, broadcast(scale, vector, {0}), step), y));
    } else if (linear.scaling == Linear::Divide) {
      y = arith::DivFOp::create(b, y, alongAll(scale, y));
    } else {
      y = arith::MulFOp::create(b, y, alongAll(scale, y));
    }
  }
  if (linear.bias && !linear.biasBeforeScale)
    addBias();
  return y;
}
