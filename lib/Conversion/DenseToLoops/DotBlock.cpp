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
// of the next tile are asked for: the processor's own prefetching stops at the end
// of a page, and a row is hardly longer.
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace setun;

namespace {
struct DotTiler {
  LoopEmitter &e;
  const Contraction &op;
  SmallVector<Value> ivs;
  Value size, columnCount;

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

  void tile(ArrayRef<Value> ms, ArrayRef<Value> ns) {
    SmallVector<Line> as = lines(op.a, op.m, ms), bs = lines(op.b, op.n, ns);
    SmallVector<Line> ahead;
    if (ms.size() == 1 && ns.size() > 1) {
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

  /// Tiles of `width` columns over [from, to), then single columns.
  void columns(ArrayRef<Value> ms, const ProductBlock &block, int64_t width) {
    auto sweep = [&](Value from, Value to, int64_t step) {
      e.loop(from, to, step, [&](Value n) {
        SmallVector<Value> ns;
        for (int64_t i = 0; i < step; ++i)
          ns.push_back(e.add(n, e.index(i)));
        tile(ms, ns);
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
  Value rows = e.sub(block.mTo, block.mFrom);
  bool pairs = getConstantIntValue(rows) != 1;
  Value paired = pairs ? e.add(block.mFrom, e.roundDown(rows, 2)) : block.mFrom;
  if (pairs)
    e.loop(block.mFrom, paired, 2, [&](Value m) { tiler.columns({m, e.add(m, e.index(1))}, block, 2); });
  if (block.mMultiple % 2 != 0)
    e.loop(paired, block.mTo, 1, [&](Value m) { tiler.columns({m}, block, 4); });
}
