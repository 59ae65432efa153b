//===- ColumnBlock.cpp - Products whose lanes run along n -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The right operand is [K, N]. One row of the left operand reads it in memory
// order, four of its rows at a time, and adds them k by k into a strip of sums that
// stays in the first-level cache. Several rows share panels: some rows of the right
// operand are widened and put side by side once, and tiles of four rows by two
// registers of columns keep their sums in registers while they walk them.
//
//===----------------------------------------------------------------------===//

#include "ProductBlock.h"

using namespace mlir;
using namespace setun;

constexpr int64_t kPanelDepth =
    16; // k of a panel: with kPanelColumns, 16 KiB; the next one's rows come into L1 beside it
constexpr int64_t kTileRows = 4;

namespace {
struct ColumnTiler {
  LoopEmitter &e;
  const Contraction &op;
  SmallVector<Value> ivs;
  Value nFrom, columns;
  int64_t stride; // of a row of sums, in elements
  Value strip;

  Line scratchLine(Value buffer) { return Line{buffer, {e.index(0)}, 0}; }
  /// The place of column `at` of row `r` of the strip.
  Value place(Value r, Value at) { return e.add(e.mul(r, e.index(stride)), at); }

  Line rowOfB(Value k) {
    SmallVector<Value> here(ivs);
    here[op.k] = k;
    return op.line(e, op.b, here, op.n);
  }

  void clear(Value rows) {
    Value zero = e.constant(e.lanesOf(op.sumType, e.freeLanes), 0);
    e.loop(e.index(0), e.mul(rows, e.index(stride)), e.freeLanes,
           [&](Value at) { e.write(scratchLine(strip), at, zero, Lanes{e.freeLanes}); });
  }

  /// Adds rows k .. k + depth of b, in order, into the sums of row m.
  void addRows(Value m, Value k, int64_t depth) {
    // A step is a cache line, and the next rows are asked for.
    int64_t width = 16;
    SmallVector<Line> rows, ahead;
    SmallVector<Value> factors;
    Value last = e.sub(op.size(e, op.k), e.index(1));
    for (int64_t i = 0; i < depth; ++i) {
      SmallVector<Value> here(ivs);
      here[op.k] = e.add(k, e.index(i));
      if (op.m)
        here[*op.m] = m;
      rows.push_back(rowOfB(here[op.k]));
      factors.push_back(e.splat(op.read(e, op.a, op.line(e, op.a, here, std::nullopt), nullptr, Lanes{}), width));
      if (depth > 1)
        ahead.push_back(rowOfB(e.min(e.add(k, e.index(depth + i)), last)));
    }
    e.steps(columns, width, {}, [&](Value at, Lanes lanes, ValueRange) {
      SmallVector<Value> values;
      for (const Line &row : lanes.count ? ArrayRef<Line>() : ArrayRef<Line>(ahead))
        e.prefetch(row, e.add(nFrom, at));
      for (const Line &row : rows)
        values.push_back(op.read(e, op.b, row, e.add(nFrom, at), lanes));
      Value sum = e.read(scratchLine(strip), at, Lanes{width});
      for (int64_t i = 0; i < depth; ++i)
        sum = e.addAny(sum, e.mulAny(factors[i], values[i]));
      e.write(scratchLine(strip), at, sum, Lanes{width});
      return SmallVector<Value>();
    });
  }

  /// Row m of the result: what is there, then row r of the sums.
  void finish(Value m, Value r) {
    SmallVector<Value> here(ivs);
    if (op.m)
      here[*op.m] = m;
    Line out = op.line(e, op.c, here, op.n);
    e.steps(columns, e.freeLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
      Value sum = e.read(scratchLine(strip), place(r, at), Lanes{e.freeLanes});
      Value old = e.read(out, e.add(nFrom, at), lanes), value;
      if (isa<FloatType>(op.sumType))
        value = e.convert(e.addf(e.convert(old, op.sumType), sum), out.getElementType());
      else
        value = e.addAny(old, sum);
      e.write(out, e.add(nFrom, at), value, lanes);
      return SmallVector<Value>();
    });
  }

  void oneRow(Value m) {
    clear(e.index(1));
    Value depth = op.size(e, op.k), whole = e.roundDown(depth, 4);
    e.loop(e.index(0), whole, 4, [&](Value k) { addRows(m, k, 4); });
    e.loop(whole, depth, 1, [&](Value k) { addRows(m, k, 1); });
    finish(m, e.index(0));
  }

