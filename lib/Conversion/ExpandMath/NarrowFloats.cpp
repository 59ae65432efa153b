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
    Value rounded = addBits(e, bits, addBits(e, odd, e.i(0x7fff)));
    // Whatever the additions made of a NaN becomes one again: cheaper than to choose.
    Value quiet = andBits(e, e.to<arith::ExtSIOp>(e.i32(), isNan), 0x7fc00000);
    result = right(e, orBits(e, rounded, quiet), 16);
  } else {
    // Two products take |x| over f16's range to infinity. The sum with a power of two that is 2^15 times x's own, or
    // that of f16's smallest normal number, rounds to f16's last place and leaves exponent and mantissa in the low
    // bits.
    Value scaled = e.mul(e.mul(e.bits(e.f32(), andBits(e, bits, 0x7fffffff)), e.f(0x1p112)), e.f(0x1p-110));
    Value power = e.bits(e.f32(), andBits(e, bits, 0x7f800000)), least = e.f(0x1p-14);
    power = e.select(e.cmp(CmpFPredicate::OGT, power, least), power, least);
    power = e.bits(e.f32(), addBits(e, e.bits(e.i32(), power), e.i(15 << 23)));
    Value sum = e.bits(e.i32(), e.add(power, scaled)), high = right(e, sum, 13);
    result = addBits(e, andBits(e, high, 0x7c00), andBits(e, sum, 0xfff));
    // A NaN keeps what fits of its payload, as processors do it.
    result = e.select(isNan, andBits(e, high, 0x7fff), result);
    result = orBits(e, result, andBits(e, right(e, bits, 16), 0x8000));
  }
  return e.bits(e.of(element), e.to<arith::TruncIOp>(e.i16(), result));
}

Value setun::roundToHalf(const MathEmitter &e, Value x) {
  // The sum with 1.5 * 2^13 times x's own power of two, or that of f16's smallest normal number, ends at f16's last
  // place. Two products take what is over f16's range to infinity.
  Value bits = e.bits(e.i32(), x), least = e.f(0x1p-14), most = e.f(0x1p16);
  Value power = e.bits(e.f32(), andBits(e, bits, 0x7f800000));
  power = e.select(e.cmp(CmpFPredicate::OGT, power, least), power, least);
  power = e.select(e.cmp(CmpFPredicate::OLT, power, most), power, most);
  Value place = e.bits(e.f32(), addBits(e, e.bits(e.i32(), power), e.i((13 << 23) + (1 << 22))));
  Value rounded = e.sub(e.add(x, place), place);
  rounded = e.bits(e.i32(), e.mul(e.mul(rounded, e.f(0x1p112)), e.f(0x1p-112)));
  // A NaN keeps what fits of its payload, and a zero the sign.
  rounded = orBits(e, andBits(e, rounded, 0xffffe000), andBits(e, bits, 0x80000000));
  return e.bits(e.f32(), rounded);
}
