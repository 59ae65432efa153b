//===- DotBlock.cpp - Products whose lanes run along k -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of dot products keeps one vector of 16 sums for each of its elements.
// Tiles only say which elements are computed together: one row with four columns
// where rows are few (each weight is read once, in four streams), two rows with
// two columns where they are many (each load serves two products, and the sums
// still fit the sixteen registers of AVX). Where each weight is read once, the lines
// of the next tile are asked for where a block reads its weights first: the
// processor's own prefetching stops at the end of a page, and a row is hardly longer.
// Narrow operands of many rows are widened once for a block, some of k at a time; the
// sums wait in between.
//
//===----------------------------------------------------------------------===//

#include "ProductBlock.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace setun;

constexpr int64_t kPanelDepth = 512; // k of a panel

namespace {
struct DotTiler {
  LoopEmitter &e;
  const Contraction &op;
  SmallVector<Value> ivs;
  Value size, columnCount;
  // Panels: lines of kPanelDepth widened elements, and the sums of all tiles.
  Value left = {}, right = {}, waiting = {};

  SmallVector<Line> lines(const ProductOperand &operand, std::optional<unsigned> loop, ArrayRef<Value> at) {
    SmallVector<Line> result;
    for (Value index : at) {
      SmallVector<Value> here(ivs);
      if (loop)
        here[*loop] = index;
      result.push_back(op.line(e, operand, here, op.k));
    }
    return result;
  }

  void tile(ArrayRef<Value> ms, ArrayRef<Value> ns, bool readsFirst) {
    SmallVector<Line> as = lines(op.a, op.m, ms), bs = lines(op.b, op.n, ns);
    SmallVector<Line> ahead;
    if (readsFirst && ns.size() > 1) {
      Value last = e.sub(columnCount, e.index(1));
      ahead = lines(op.b, op.n,
                    llvm::map_to_vector(ns, [&](Value n) { return e.min(e.add(n, e.index(ns.size())), last); }));
    }
    Value zero = e.constant(e.lanesOf(op.sumType, kSumLanes), 0);
    SmallVector<Value> zeros(ms.size() * ns.size(), zero);
    SmallVector<Value> sums = e.steps(size, kSumLanes, zeros, [&](Value at, Lanes lanes, ValueRange carried) {
      SmallVector<Value> left, right, next;
      for (const Line &line : lanes.count ? ArrayRef<Line>() : ArrayRef<Line>(ahead))
        e.prefetch(line, at);
      for (const Line &line : as)
        left.push_back(op.read(e, op.a, line, at, lanes));
      for (const Line &line : bs)
        right.push_back(op.read(e, op.b, line, at, lanes));
      for (auto [i, sum] : llvm::enumerate(carried))
        next.push_back(e.addAny(sum, e.mulAny(left[i / ns.size()], right[i % ns.size()])));
      return next;
    });
    finish(ms, ns, sums);
  }

  void finish(ArrayRef<Value> ms, ArrayRef<Value> ns, ArrayRef<Value> sums) {
    Value totals = e.treeSums(sums);
    for (size_t i = 0; i < sums.size(); ++i) {
      SmallVector<Value> here(ivs);
      if (op.m)
        here[*op.m] = ms[i / ns.size()];
      if (op.n)
        here[*op.n] = ns[i % ns.size()];
      Line out = op.line(e, op.c, here, std::nullopt);
      Value old = e.read(out, nullptr, Lanes{});
      Type element = out.getElementType();
      Value value = vector::ExtractOp::create(e.b, e.loc, totals, i);
      if (isa<FloatType>(element))
        value = e.convert(e.addf(e.convert(old, op.sumType), value), element);
      else
        value = e.addAny(old, value);
      e.write(out, nullptr, value, Lanes{});
    }
  }

  Line scratchLine(Value buffer) { return Line{buffer, {e.index(0)}, 0}; }
  Value place(Value line, Value at) { return e.add(e.mul(line, e.index(kPanelDepth)), at); }

  /// Elements [k, k + depth) of a line into line `to` of a panel, zeros up to a whole step.
  void widen(const ProductOperand &operand, const Line &line, Value k, Value depth, Value panel, Value to) {
    e.steps(depth, kSumLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
      Value values = op.read(e, operand, line, e.add(k, at), lanes);
      e.write(scratchLine(panel), place(to, at), values, Lanes{kSumLanes});
      return SmallVector<Value>();
    });
  }

  /// Where the sums of an element of the block wait.
  SmallVector<Value> waitingPlaces(ArrayRef<Value> ms, ArrayRef<Value> ns, const ProductBlock &block) {
    SmallVector<Value> places;
    for (Value m : ms)
      for (Value n : ns) {
        Value row = e.mul(e.sub(m, block.mFrom), e.index(kDotColumns));
        places.push_back(e.mul(e.add(row, e.sub(n, block.nFrom)), e.index(kSumLanes)));
      }
    return places;
  }
  SmallVector<Value> waitingSums(ArrayRef<Value> ms, ArrayRef<Value> ns, const ProductBlock &block) {
    return llvm::map_to_vector(waitingPlaces(ms, ns, block),
                               [&](Value at) { return e.read(scratchLine(waiting), at, Lanes{kSumLanes}); });
  }

