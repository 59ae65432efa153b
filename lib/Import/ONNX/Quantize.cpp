//===- Quantize.cpp - Integers and scales: the quantization operators -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

/// A scale or zero point brought to the operand's shape: one number, one an index of `axis`, or one a block of it.
static FailureOr<Tensor> spread(Node &node, Tensor &t, ArrayRef<AffineExpr> shape, int64_t axis, int64_t block) {
  Emitter &e = node.e;
  AffineExpr one = e.sizes.constant(1);
  if (t.rank() == 0 || (t.rank() == 1 && t.shape[0] == one)) {
    Tensor number = *e.reshape(t, {});
    return e.broadcast(number, shape);
  }
  FailureOr<int64_t> at = node.normalizeAxis(axis, shape.size());
  if (failed(at))
    return failure();
  if (t.rank() == 1 && block == 0) {
    AffineExpr length = t.shape[0];
    if (failed(e.unify(length, shape[*at], "scales along an axis")))
      return failure();
    Shape narrow(shape.size(), one);
    narrow[*at] = length;
    Tensor aligned = *e.reshape(t, narrow);
    return e.broadcast(aligned, shape);
  }
  if (t.rank() != int64_t(shape.size()) || block <= 0)
    return node.fail("the scale's shape fits neither a tensor, an axis nor blocks");
  // [.., blocks, ..] -> [.., blocks, block, ..] -> [.., blocks * block, ..], cut to the operand's size.
  Shape narrow(t.shape), wide(t.shape), flat(t.shape);
  narrow.insert(narrow.begin() + *at + 1, one);
  wide.insert(wide.begin() + *at + 1, e.sizes.constant(block));
  flat[*at] = e.sizes.canonical(t.shape[*at] * block);
  Tensor lifted = *e.reshape(t, narrow);
  Tensor repeated = e.broadcast(lifted, wide);
  Tensor joined = *e.reshape(repeated, flat);
  if (flat[*at] == shape[*at])
    return joined;
  return e.slice(joined, Shape(shape.size(), e.sizes.constant(0)), shape, SmallVector<int64_t>(shape.size(), 1));
}

static LogicalResult importDequantize(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0), &scale = node.in(1);
  if (isFloat(x.dtype) || !isFloat(scale.dtype))
    return node.fail("element types " + dtypeName(x.dtype) + " and " + dtypeName(scale.dtype) + " are not supported");
  int64_t axis = node.intAttr("axis", 1), block = node.intAttr("block_size", 0);
  int32_t to = int32_t(node.intAttr("output_dtype", 0));
  FailureOr<Tensor> wide = spread(node, scale, x.shape, axis, block);
  if (failed(wide))
    return failure();
  Tensor codes = x;
  if (node.has(2) && node.constantNumber(2) != 0.0) {
    FailureOr<Tensor> zero = spread(node, node.in(2), x.shape, axis, block);
    if (failed(zero))
      return failure();
    Tensor left = e.cast(codes, i32), right = e.cast(*zero, i32);
    codes = e.make(arith::SubIOp::create(e.b, e.value(left), e.value(right)), i32, x.shape);
  }
  Tensor number = e.cast(codes, scale.dtype);
  Tensor result = e.make(arith::MulFOp::create(e.b, e.value(number), e.value(*wide)), scale.dtype, x.shape);
  return node.out(to ? e.cast(result, to) : result);
}

static std::pair<double, double> rangeOf(int32_t dtype) {
  double levels = std::exp2(storedBits(dtype));
  return isUnsigned(dtype) ? std::pair(0.0, levels - 1) : std::pair(-levels / 2, levels / 2 - 1);
}

