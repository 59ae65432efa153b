//===- Exponential.cpp - exp and what is made of it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// exp serves the softmax and stays in f32. The rarer ones are done in f64, where
// a short polynomial and one rounding at the end are enough for f32.
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;

Value setun::polynomial(const MathEmitter &e, Value x, ArrayRef<double> coefficients) {
  bool isDouble = getElementTypeOrSelf(x.getType()).isF64();
  auto number = [&](double c) { return isDouble ? e.d(c) : e.f(c); };
  Value sum = number(coefficients.back());
  for (double c : llvm::reverse(coefficients.drop_back()))
    sum = e.add(e.mul(sum, x), number(c));
  return sum;
}

Value setun::nearest(const MathEmitter &e, Value x, Value &bits) {
  // The sum's last place is 1: it holds the integer in its low bits.
  bool isDouble = getElementTypeOrSelf(x.getType()).isF64();
  Value magic = isDouble ? e.d(0x1.8p52) : e.f(0x1.8p23);
  Value shifted = e.add(x, magic);
  bits = isDouble ? e.op<arith::SubIOp>(e.bits(e.i64(), shifted), e.l(0x4338000000000000))
                  : e.op<arith::SubIOp>(e.bits(e.i32(), shifted), e.i(0x4b400000));
  return e.sub(shifted, magic);
}

/// Keeps x within [low, high]; a NaN stays.
static Value bounded(const MathEmitter &e, Value x, Value low, Value high) {
  x = e.select(e.cmp(CmpFPredicate::OLT, x, low), low, x);
  return e.select(e.cmp(CmpFPredicate::OGT, x, high), high, x);
}

/// 2^n for normal exponents.
static Value powerOfTwo(const MathEmitter &e, Value n) {
  return e.bits(e.f32(), e.op<arith::ShLIOp>(e.op<arith::AddIOp>(n, e.i(127)), e.i(23)));
}

Value setun::expandExp(const MathEmitter &e, Value x) {
  x = bounded(e, x, e.f(-104), e.f(89)); // exp is 0 and inf there
  Value n, whole = nearest(e, e.mul(x, e.f(1.44269504088896341)), n);
  // x - n ln 2 in two parts, the first exact.
  Value r = e.sub(e.sub(x, e.mul(whole, e.f(0.693359375))), e.mul(whole, e.f(-2.12194440e-4)));
  Value p = polynomial(
      e, r, {5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4});
  Value value = e.add(e.add(e.mul(e.mul(r, r), p), r), e.f(1));
  // Two factors, so that subnormal results are rounded once and none of them overflows by itself.
  Value half = e.op<arith::ShRSIOp>(n, e.i(1));
  return e.mul(e.mul(value, powerOfTwo(e, half)), powerOfTwo(e, e.op<arith::SubIOp>(n, half)));
}

Value setun::exp2InF64(const MathEmitter &e, Value x) {
  x = bounded(e, x, e.d(-1000), e.d(1000));
  Value n, whole = nearest(e, x, n);
  Value r = e.mul(e.sub(x, whole), e.d(0.693147180559945309417));
  Value value = polynomial(
      e, r,
      {1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800});
  Value scale = e.op<arith::ShLIOp>(e.op<arith::AddIOp>(n, e.l(1023)), e.l(52));
  return e.mul(value, e.bits(e.f64(), scale));
}

Value setun::expandExp2(const MathEmitter &e, Value x) { return e.narrow(exp2InF64(e, e.wide(x))); }

Value setun::expandExpM1(const MathEmitter &e, Value x) {
  Value wide = e.wide(x);
  Value far = e.sub(exp2InF64(e, e.mul(wide, e.d(1.44269504088896340736))), e.d(1));
  Value near = e.mul(polynomial(e, wide, {1, 1.0 / 2, 1.0 / 6, 1.0 / 24}), wide);
  Value isNear = e.cmp(CmpFPredicate::OLT, e.abs(x), e.f(1e-3));
  // A zero keeps its sign.
  return e.copySign(e.narrow(e.select(isNear, near, far)), x);
}

Value setun::expandTanh(const MathEmitter &e, Value x) {
  Value magnitude = e.abs(x), square = e.mul(x, x);
  Value p = polynomial(e, square,
                       {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3});
  Value near = e.add(e.mul(e.mul(p, square), x), x);
  Value far = e.sub(e.f(1), e.div(e.f(2), e.add(expandExp(e, e.add(magnitude, magnitude)), e.f(1))));
  Value value = e.select(e.cmp(CmpFPredicate::OLT, magnitude, e.f(0.625)), near, far);
  return e.copySign(value, x);
}

Value setun::expandPow(const MathEmitter &e, Value x, Value y) {
  Value magnitude = e.wide(e.abs(x)), wide = e.wide(y);
  Value power = exp2InF64(e, e.mul(wide, logInF64(e, magnitude, 1.44269504088896340736)));
  Value result = e.narrow(power);
  // A negative base: an odd integer exponent keeps the sign, another integer drops it, anything else has no power.
  Value n, yAbs = e.abs(y), isWide = e.cmp(CmpFPredicate::OGE, yAbs, e.f(0x1p24)); // even, or infinite
  Value whole = nearest(e, e.select(isWide, e.d(0), wide), n);
  Value isInteger = e.op<arith::OrIOp>(isWide, e.cmp(CmpFPredicate::OEQ, whole, wide));
  Value odd = e.cmp(arith::CmpIPredicate::ne, e.op<arith::AndIOp>(n, e.l(1)), e.l(0));
  odd = e.op<arith::AndIOp>(odd, isInteger);
  Value negative = e.cmp(arith::CmpIPredicate::slt, e.bits(e.i32(), x), e.i(0));
  Value isFinite = e.op<arith::AndIOp>(e.cmp(CmpFPredicate::OLT, x, e.f(0)),
                                       e.cmp(CmpFPredicate::OGT, x, e.f(-std::numeric_limits<float>::infinity())));
  Value flipped = e.select(e.op<arith::AndIOp>(negative, odd), e.sub(e.f(-0.0), result), result);
  Value yes = e.cmp(CmpFPredicate::OEQ, y, y);
  Value undefined =
      e.op<arith::AndIOp>(e.op<arith::AndIOp>(isFinite, yes),
                          e.op<arith::XOrIOp>(isInteger, e.splat(isInteger.getType(), e.b.getBoolAttr(true))));
  flipped = e.select(undefined, e.f(std::numeric_limits<float>::quiet_NaN()), flipped);
  // x^0 and 1^y are 1 even for NaN; (-1)^inf is 1.
  Value one = e.op<arith::OrIOp>(e.cmp(CmpFPredicate::OEQ, y, e.f(0)), e.cmp(CmpFPredicate::OEQ, x, e.f(1)));
  Value infinite = e.cmp(CmpFPredicate::OEQ, yAbs, e.f(std::numeric_limits<float>::infinity()));
  one = e.op<arith::OrIOp>(one, e.op<arith::AndIOp>(e.cmp(CmpFPredicate::OEQ, e.abs(x), e.f(1)), infinite));
  return e.select(one, e.f(1), flipped);
}
