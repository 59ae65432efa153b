//===- Trigonometric.cpp - sin, cos and tan, in f64 for f32 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The angle is reduced in f64 by pi / 2 in two parts: exact to far below f32 for
// angles up to some 2^20, which no position of a rotary embedding exceeds.
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;

namespace {
/// sin and cos of x reduced to [-pi/4, pi/4], and the quadrant.
struct Quarter {
  Value sine, cosine, quadrant;
  Quarter(const MathEmitter &e, Value x) {
    Value wide = e.wide(x), bits;
    Value n = nearest(e, e.mul(wide, e.d(0.636619772367581343076)), bits);
    Value r = e.sub(e.sub(wide, e.mul(n, e.d(0x1.921fb544p+0))), e.mul(n, e.d(0x1.0b4611a626331p-34)));
    Value square = e.mul(r, r);
    sine = e.mul(r, polynomial(e, square, {1, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800}));
    cosine = polynomial(e, square, {1, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600});
    quadrant = e.to<arith::TruncIOp>(e.i32(), bits);
  }
  Value has(const MathEmitter &e, Value quadrant, int64_t bit) const {
    return e.cmp(arith::CmpIPredicate::ne, e.op<arith::AndIOp>(quadrant, e.i(bit)), e.i(0));
  }
  /// The sine of quadrant `q` + r.
  Value at(const MathEmitter &e, Value q) const {
    Value value = e.narrow(e.select(has(e, q, 1), cosine, sine));
    return e.select(has(e, q, 2), e.sub(e.f(-0.0), value), value);
  }
};
} // namespace

Value setun::expandSin(const MathEmitter &e, Value x) {
  Quarter quarter(e, x);
  // The reduction loses the sign of a zero.
  Value isZero = e.cmp(arith::CmpFPredicate::OEQ, x, e.f(0));
  return e.select(isZero, x, quarter.at(e, quarter.quadrant));
}

Value setun::expandCos(const MathEmitter &e, Value x) {
  Quarter quarter(e, x);
  return quarter.at(e, e.op<arith::AddIOp>(quarter.quadrant, e.i(1)));
}

Value setun::expandTan(const MathEmitter &e, Value x) {
  Quarter quarter(e, x);
  Value odd = quarter.has(e, quarter.quadrant, 1);
  Value top = e.select(odd, e.sub(e.d(-0.0), quarter.cosine), quarter.sine);
  Value bottom = e.select(odd, quarter.sine, quarter.cosine);
  Value isZero = e.cmp(arith::CmpFPredicate::OEQ, x, e.f(0));
  return e.select(isZero, x, e.narrow(e.div(top, bottom)));
}
