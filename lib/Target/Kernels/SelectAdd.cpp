//===- SelectAdd.cpp - A few tokens: compare, mask, add and subtract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile is 16 rows of four bytes; seen as int16 each lane holds two columns of
// one row, at bits 2p of its low and of its high byte for the four planes p.
// A code stays where it lies: and + two compares give the masks of +1 and -1,
// and the activations of the column, widened once for all rows, are added under
// the one and subtracted under the other. A lane takes 8 of them a tile, each at
// most 128 in magnitude: 16 tiles stay within int16 (31 would).
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Kernels.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kTilesPerBlock = 16;

int64_t setun::getGrain(const Product &p, int64_t bytes) {
  auto block = getConstant(p.blockBytes);
  return block ? std::max<int64_t>(1, bytes / std::max<int64_t>(*block, 1)) : 1;
}

/// Adds one tile's columns to the int16 sums of its rows. `even` and `odd` are the activations of the four planes.
static Value addTile(KernelBuilder &b, Value sums, Value tile, ArrayRef<Value> even, ArrayRef<Value> odd) {
  auto type = cast<VectorType>(sums.getType());
  Value zero = b.constant(type, 0);
  for (int plane = 0; plane < 4; ++plane)
    for (int high = 0; high < 2; ++high) {
      int shift = 2 * plane + 8 * high;
      Value code = b.bitAnd(tile, static_cast<int16_t>(3 << shift));
      Value activation = high ? odd[plane] : even[plane];
      Value plus = b.equals(code, static_cast<int16_t>(2 << shift)), minus = b.equals(code, 0);
      sums = b.add(sums, b.select(plus, activation, zero));
      sums = b.sub(sums, b.select(minus, activation, zero));
    }
  return sums;
}

void setun::emitSelectAdd(KernelBuilder &b, const Product &p, Value from, Value to, unsigned vectorBits) {
  // Sums of 16 rows fill four registers of 128 bits: 32 rows at a time only where registers are wider.
  const int64_t tiles = std::min<int64_t>(p.interleave, vectorBits > 128 ? 2 : 1);
  b.forall(p.rowBlocks, getGrain(p, 32 << 10), [&](Value block) {
    Value stage = b.scratch(kTilesPerBlock * Product::kTile, p.activation);
    Value blockStart = b.mul(block, p.blockBytes), firstRow = b.shl(block, p.blockRowsLog);
    Value zero = b.index(0);

    auto rowsOfToken = [&](Value xRow, Value accRow, int64_t firstTile) {
      Values wide(tiles, b.constant(b.i32s(16), 0));
      Values start = wide;
      start.push_back(b.add(blockStart, firstTile * Product::kTileBytes));
      Values sums = b.loop(zero, p.colTiles, kTilesPerBlock, start, [&](Value tile, ValueRange carried) {
        auto [x, at] = stageColumns(b, p, xRow, tile, kTilesPerBlock, stage);
        Values inner(tiles, b.constant(b.i16s(32), 0));
        inner.append({carried.back(), at});
        Value count = b.min(b.sub(p.colTiles, tile), b.index(kTilesPerBlock));
        Value bytes = x;
        inner = b.loop(zero, count, 1, inner, [&](Value, ValueRange now) {
          Value weights = now[tiles], column = now[tiles + 1];
          // All lines of the step, even where its later tiles have a pass of their own: that one finds them in cache.
          if (firstTile == 0)
            prefetchStream(b, p.weight, weights, p.stepBytes);
          SmallVector<Value, 4> even, odd;
          for (int64_t plane = 0; plane < 4; ++plane) {
            Value four = b.bitcast(b.broadcastDword(bytes, b.add(column, 4 * plane), 64), b.i16s(32));
            even.push_back(b.sra(b.shl(four, 8), 8));
            odd.push_back(b.sra(four, 8));
          }
          Values next;
          for (int64_t t = 0; t < tiles; ++t) {
            Value tileBytes = b.load(p.weight, b.add(weights, t * Product::kTileBytes), b.i8s(64));
            next.push_back(addTile(b, now[t], b.bitcast(tileBytes, b.i16s(32)), even, odd));
          }
          next.append({b.add(weights, p.stepBytes), b.add(column, Product::kTile)});
          return next;
        });
        Values next;
        for (int64_t t = 0; t < tiles; ++t) {
          Value pairs = b.bitcast(inner[t], b.i32s(16));
          Value both = b.add(b.sra(b.shl(pairs, 16), 16), b.sra(pairs, 16));
          next.push_back(b.add(carried[t], both));
        }
        next.push_back(inner[tiles]);
        return next;
      });
      for (int64_t t = 0; t < tiles; ++t)
        storeRows(b, p, sums[t], accRow, b.add(firstRow, (firstTile + t) * Product::kTile));
    };

    Values rows{b.mul(from, p.xStride), b.mul(from, p.accStride)};
    b.loop(from, to, 1, rows, [&](Value, ValueRange now) {
      for (int64_t firstTile = 0; firstTile < p.interleave; firstTile += tiles)
        rowsOfToken(now[0], now[1], firstTile);
      return Values{b.add(now[0], p.xStride), b.add(now[1], p.accStride)};
    });
  });
}
