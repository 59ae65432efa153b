//===- NarrowFloats.cpp - f16 and bf16 by integer ops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// x86 without F16C, and any x86 for bf16, would call the compiler's library for
// each element, or give up vectors.
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

static Value andBits(const MathEmitter &e, Value x, int64_t mask) { return e.op<arith::AndIOp>(x, e.i(mask)); }
static Value orBits(const MathEmitter &e, Value x, Value y) { return e.op<arith::OrIOp>(x, y); }
static Value left(const MathEmitter &e, Value x, int64_t by) { return e.op<arith::ShLIOp>(x, e.i(by)); }
static Value right(const MathEmitter &e, Value x, int64_t by) { return e.op<arith::ShRUIOp>(x, e.i(by)); }
static Value addBits(const MathEmitter &e, Value x, Value y) { return e.op<arith::AddIOp>(x, y); }

Value setun::widenNarrow(const MathEmitter &e, Value x) {
  bool brain = getElementTypeOrSelf(x.getType()).isBF16();
  Value bits = e.to<arith::ExtUIOp>(e.i32(), e.bits(e.i16(), x));
  bits = left(e, bits, 16);
  if (brain)
    return e.bits(e.f32(), bits);
  // The fields move to their places. The exponent's bias then goes from 15 to 127 by a product with 2^112, which is
  // exact for subnormal numbers too, and makes NaNs quiet as processors do. Infinities and NaNs get their exponent.
  Value fields = andBits(e, e.op<arith::ShRSIOp>(bits, e.i(3)), 0x8fffe000);
  Value special = e.cmp(CmpIPredicate::sgt, andBits(e, bits, 0x7fffffff), e.i(0x7bffffff));
  Value exponent = andBits(e, e.to<arith::ExtSIOp>(e.i32(), special), 0x7f800000);
  return e.mul(e.bits(e.f32(), orBits(e, fields, exponent)), e.f(0x1p112));
}

Value setun::narrowTo(const MathEmitter &e, Value x, Type element) {
  Value bits = e.bits(e.i32(), x), result;
  Value isNan = e.cmp(CmpFPredicate::UNO, x, x);
  if (element.isBF16()) {
    Value odd = andBits(e, right(e, bits, 16), 1);
    Value rounded = right(e, addBits(e, bits, addBits(e, odd, e.i(0x7fff))), 16);
    result = e.select(isNan, orBits(e, right(e, bits, 16), e.i(0x40)), rounded);
  } else {
    Value magnitude = andBits(e, bits, 0x7fffffff);
    Value odd = andBits(e, right(e, magnitude, 13), 1);
    Value normal = right(e, addBits(e, magnitude, addBits(e, odd, e.i(0xfff - (112 << 23)))), 13);
    // 0.5 has the unit of f16's subnormal numbers in its last place: the addition rounds to it.
    Value shifted = e.bits(e.i32(), e.add(e.bits(e.f32(), magnitude), e.f(0.5)));
    Value subnormal = e.op<arith::SubIOp>(shifted, e.i(0x3f000000));
    result = e.select(e.cmp(CmpIPredicate::ult, magnitude, e.i(113 << 23)), subnormal, normal);
    result = e.select(e.cmp(CmpIPredicate::uge, magnitude, e.i(143 << 23)), e.i(0x7c00), result);
    // A NaN keeps what fits of its payload, as processors do it.
    result = e.select(isNan, orBits(e, andBits(e, right(e, magnitude, 13), 0x3ff), e.i(0x7e00)), result);
    result = orBits(e, result, andBits(e, right(e, bits, 16), 0x8000));
  }
  return e.bits(e.of(element), e.to<arith::TruncIOp>(e.i16(), result));
}
