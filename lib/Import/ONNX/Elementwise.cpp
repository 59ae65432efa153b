//===- Elementwise.cpp - Arithmetic with two and more operands -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace setun::onnx;

template <typename FloatOp, typename SignedOp, typename UnsignedOp = SignedOp>
static Value apply(Emitter &e, int32_t dtype, Value a, Value b) {
  if (isFloat(dtype))
    return FloatOp::create(e.b, a, b);
  if (isUnsigned(dtype))
    return UnsignedOp::create(e.b, a, b);
  return SignedOp::create(e.b, a, b);
}

static LogicalResult fold(Node &node, FoldFn function, bool &done) {
  std::optional<Tensor> folded = foldContents(node, node.in(0).dtype, [&](ArrayRef<AffineExpr> x) -> AffineExpr {
    return llvm::all_of(x, isModest) ? function(x) : AffineExpr();
  });
  done = folded.has_value();
  return done ? node.out(*folded) : success();
}

/// Two or more operands, combined from left to right.
template <typename FloatOp, typename SignedOp, typename UnsignedOp = SignedOp>
static LogicalResult combine(Node &node) {
  FailureOr<Operands> operands = broadcastAll(node);
  if (failed(operands))
    return failure();
  int32_t dtype = node.in(0).dtype;
  Value result = operands->values.front();
  for (Value other : ArrayRef(operands->values).drop_front())
    result = apply<FloatOp, SignedOp, UnsignedOp>(node.e, dtype, result, other);
  return node.out(node.e.make(result, dtype, operands->shape));
}

static LogicalResult importAdd(Node &node) {
  bool done;
  LogicalResult folded = fold(node, [](ArrayRef<AffineExpr> x) { return x[0] + x[1]; }, done);
  return done ? folded : combine<arith::AddFOp, arith::AddIOp>(node);
}

static LogicalResult importSub(Node &node) {
  bool done;
  LogicalResult folded = fold(node, [](ArrayRef<AffineExpr> x) { return x[0] - x[1]; }, done);
  return done ? folded : combine<arith::SubFOp, arith::SubIOp>(node);
}

static LogicalResult importMul(Node &node) {
  bool done;
  LogicalResult folded = fold(node, [](ArrayRef<AffineExpr> x) { return x[0] * x[1]; }, done);
  return done ? folded : combine<arith::MulFOp, arith::MulIOp>(node);
}

/// Integer division that can't trap: a divisor of 0 gives the dividend, and MIN / -1 wraps.
static Value divideInts(Emitter &e, int32_t dtype, Value a, Value b, ArrayRef<AffineExpr> shape,
                        std::optional<double> divisor, bool remainder) {
  Type element = e.elementType(dtype);
  auto divide = [&](Value by) -> Value {
    if (remainder)
      return apply<arith::RemFOp, arith::RemSIOp, arith::RemUIOp>(e, dtype, a, by);
    return apply<arith::DivFOp, arith::DivSIOp, arith::DivUIOp>(e, dtype, a, by);
  };
  if (divisor && *divisor != 0 && *divisor != -1)
    return divide(b);
  Value zero = e.fill(shape, 0, element), one = e.fill(shape, 1, element);
  Value bad = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, b, zero);
  Value negated, isMinusOne;
  if (!isUnsigned(dtype)) {
    Value minusOne = e.fill(shape, -1, element);
    isMinusOne = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, b, minusOne);
    negated = remainder ? zero : Value(arith::SubIOp::create(e.b, zero, a));
    bad = arith::OrIOp::create(e.b, bad, isMinusOne);
  }
  Value result = divide(arith::SelectOp::create(e.b, bad, one, b));
  return negated ? Value(arith::SelectOp::create(e.b, isMinusOne, negated, result)) : result;
}