/// roundeven(x / scale) + zero, clamped to the type's range.
static Tensor quantize(Emitter &e, Tensor &x, Value scale, Value zero, int32_t dtype) {
  Type element = e.elementType(x.dtype);
  Value v = math::RoundEvenOp::create(e.b, arith::DivFOp::create(e.b, e.value(x), scale));
  if (zero)
    v = arith::AddFOp::create(e.b, v, zero);
  auto [low, high] = rangeOf(dtype);
  v = arith::MaximumFOp::create(e.b, v, e.fill(x.shape, low, element));
  v = arith::MinimumFOp::create(e.b, v, e.fill(x.shape, high, element));
  Tensor whole = e.make(v, x.dtype, x.shape);
  return e.cast(whole, dtype);
}

static LogicalResult importQuantize(Node &node) {
  Emitter &e = node.e;
  int32_t dtype = node.has(2) ? node.in(2).dtype : int32_t(node.intAttr("output_dtype", TensorProto::UINT8));
  if (dtype == 0)
    dtype = TensorProto::UINT8;
  if (!e.elementType(dtype) || isFloat(dtype) || storedBits(dtype) > 16)
    return node.fail("quantization to " + dtypeName(dtype) + " is not supported");
  int64_t axis = node.intAttr("axis", 1), block = node.intAttr("block_size", 0);
  Tensor x = e.cast(node.in(0), isFloat(node.in(0).dtype) ? e.accumulatorType(node.in(0).dtype) : f32);
  Tensor scale = e.cast(node.in(1), x.dtype);
  FailureOr<Tensor> wide = spread(node, scale, x.shape, axis, block);
  if (failed(wide))
    return failure();
  Value zero;
  if (node.has(2) && node.constantNumber(2) != 0.0) {
    FailureOr<Tensor> point = spread(node, node.in(2), x.shape, axis, block);
    if (failed(point))
      return failure();
    Tensor number = e.cast(*point, x.dtype);
    zero = e.value(number);
  }
  return node.out(quantize(e, x, e.value(*wide), zero, dtype));
}

/// As the standard writes it: one scale a tensor, 0 always has a code.
static LogicalResult importDynamicQuantize(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  if (x.dtype != f32)
    return node.fail("the operand must be FLOAT");
  Type element = e.elementType(f32);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  // Starting at 0 puts 0 into the range.
  auto extremum = [&](bool max) {
    return e.reduce(e.value(x), x.shape, axes, e.scalar(0, element), [&](OpBuilder &b, Location loc, ValueRange v) {
      return max ? Value(arith::MaximumFOp::create(b, loc, v[0], v[1]))
                 : Value(arith::MinimumFOp::create(b, loc, v[0], v[1]));
    });
  };
  Value high = extremum(true), low = extremum(false), levels = e.fill({}, 255, element), none = e.fill({}, 0, element);
  Value scale = arith::DivFOp::create(e.b, arith::SubFOp::create(e.b, high, low), levels);
  Value at = arith::DivFOp::create(e.b, arith::SubFOp::create(e.b, none, low), scale);
  at = math::RoundEvenOp::create(e.b, arith::MinimumFOp::create(e.b, arith::MaximumFOp::create(e.b, at, none), levels));
  Tensor scaleT = e.make(scale, f32, {}), zeroT = e.make(at, f32, {});
  Tensor wideScale = e.broadcast(scaleT, x.shape), wideZero = e.broadcast(zeroT, x.shape);
  if (failed(node.out(0, quantize(e, x, e.value(wideScale), e.value(wideZero), TensorProto::UINT8))) ||
      failed(node.out(1, scaleT)))
    return failure();
  return node.out(2, e.cast(zeroT, TensorProto::UINT8));
}

static const OpRow rows[] = {
    {"DequantizeLinear", 2, 3, importDequantize},
    {"DequantizeLinear", 2, 3, importDequantize, "com.microsoft"},
    {"QuantizeLinear", 2, 3, importQuantize},
    {"QuantizeLinear", 2, 3, importQuantize, "com.microsoft"},
    {"DynamicQuantizeLinear", 1, 1, importDynamicQuantize},
};
ArrayRef<OpRow> setun::onnx::getQuantizeOps() { return rows; }
