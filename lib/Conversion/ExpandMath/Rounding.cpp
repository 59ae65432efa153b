//===- Rounding.cpp - Rounding to integers without SSE4.1 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// x86 rounds in one instruction only since SSE4.1; before, LLVM calls libm for
// each element. These few ops are exact and the same everywhere.
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;

/// |x| rounded to even, where |x| < 2^23; larger ones are integers. Without the sign.
static Value roundedMagnitude(const MathEmitter &e, Value magnitude) {
  Value rounded = e.sub(e.add(magnitude, e.f(0x1p23)), e.f(0x1p23));
  return e.select(e.cmp(CmpFPredicate::OLT, magnitude, e.f(0x1p23)), rounded, magnitude);
}

Value setun::expandRoundEven(const MathEmitter &e, Value x) { return e.copySign(roundedMagnitude(e, e.abs(x)), x); }

/// The next integer towards zero.
static Value truncatedMagnitude(const MathEmitter &e, Value magnitude) {
  Value rounded = roundedMagnitude(e, magnitude);
  return e.select(e.cmp(CmpFPredicate::OGT, rounded, magnitude), e.sub(rounded, e.f(1)), rounded);
}

Value setun::expandTrunc(const MathEmitter &e, Value x) { return e.copySign(truncatedMagnitude(e, e.abs(x)), x); }

Value setun::expandFloor(const MathEmitter &e, Value x) {
  Value rounded = expandRoundEven(e, x);
  Value below = e.select(e.cmp(CmpFPredicate::OGT, rounded, x), e.sub(rounded, e.f(1)), rounded);
  return e.copySign(below, x);
}

Value setun::expandCeil(const MathEmitter &e, Value x) {
  Value rounded = expandRoundEven(e, x);
  Value above = e.select(e.cmp(CmpFPredicate::OLT, rounded, x), e.add(rounded, e.f(1)), rounded);
  return e.copySign(above, x);
}

Value setun::expandRound(const MathEmitter &e, Value x) {
  Value magnitude = e.abs(x), whole = truncatedMagnitude(e, magnitude);
  Value up = e.cmp(CmpFPredicate::OGE, e.sub(magnitude, whole), e.f(0.5));
  return e.copySign(e.select(up, e.add(whole, e.f(1)), whole), x);
}