static LogicalResult importDiv(Node &node) {
  bool done;
  auto quotient = [](ArrayRef<AffineExpr> x) -> AffineExpr {
    std::optional<int64_t> a = constantOf(x[0]), b = constantOf(x[1]);
    if (a && b && *b)
      return getAffineConstantExpr(*a / *b, x[0].getContext());
    // Rounding down is rounding to zero for what is not negative.
    return b && *b > 0 && isNonNegative(x[0]) ? x[0].floorDiv(*b) : AffineExpr();
  };
  LogicalResult folded = fold(node, quotient, done);
  if (done)
    return folded;
  int32_t dtype = node.in(0).dtype;
  if (isFloat(dtype))
    return combine<arith::DivFOp, arith::DivSIOp>(node);
  FailureOr<Operands> x = broadcastAll(node);
  if (failed(x))
    return failure();
  Value result = divideInts(node.e, dtype, x->values[0], x->values[1], x->shape, node.constantNumber(1), false);
  return node.out(node.e.make(result, dtype, x->shape));
}

static LogicalResult importMod(Node &node) {
  bool done, truncated = node.intAttr("fmod", 0) != 0;
  auto rest = [&](ArrayRef<AffineExpr> x) -> AffineExpr {
    std::optional<int64_t> b = constantOf(x[1]);
    return b && *b > 0 && isNonNegative(x[0]) ? x[0] % *b : AffineExpr();
  };
  LogicalResult folded = fold(node, rest, done);
  if (done)
    return folded;
  FailureOr<Operands> x = broadcastAll(node);
  if (failed(x))
    return failure();
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  Value a = x->values[0], b = x->values[1], result, zero = e.fill(x->shape, 0, e.elementType(dtype));
  if (isFloat(dtype))
    result = arith::RemFOp::create(e.b, a, b);
  else
    result = divideInts(e, dtype, a, b, x->shape, node.constantNumber(1), true);
  if (!truncated && !isUnsigned(dtype)) {
    // The sign of the divisor, as in Python.
    Value less, opposite, nonZero, shifted;
    if (isFloat(dtype)) {
      less = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OLT, result, zero);
      opposite = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OLT, b, zero);
      nonZero = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNE, result, zero);
      shifted = arith::AddFOp::create(e.b, result, b);
    } else {
      less = arith::CmpIOp::create(e.b, arith::CmpIPredicate::slt, result, zero);
      opposite = arith::CmpIOp::create(e.b, arith::CmpIPredicate::slt, b, zero);
      nonZero = arith::CmpIOp::create(e.b, arith::CmpIPredicate::ne, result, zero);
      shifted = arith::AddIOp::create(e.b, result, b);
    }
    Value differ = arith::XOrIOp::create(e.b, less, opposite);
    result = arith::SelectOp::create(e.b, arith::AndIOp::create(e.b, differ, nonZero), shifted, result);
  }
  return node.out(e.make(result, dtype, x->shape));
}

/// Small whole powers are products, as every framework computes them.
static LogicalResult importPow(Node &node) {
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  std::optional<double> exponent = node.constantNumber(1);
  FailureOr<Shape> shape = e.broadcastShape(node.in(0).shape, node.in(1).shape);
  if (failed(shape))
    return failure();
  Tensor base = e.broadcast(node.in(0), *shape);
  Value x = e.value(base), result;
  if (!isFloat(dtype)) {
    if (!exponent || *exponent < 0 || *exponent > 64 || *exponent != std::floor(*exponent))
      return node.fail("a power of integers needs a constant exponent from 0 to 64");
    result = *exponent == 0 ? e.fill(*shape, 1, e.elementType(dtype)) : x;
    for (int i = 1; i < int(*exponent); ++i)
      result = arith::MulIOp::create(e.b, result, x);
    return node.out(e.make(result, dtype, *shape));
  }
  auto inverse = [&](Value v) { return arith::DivFOp::create(e.b, e.fill(*shape, 1, e.elementType(dtype)), v); };
  if (exponent == 1)
    result = x;
  else if (exponent == 2)
    result = arith::MulFOp::create(e.b, x, x);
  else if (exponent == 3)
    result = arith::MulFOp::create(e.b, arith::MulFOp::create(e.b, x, x), x);
  else if (exponent == 0.5)
    result = math::SqrtOp::create(e.b, x);
  else if (exponent == -0.5)
    result = inverse(math::SqrtOp::create(e.b, x));
  else if (exponent == -1)
    result = inverse(x);
  if (!result) {
    Tensor power = e.cast(node.in(1), dtype);
    power = e.broadcast(power, *shape);
    result = math::PowFOp::create(e.b, x, e.value(power));
  }
  return node.out(e.make(result, dtype, *shape));
}

