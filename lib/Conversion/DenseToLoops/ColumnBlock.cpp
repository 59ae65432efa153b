//===- ColumnBlock.cpp - Products whose lanes run along n -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The right operand is [K, N]: its rows are read in memory order, four at a time,
// and added k by k into a strip of sums that stays in the first-level cache. Four
// rows of the left operand share each load where there are that many.
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"

using namespace mlir;
using namespace setun;

namespace {
struct ColumnTiler {
  LoopEmitter &e;
  const Contraction &op;
  SmallVector<Value> ivs;
  Value nFrom, columns;
  int64_t stride; // of the strip of sums, in elements
  Value strip;

  /// The place in the strip of row `r`, column `at`.
  Line sums(int64_t r) { return Line{strip, {e.index(0)}, 0}; }
  Value place(int64_t r, Value at) { return e.add(e.index(r * stride), at); }

  /// Adds rows k .. k + depth of b, in order, into the sums of `ms`.
  void addRows(ArrayRef<Value> ms, Value k, int64_t depth) {
    // One row of the left operand: a step is a cache line, and the next rows are asked for.
    int64_t width = ms.size() == 1 ? 2 * e.freeLanes : e.freeLanes;
    SmallVector<Line> rows;
    SmallVector<SmallVector<Value>> factors(ms.size());
    for (int64_t i = 0; i < depth; ++i) {
      SmallVector<Value> here(ivs);
      here[op.k] = e.add(k, e.index(i));
      rows.push_back(op.line(e, op.b, here, op.n));
      for (auto [r, m] : llvm::enumerate(ms)) {
        if (op.m)
          here[*op.m] = m;
        Value x = op.read(e, op.a, op.line(e, op.a, here, std::nullopt), nullptr, Lanes{});
        factors[r].push_back(e.splat(x, width));
      }
    }
    SmallVector<Line> ahead;
    if (ms.size() == 1 && depth > 1) {
      Value last = e.sub(op.size(e, op.k), e.index(1));
      for (int64_t i = 0; i < depth; ++i) {
        SmallVector<Value> here(ivs);
        here[op.k] = e.min(e.add(k, e.index(depth + i)), last);
        ahead.push_back(op.line(e, op.b, here, op.n));
      }
    }
    e.steps(columns, width, {}, [&](Value at, Lanes lanes, ValueRange) {
      SmallVector<Value> values;
      for (const Line &row : lanes.count ? ArrayRef<Line>() : ArrayRef<Line>(ahead))
        e.prefetch(row, e.add(nFrom, at));
      for (const Line &row : rows)
        values.push_back(op.read(e, op.b, row, e.add(nFrom, at), lanes));
      for (size_t r = 0; r < ms.size(); ++r) {
        Value sum = e.read(sums(r), place(r, at), Lanes{width});
        for (int64_t i = 0; i < depth; ++i)
          sum = e.addAny(sum, e.mulAny(factors[r][i], values[i]));
        e.write(sums(r), place(r, at), sum, Lanes{width});
      }
      return SmallVector<Value>();
    });
  }

  void rows(ArrayRef<Value> ms) {
    Value zero = e.constant(e.lanesOf(op.sumType, e.freeLanes), 0);
    for (size_t r = 0; r < ms.size(); ++r)
      e.loop(e.index(0), columns, e.freeLanes,
             [&](Value at) { e.write(sums(r), place(r, at), zero, Lanes{e.freeLanes}); });
    Value depth = op.size(e, op.k), whole = e.roundDown(depth, 4);
    e.loop(e.index(0), whole, 4, [&](Value k) { addRows(ms, k, 4); });
    e.loop(whole, depth, 1, [&](Value k) { addRows(ms, k, 1); });
    for (size_t r = 0; r < ms.size(); ++r) {
      SmallVector<Value> here(ivs);
      if (op.m)
        here[*op.m] = ms[r];
      Line out = op.line(e, op.c, here, op.n);
      e.steps(columns, e.freeLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
        Value sum = e.read(sums(r), place(r, at), Lanes{e.freeLanes});
        Value old = e.read(out, e.add(nFrom, at), lanes), value;
        if (isa<FloatType>(op.sumType))
          value = e.convert(e.addf(e.convert(old, op.sumType), sum), out.getElementType());
        else
          value = e.addAny(old, sum);
        e.write(out, e.add(nFrom, at), value, lanes);
        return SmallVector<Value>();
      });
    }
  }
};
} // namespace

void setun::emitColumnBlock(LoopEmitter &e, const Contraction &op, const ProductBlock &block, int64_t maxColumns) {
  Value rows = e.sub(block.mTo, block.mFrom);
  bool single = getConstantIntValue(rows) == 1;
  int64_t stride = llvm::alignTo(maxColumns, 2 * e.freeLanes);
  ColumnTiler tiler{e,
                    op,
                    block.ivs,
                    block.nFrom,
                    e.sub(block.nTo, block.nFrom),
                    stride,
                    e.scratch((single ? 1 : 4) * stride, op.sumType)};
  Value fours = single ? block.mFrom : e.add(block.mFrom, e.roundDown(rows, 4));
  if (!single)
    e.loop(block.mFrom, fours, 4,
           [&](Value m) { tiler.rows({m, e.add(m, e.index(1)), e.add(m, e.index(2)), e.add(m, e.index(3))}); });
  if (block.mMultiple % 4 != 0)
    e.loop(fours, block.mTo, 1, [&](Value m) { tiler.rows({m}); });
}
