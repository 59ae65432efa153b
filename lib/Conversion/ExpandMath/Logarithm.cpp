//===- Logarithm.cpp - Logarithms, in f64 for f32 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// 2 atanh(s) = log((1 + s) / (1 - s)), for |s| < 0.172.
static Value twiceAtanh(const MathEmitter &e, Value s) {
  Value square = e.mul(s, s);
  Value p = polynomial(e, square, {2, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13});
  return e.mul(s, p);
}

Value setun::logInF64(const MathEmitter &e, Value x, double scale) {
  // x = m 2^n with m in [sqrt(1/2), sqrt(2)). Every f32 is a normal f64.
  Value bits = e.bits(e.i64(), x), root = e.l(0x3fe6a09e667f3bcd);
  Value n = e.op<arith::ShRSIOp>(e.op<arith::SubIOp>(bits, root), e.l(52));
  Value m = e.bits(e.f64(), e.op<arith::SubIOp>(bits, e.op<arith::ShLIOp>(n, e.l(52))));
  Value narrow = e.to<arith::TruncIOp>(e.i32(), n); // conversions from 64 bits are slow before AVX-512
  Value whole = e.to<arith::SIToFPOp>(e.f64(), narrow);
  Value s = e.div(e.sub(m, e.d(1)), e.add(m, e.d(1)));
  Value value = e.add(e.mul(twiceAtanh(e, s), e.d(scale)), e.mul(whole, e.d(0.693147180559945309417 * scale)));
  value = e.select(e.cmp(CmpFPredicate::OEQ, x, e.d(0)), e.d(-kInfinity), value);
  Value isBad = e.cmp(CmpFPredicate::ULT, x, e.d(0)); // negative or NaN
  value = e.select(isBad, e.d(std::numeric_limits<double>::quiet_NaN()), value);
  return e.select(e.cmp(CmpFPredicate::OEQ, x, e.d(kInfinity)), x, value);
}

Value setun::expandLog(const MathEmitter &e, Value x, double scale) { return e.narrow(logInF64(e, e.wide(x), scale)); }

Value setun::expandLog1p(const MathEmitter &e, Value x) {
  Value wide = e.wide(x);
  Value near = twiceAtanh(e, e.div(wide, e.add(wide, e.d(2))));
  Value far = logInF64(e, e.add(wide, e.d(1)), 1);
  Value isNear = e.cmp(CmpFPredicate::OLT, e.abs(x), e.f(0.25));
  return e.narrow(e.select(isNear, near, far));
}