static LogicalResult importMean(Node &node) {
  FailureOr<Operands> operands = broadcastAll(node);
  if (failed(operands))
    return failure();
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  if (!isFloat(dtype))
    return node.fail("element type " + dtypeName(dtype) + " is not supported");
  Value sum = operands->values.front();
  for (Value other : ArrayRef(operands->values).drop_front())
    sum = arith::AddFOp::create(e.b, sum, other);
  Value count = e.fill(operands->shape, double(operands->values.size()), e.elementType(dtype));
  return node.out(e.make(arith::DivFOp::create(e.b, sum, count), dtype, operands->shape));
}

static LogicalResult importClip(Node &node) {
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  Value result = e.value(node.in(0));
  for (int bound : {1, 2}) {
    if (!node.has(bound))
      continue;
    Tensor &t = node.in(bound);
    if (t.dtype != dtype)
      return node.fail("bounds have element type " + dtypeName(t.dtype) + ", the operand " + dtypeName(dtype));
    FailureOr<Shape> shape = e.broadcastShape(node.in(0).shape, t.shape);
    if (failed(shape))
      return failure();
    if (shape->size() != node.in(0).shape.size())
      return node.fail("a bound must be a number");
    Tensor wide = e.broadcast(t, node.in(0).shape);
    result = bound == 1 ? apply<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(e, dtype, result, e.value(wide))
                        : apply<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(e, dtype, result, e.value(wide));
  }
  return node.out(e.make(result, dtype, node.in(0).shape));
}

template <bool isMax> static LogicalResult importExtremum(Node &node) {
  bool done;
  auto extremum = [](ArrayRef<AffineExpr> x) -> AffineExpr {
    AffineExpr best = x[0];
    for (AffineExpr other : x.drop_front()) {
      bool greater = isNonNegative(simplifyAffineExpr(other - best, 0, 1u << 16));
      if (!greater && !isNonNegative(simplifyAffineExpr(best - other, 0, 1u << 16)))
        return {};
      best = greater == isMax ? other : best;
    }
    return best;
  };
  LogicalResult folded = fold(node, extremum, done);
  if (done)
    return folded;
  return isMax ? combine<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(node)
               : combine<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(node);
}

static LogicalResult importPRelu(Node &node) {
  FailureOr<Operands> x = broadcastAll(node);
  if (failed(x))
    return failure();
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  if (!isFloat(dtype))
    return node.fail("element type " + dtypeName(dtype) + " is not supported");
  Value zero = e.fill(x->shape, 0, e.elementType(dtype));
  Value negative = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OLT, x->values[0], zero);
  Value scaled = arith::MulFOp::create(e.b, x->values[0], x->values[1]);
  return node.out(e.make(arith::SelectOp::create(e.b, negative, scaled, x->values[0]), dtype, x->shape));
}

static const OpRow rows[] = {
    {"Add", 2, 2, importAdd},
    {"Sub", 2, 2, importSub},
    {"Mul", 2, 2, importMul},
    {"Div", 2, 2, importDiv},
    {"Mod", 2, 2, importMod},
    {"Pow", 2, 2, importPow},
    {"Sum", 1, -1, combine<arith::AddFOp, arith::AddIOp>},
    {"Mean", 1, -1, importMean},
    {"Max", 1, -1, importExtremum<true>},
    {"Min", 1, -1, importExtremum<false>},
    {"Clip", 1, 3, importClip},
    {"PRelu", 2, 2, importPRelu},
};
ArrayRef<OpRow> setun::onnx::getElementwiseOps() { return rows; }
