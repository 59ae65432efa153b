//===- QuantizerSteps.cpp - The arithmetic of activation quantizers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps of a spelling are written as they are.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/QuantizerSteps.h"

#include "RowEmitter.h"

using namespace mlir;
using namespace setun;

Value QuantizerSteps::rounded(Value value) { return roundTo(e, value, element); }

Value QuantizerSteps::magnitudeBits(Value x, int64_t width) {
  Value bits = arith::BitcastOp::create(e.b, e.loc, bitsOf(width), x);
  return arith::AndIOp::create(e.b, e.loc, bits, e.constant(bitsOf(width), 0x7fffffff));
}

Value QuantizerSteps::clampedMax(Value bits) {
  Value max = arith::BitcastOp::create(e.b, e.loc, e.b.getF32Type(), bits);
  return arith::MaximumFOp::create(e.b, e.loc, max, number(eps));
}

Value QuantizerSteps::factor(Value c) {
  switch (spelling) {
  case ternary::Spelling::Reciprocal:
    return rounded(e.mulf(number(qmax), rounded(e.divf(number(1), c))));
  case ternary::Spelling::Divide:
    return rounded(e.divf(number(qmax), c));
  case ternary::Spelling::Step:
    return rounded(e.divf(c, number(qmax)));
  case ternary::Spelling::Normalize:
  case ternary::Spelling::ScaleFirst:
    return c;
  }
  llvm_unreachable("every spelling is handled");
}

Value QuantizerSteps::scaled(Value x, Value factor, int64_t width) {
  factor = e.splat(factor, width);
  Value max = e.splat(number(qmax), width);
  switch (spelling) {
  case ternary::Spelling::Reciprocal:
  case ternary::Spelling::Divide:
    return rounded(e.mulf(x, factor));
  case ternary::Spelling::Step:
    return rounded(e.divf(x, factor));
  case ternary::Spelling::Normalize:
    return rounded(e.mulf(rounded(e.divf(x, factor)), max));
  case ternary::Spelling::ScaleFirst:
    return rounded(e.divf(rounded(e.mulf(x, max)), factor));
  }
  llvm_unreachable("every spelling is handled");
}

// The comparisons are those of one SSE instruction each, and send a NaN to clamp[0]. Adding 1.5 * 2^23 rounds v to an
// integer, half to even, and leaves it in the low bits.
Value QuantizerSteps::toInt8(Value v, int64_t width) {
  Type type = e.lanesOf(e.b.getF32Type(), width);
  auto bounded = [&](Value x, arith::CmpFPredicate keep, int64_t bound) -> Value {
    Value limit = e.constant(type, static_cast<double>(bound));
    Value kept = arith::CmpFOp::create(e.b, e.loc, keep, x, limit);
    return arith::SelectOp::create(e.b, e.loc, kept, x, limit);
  };
  v = bounded(v, arith::CmpFPredicate::OGT, clamp[0]);
  v = bounded(v, arith::CmpFPredicate::OLT, clamp[1]);
  v = e.addf(v, e.constant(type, 12582912.0));
  Value bits = arith::BitcastOp::create(e.b, e.loc, bitsOf(width), v);
  return arith::TruncIOp::create(e.b, e.loc, e.lanesOf(e.b.getI8Type(), width), bits);
}
