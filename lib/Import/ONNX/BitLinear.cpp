//===- BitLinear.cpp - The function ai.setun:BitLinear -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The quantizer is known by name, so it is the op at once; the product and the
// scales are written as the body writes them.
//
//===----------------------------------------------------------------------===//

#include "Products.h"
#include "SetunFunctions.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace setun::onnx;
using namespace setun;
using setun_onnx::TensorProto;

/// `values` with the element-wise `Op` applied to what `other` stretches to.
template <typename Op> static Tensor apply(Emitter &e, Tensor &value, Tensor &other) {
  Tensor wide = e.broadcast(other, value.shape);
  Value left = e.value(value), right = e.value(wide);
  return e.make(Op::create(e.b, left, right), value.dtype, value.shape);
}

static LogicalResult importBitLinear(Node &node) {
  Emitter &e = node.e;
  SmallVector<StringRef> words;
  node.overload().split(words, '.');
  float qmax = node.floatAttr("qmax", 0), eps = node.floatAttr("eps", 0);
  float low = node.floatAttr("low", 0), high = node.floatAttr("high", 0);
  if (!(qmax > 0) || !(eps >= 0) || std::isinf(qmax) || std::isinf(eps))
    return node.fail("qmax must be positive and eps not negative");
  if (!(low >= -128 && low < high && high <= 127) || low != std::floor(low) || high != std::floor(high))
    return node.fail("low and high must be integers of an int8 grid");

  Tensor x = e.cast(node.in(0), TensorProto::FLOAT), weight = e.cast(node.in(1), TensorProto::FLOAT);
  bool perTensor = words[0] == "tensor";
  Shape leading(perTensor ? ArrayRef<AffineExpr>() : ArrayRef(x.shape).drop_back());
  Value input = e.value(x), q = e.empty(x.shape, e.b.getI8Type()), c = e.empty(leading, e.b.getF32Type());
  auto spelling = ternary::symbolizeSpelling(words[1]);
  auto quantize = ternary::QuantizeOp::create(
      e.b, TypeRange{q.getType(), c.getType()}, input, q, c, e.b.getF32FloatAttr(qmax),
      e.b.getDenseI64ArrayAttr({int64_t(low), int64_t(high)}), e.b.getF32FloatAttr(eps),
      ternary::SpellingAttr::get(e.context, *spelling), perTensor ? e.b.getUnitAttr() : UnitAttr());
  Tensor integers = e.make(quantize->getResult(0), TensorProto::INT8, x.shape);
  Tensor floats = e.cast(integers, TensorProto::FLOAT), transposed = e.transpose(weight, {1, 0});
  FailureOr<Tensor> product = matmulAnyRank(node, floats, transposed, TensorProto::FLOAT);
  if (failed(product))
    return failure();

  Tensor y = *product;
  // What has one number, or one a column, stretches to the result.
  for (int operand : {2, 3})
    if (node.has(operand) && node.in(operand).rank() == 1 && constantOf(node.in(operand).shape[0]) != 1 &&
        failed(e.unify(node.in(operand).shape[0], y.shape.back(), "scale or bias and the result")))
      return failure();
  if (words.back() == "inner_bias")
    y = apply<arith::AddFOp>(e, y, node.in(3));
  Tensor largest = e.make(quantize->getResult(1), TensorProto::FLOAT, leading);
  Tensor divisor = e.splat(qmax, TensorProto::FLOAT, leading);
  Tensor step = apply<arith::DivFOp>(e, largest, divisor);
  if (!perTensor) {
    leading.push_back(e.sizes.constant(1));
    step = *e.reshape(step, leading);
  }
  y = apply<arith::MulFOp>(e, y, step);
  y = apply<arith::MulFOp>(e, y, node.in(2));
  if (words.back() == "bias")
    y = apply<arith::AddFOp>(e, y, node.in(3));
  return node.out(e.cast(y, node.in(0).dtype));
}

const OpRow &setun::onnx::getBitLinearRow() {
  static const OpRow row = {"BitLinear", 3, 4, importBitLinear, "ai.setun"};
  return row;
}