  /// A tile on panels: the left one holds the rows of this tile, the right one all columns of the block.
  void panelTile(ArrayRef<Value> ms, ArrayRef<Value> ns, const ProductBlock &block, Value depth) {
    SmallVector<Value> places = waitingPlaces(ms, ns, block), sums = waitingSums(ms, ns, block);
    sums = e.loop(e.index(0), depth, kSumLanes, sums, [&](Value at, ValueRange carried) {
      SmallVector<Value> as, bs, next;
      for (size_t i = 0; i < ms.size(); ++i)
        as.push_back(e.read(scratchLine(left), place(e.index(i), at), Lanes{kSumLanes}));
      for (Value n : ns)
        bs.push_back(e.read(scratchLine(right), place(e.sub(n, block.nFrom), at), Lanes{kSumLanes}));
      for (auto [i, sum] : llvm::enumerate(carried))
        next.push_back(e.addAny(sum, e.mulAny(as[i / ns.size()], bs[i % ns.size()])));
      return next;
    });
    for (auto [at, sum] : llvm::zip(places, sums))
      e.write(scratchLine(waiting), at, sum, Lanes{kSumLanes});
  }

  void panels(const ProductBlock &block) {
    left = e.scratch(2 * kPanelDepth, op.sumType);
    right = e.scratch(kDotColumns * kPanelDepth, op.sumType);
    waiting = e.scratch(kBlockRows * kDotColumns * kSumLanes, op.sumType);
    Value rows = e.sub(block.mTo, block.mFrom), zero = e.constant(e.lanesOf(op.sumType, kSumLanes), 0);
    e.loop(e.index(0), e.mul(rows, e.index(kDotColumns * kSumLanes)), kSumLanes,
           [&](Value at) { e.write(scratchLine(waiting), at, zero, Lanes{kSumLanes}); });
    e.loop(e.index(0), size, kPanelDepth, [&](Value k) {
      Value depth = e.min(e.index(kPanelDepth), e.sub(size, k));
      e.loop(block.nFrom, block.nTo, 1,
             [&](Value n) { widen(op.b, lines(op.b, op.n, n)[0], k, depth, right, e.sub(n, block.nFrom)); });
      rowsOf(block, [&](ArrayRef<Value> ms) {
        for (auto [i, line] : llvm::enumerate(lines(op.a, op.m, ms)))
          widen(op.a, line, k, depth, left, e.index(i));
        columns(block, 2, [&](ArrayRef<Value> ns) { panelTile(ms, ns, block, depth); });
      });
    });
    rowsOf(block, [&](ArrayRef<Value> ms) {
      columns(block, 2, [&](ArrayRef<Value> ns) { finish(ms, ns, waitingSums(ms, ns, block)); });
    });
  }

  /// Pairs of rows, then the last one.
  void rowsOf(const ProductBlock &block, function_ref<void(ArrayRef<Value>)> body) {
    Value paired = e.add(block.mFrom, e.roundDown(e.sub(block.mTo, block.mFrom), 2));
    e.loop(block.mFrom, paired, 2, [&](Value m) { body({m, e.add(m, e.index(1))}); });
    if (block.mMultiple % 2 != 0)
      e.loop(paired, block.mTo, 1, [&](Value m) { body(m); });
  }

  /// Groups of `width` columns, then single ones.
  void columns(const ProductBlock &block, int64_t width, function_ref<void(ArrayRef<Value>)> body) {
    auto sweep = [&](Value from, Value to, int64_t step) {
      e.loop(from, to, step, [&](Value n) {
        SmallVector<Value> ns;
        for (int64_t i = 0; i < step; ++i)
          ns.push_back(e.add(n, e.index(i)));
        body(ns);
      });
    };
    if (block.nMultiple % width == 0)
      return sweep(block.nFrom, block.nTo, width);
    Value whole = e.add(block.nFrom, e.roundDown(e.sub(block.nTo, block.nFrom), width));
    sweep(block.nFrom, whole, width);
    sweep(whole, block.nTo, 1);
  }
};
} // namespace

void setun::emitDotBlock(LoopEmitter &e, const Contraction &op, const ProductBlock &block) {
  DotTiler tiler{e, op, block.ivs, op.size(e, op.k), op.n ? op.size(e, *op.n) : e.index(1)};
  auto direct = [&](ArrayRef<Value> ms, bool readsFirst) {
    tiler.columns(block, ms.size() > 1 ? 2 : 4, [&](ArrayRef<Value> ns) { tiler.tile(ms, ns, readsFirst); });
  };
  Value rows = e.sub(block.mTo, block.mFrom);
  if (getConstantIntValue(rows) == 1)
    return direct(block.mFrom, true);
  auto pairs = [&] {
    tiler.rowsOf(block, [&](ArrayRef<Value> ms) {
      if (ms.size() == 1)
        return direct(ms, false);
      e.branch(arith::CmpIPredicate::eq, ms[0], block.mFrom, [&](bool first) { direct(ms, first); });
    });
  };
  auto isNarrow = [&](const ProductOperand &operand) { return getElementTypeOrSelf(operand.buffer) != op.sumType; };
  if (!isNarrow(op.a) && !isNarrow(op.b))
    return pairs();
  int64_t fewRows = e.vectorBits > 128 ? 4 : 2; // so many do not pay for panels
  e.branch(arith::CmpIPredicate::sgt, rows, e.index(fewRows), [&](bool many) { many ? tiler.panels(block) : pairs(); });
}
