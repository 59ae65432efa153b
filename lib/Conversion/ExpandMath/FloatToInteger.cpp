//===- FloatToInteger.cpp - Casts that fit no integer -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A float whose integer part does not fit gives what the processor likes: x86 its
// smallest integer, AArch64 the nearest, and either another in vectors. Here it is
// what frameworks give on x86: the smallest i32 (i64 for wide integers), for NaN as
// well, of which narrow integers take the low bits.
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;

/// 2^exponent of x's type.
static Value power(const MathEmitter &e, Value x, int exponent) {
  auto element = cast<FloatType>(getElementTypeOrSelf(x.getType()));
  return e.splat(x.getType(), FloatAttr::get(element, std::ldexp(1.0, exponent)));
}

/// To i32 or i64; the smallest for what does not fit, which is also -2^31 (-2^63) itself.
static Value toSigned(const MathEmitter &e, Value x, unsigned bits) {
  Value fits = e.cmp(CmpFPredicate::OLT, e.abs(x), power(e, x, bits - 1));
  Type type = e.of(e.b.getIntegerType(bits));
  Value smallest = e.splat(type, e.b.getIntegerAttr(e.b.getIntegerType(bits), APInt::getSignedMinValue(bits)));
  return e.select(fits, e.to<arith::FPToSIOp>(type, x), smallest);
}

Value setun::expandToInteger(const MathEmitter &e, Value x, Type element, bool isUnsigned) {
  unsigned bits = element.getIntOrFloatBitWidth();
  if (isUnsigned && bits == 64) {
    // The upper half by its distance from 2^63.
    Value upper = e.cmp(CmpFPredicate::OGE, x, power(e, x, 63));
    Value low = toSigned(e, e.select(upper, e.sub(x, power(e, x, 63)), x), 64);
    return e.op<arith::XOrIOp>(low, e.select(upper, e.l(INT64_MIN), e.l(0)));
  }
  unsigned through = bits == 64 || (isUnsigned && bits == 32) ? 64 : 32;
  Value wide = toSigned(e, x, through);
  return bits == through ? wide : e.to<arith::TruncIOp>(e.of(element), wide);
}