  /// Prefetches columns [at, at + width) of row k of b.
  void askFor(Value k, Value at, int64_t width) {
    Line row = rowOfB(e.min(k, e.sub(op.size(e, op.k), e.index(1))));
    int64_t line = 8 * 64 / row.getElementType().getIntOrFloatBitWidth();
    for (int64_t i = 0; i < width; i += line)
      e.prefetch(row, e.add(nFrom, e.add(at, e.index(i))));
  }

  /// Adds the panel's `depth` rows, widened, into the sums of `count` rows of the left operand from `m` on.
  /// `asks` for the next panel's rows, so that memory works meanwhile.
  void addPanel(Value panel, Value left, const ProductBlock &block, Value m, int64_t count, Value k, Value depth,
                bool asks) {
    int64_t width = 2 * e.vectorBits / 32;
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<Value> here(ivs);
      if (op.m)
        here[*op.m] = e.add(m, e.index(i));
      Line line = op.line(e, op.a, here, op.k);
      e.steps(depth, e.freeLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
        Value values = op.read(e, op.a, line, e.add(k, at), lanes);
        e.write(scratchLine(left), e.add(e.index(i * kPanelDepth), at), values, Lanes{e.freeLanes});
        return SmallVector<Value>();
      });
    }
    Value row = e.sub(m, block.mFrom);
    e.loop(e.index(0), columns, width, [&](Value at) {
      SmallVector<Value> sums, places;
      for (int64_t i = 0; i < count; ++i) {
        places.push_back(place(e.add(row, e.index(i)), at));
        sums.push_back(e.read(scratchLine(strip), places[i], Lanes{width}));
      }
      sums = e.loop(e.index(0), depth, 1, sums, [&](Value step, ValueRange carried) {
        if (asks)
          askFor(e.add(k, e.add(step, e.index(kPanelDepth))), at, width);
        Value right = e.read(scratchLine(panel), place(step, at), Lanes{width});
        SmallVector<Value> next;
        for (auto [i, sum] : llvm::enumerate(carried)) {
          Value factor = e.read(scratchLine(left), e.add(e.index(i * kPanelDepth), step), Lanes{});
          next.push_back(e.addAny(sum, e.mulAny(e.splat(factor, width), right)));
        }
        return next;
      });
      for (auto [where, sum] : llvm::zip(places, sums))
        e.write(scratchLine(strip), where, sum, Lanes{width});
    });
  }

  void manyRows(const ProductBlock &block) {
    int64_t width = 2 * e.vectorBits / 32;
    Value panel = e.scratch(kPanelDepth * stride, op.sumType), left = e.scratch(kTileRows * kPanelDepth, op.sumType);
    Value rows = e.sub(block.mTo, block.mFrom), size = op.size(e, op.k);
    Value tiled = e.add(block.mFrom, e.roundDown(rows, kTileRows));
    clear(rows);
    e.loop(e.index(0), size, kPanelDepth, [&](Value k) {
      Value depth = e.min(e.index(kPanelDepth), e.sub(size, k));
      e.loop(e.index(0), depth, 1, [&](Value step) {
        Line line = rowOfB(e.add(k, step));
        e.steps(columns, width, {}, [&](Value at, Lanes lanes, ValueRange) {
          Value values = op.read(e, op.b, line, e.add(nFrom, at), lanes);
          e.write(scratchLine(panel), place(step, at), values, Lanes{width});
          return SmallVector<Value>();
        });
      });
      auto add = [&](Value m, int64_t count) {
        e.branch(arith::CmpIPredicate::eq, m, block.mFrom,
                 [&](bool first) { addPanel(panel, left, block, m, count, k, depth, first); });
      };
      e.loop(block.mFrom, tiled, kTileRows, [&](Value m) { add(m, kTileRows); });
      if (block.mMultiple % kTileRows != 0)
        e.loop(tiled, block.mTo, 1, [&](Value m) { add(m, 1); });
    });
    e.loop(e.index(0), rows, 1, [&](Value r) { finish(e.add(block.mFrom, r), r); });
  }
};
} // namespace

void setun::emitColumnBlock(LoopEmitter &e, const Contraction &op, const ProductBlock &block, int64_t maxColumns) {
  bool single = getConstantIntValue(e.sub(block.mTo, block.mFrom)) == 1;
  int64_t stride = llvm::alignTo(maxColumns, 32); // whole tiles of any level
  Value strip = e.scratch((single ? 1 : kBlockRows) * stride, op.sumType);
  ColumnTiler tiler{e, op, block.ivs, block.nFrom, e.sub(block.nTo, block.nFrom), stride, strip};
  if (single)
    tiler.oneRow(block.mFrom);
  else
    tiler.manyRows(block);
}
