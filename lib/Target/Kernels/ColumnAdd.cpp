//===- ColumnAdd.cpp - Float activations and scaled groups: column by column -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row of a tile is one dword, so 16 rows fill a vector of dwords, and a column's
// codes lie at one shift in all of them. Columns are taken in order, each giving
// one rounded addition of x, -x or +0 (which changes no sum that began at +0), so
// that the bits are those of the plain loop, whatever the number of tokens. With
// scales the sum of each group is multiplied once, outside the loop over columns.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Kernels.h"

using namespace mlir;
using namespace setun;

namespace {

struct Columns {
  KernelBuilder &b;
  const Product &p;
  bool isFloat;
  Type sumType;
  VectorType lanes;

  Columns(KernelBuilder &b, const Product &p)
      : b(b), p(p), isFloat(isa<FloatType>(p.activation)), sumType(isFloat ? Type(b.getF32Type()) : b.getI32Type()),
        lanes(b.vec(16, sumType)) {}

  Value add(Value a, Value c) { return isFloat ? Value(arith::AddFOp::create(b, a, c)) : b.add(a, c); }
  Values sum(Value xRow, Value blockStart, Value from, Value to);
  Value scaleOf(Value firstRow, Value at);
};

} // namespace

/// Sums columns [from, to) of the block's rows at `blockStart`, a vector for each 16.
Values Columns::sum(Value xRow, Value blockStart, Value from, Value to) {
  Value zero = b.constant(lanes, 0);
  return b.loop(from, to, 1, Values(p.interleave, zero), [&](Value k, ValueRange now) {
    Value x = b.load(p.x, b.add(xRow, k));
    if (!isFloat)
      x = arith::ExtSIOp::create(b, sumType, x);
    else if (p.activation != sumType)
      x = arith::ExtFOp::create(b, sumType, x);
    Value minusX = isFloat ? Value(arith::NegFOp::create(b, x)) : b.sub(b.constant(sumType, 0), x);
    Value plus = b.broadcast(x, lanes), minus = b.broadcast(minusX, lanes);
    // Byte k % 4 of the dword, bits 2 ((k / 4) % 4).
    Value shift = b.add(b.shl(b.bitAnd(k, 3), 3), b.shr(b.bitAnd(k, 12), 1));
    Value shifts = b.broadcast(arith::IndexCastUIOp::create(b, b.getI32Type(), shift), b.i32s(16));
    Value step = b.add(blockStart, b.shl(b.shr(k, 4), p.stepBytesLog));
    Values next;
    for (int64_t t = 0; t < p.interleave; ++t) {
      Value bytes = b.load(p.weight, b.add(step, t * Product::kTileBytes), b.i8s(64));
      Value code = b.bitAnd(arith::ShRUIOp::create(b, b.bitcast(bytes, b.i32s(16)), shifts), 3);
      Value term = b.select(b.equals(code, 2), plus, b.select(b.equals(code, 0), minus, zero));
      next.push_back(add(now[t], term));
    }
    return next;
  });
}

/// The scales of 16 rows, the first of them at `at`; rows past the matrix repeat its last.
Value Columns::scaleOf(Value firstRow, Value at) {
  Values scales;
  Value last = b.sub(p.n, b.index(1));
  for (int64_t i = 0; i < 16; ++i) {
    scales.push_back(b.load(p.scales, at));
    Value more = b.cmp(arith::CmpIPredicate::slt, b.add(firstRow, i), last);
    at = b.select(more, b.add(at, p.scalesStride), at);
  }
  return vector::FromElementsOp::create(b, b.vec(16, b.getF32Type()), scales);
}

void setun::emitColumnAdd(KernelBuilder &b, const Product &p, Value from, Value to) {
  Columns c(b, p);
  b.forall(p.rowBlocks, getGrain(p, 8 << 10), [&](Value block) {
    Value blockStart = b.mul(block, p.blockBytes), firstRow = b.shl(block, p.blockRowsLog);
    Value groupColumns = p.scales ? b.div(p.k, p.groups) : p.k;
    Values scaleStarts;
    for (int64_t t = 0; p.scales && t < p.interleave; ++t) {
      Value row = b.min(b.add(firstRow, t * Product::kTile), b.sub(p.n, b.index(1)));
      scaleStarts.push_back(b.mul(row, p.scalesStride));
    }
    Values rows{b.mul(from, p.xStride), b.mul(from, p.accStride)};
    b.loop(from, to, 1, rows, [&](Value, ValueRange now) {
      Values sums;
      if (!p.scales) {
        sums = c.sum(now[0], blockStart, b.index(0), p.k);
      } else {
        VectorType f32s = b.vec(16, b.getF32Type());
        Values start(p.interleave, b.constant(f32s, 0));
        start.push_back(b.index(0));
        sums = b.loop(b.index(0), p.groups, 1, start, [&](Value group, ValueRange total) {
          Value first = total[p.interleave], end = b.add(first, groupColumns);
          Values part = c.sum(now[0], blockStart, first, end), next;
          for (int64_t t = 0; t < p.interleave; ++t) {
            Value scale = c.scaleOf(b.add(firstRow, t * Product::kTile), b.add(scaleStarts[t], group));
            Value sum = c.isFloat ? part[t] : Value(arith::SIToFPOp::create(b, f32s, part[t]));
            next.push_back(arith::AddFOp::create(b, total[t], arith::MulFOp::create(b, sum, scale)));
          }
          next.push_back(end);
          return next;
        });
      }
      for (int64_t t = 0; t < p.interleave; ++t)
        storeRows(b, p, sums[t], now[1], b.add(firstRow, t * Product::kTile));
      return Values{b.add(now[0], p.xStride), b.add(now[1], p.accStride)};
    });
  });
}
