//===- MaddTile.cpp - A few tokens by pmaddubsw -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Madd.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kTilesPerBlock = 16, kRows = Product::kTile, kTokens = 6, kMostTokens = 32;

namespace {

/// 16 rows of one task, all its tokens.
struct Tile {
  KernelBuilder &b;
  const Product &p;
  Value codes;               // scratch: 16 rows x 256 columns, a byte a code, 64 bytes for 4 columns
  Value sums;                // scratch: [token][16] int32
  SmallVector<Value> stages; // scratch: a padded piece of each token's row

  void unpack(Value weights, Value count);
  void addTokens(int64_t tokens, Value xRow, Value slot, Value tile, Value count);
};

} // namespace

/// `count` tiles from `weights` on, one from each step.
void Tile::unpack(Value weights, Value count) {
  b.loop(b.index(0), count, 1, {weights, b.index(0)}, [&](Value, ValueRange now) {
    Value bytes = b.bitcast(b.load(p.weight, now[0], b.i8s(64)), b.i16s(32));
    for (int64_t plane = 0; plane < 4; ++plane) {
      Value plain = b.bitAnd(b.shr(bytes, 2 * plane), 0x0303);
      b.store(b.bitcast(plain, b.i8s(64)), codes, b.add(now[1], 64 * plane));
    }
    return Values{b.add(now[0], p.stepBytes), b.add(now[1], 256)};
  });
}

/// Adds this block of columns to the sums of `tokens` tokens: 2 x tokens int16 accumulators stay in registers.
void Tile::addTokens(int64_t tokens, Value xRow, Value slot, Value tile, Value count) {
  Values bytes, at;
  for (int64_t t = 0; t < tokens; ++t, xRow = b.add(xRow, p.xStride)) {
    auto [x, start] = stageColumns(b, p, xRow, tile, kTilesPerBlock, stages[t]);
    bytes.push_back(x);
    at.push_back(start);
  }
  Values totals(2 * tokens, b.constant(b.i16s(16), 0));
  totals.push_back(b.index(0));
  totals = b.loop(b.index(0), b.shl(count, 4), 4, totals, [&](Value column, ValueRange now) {
    Value low = b.load(codes, now.back(), b.i8s(32)), high = b.load(codes, b.add(now.back(), 32), b.i8s(32));
    Values next;
    for (int64_t t = 0; t < tokens; ++t) {
      Value four = b.broadcastDword(bytes[t], b.add(at[t], column), 32);
      next.push_back(b.add(now[2 * t], x86::maddBytes(b, low, four)));
      next.push_back(b.add(now[2 * t + 1], x86::maddBytes(b, high, four)));
    }
    next.push_back(b.add(now.back(), 64));
    return next;
  });
  for (int64_t i = 0; i < 2 * tokens; ++i) {
    Value at = b.add(slot, 8 * i);
    b.store(b.add(b.load(sums, at, b.i32s(8)), x86::addPairs(b, totals[i])), sums, at);
  }
}

void x86::emitMaddTile(KernelBuilder &b, const Product &p, Value from, Value to) {
  Value biases = emitBiases(b, p, from, to, kMostTokens), zero = b.index(0), tokens = b.sub(to, from);
  Value whole = b.mul(b.div(tokens, b.index(kTokens)), kTokens), rest = b.sub(tokens, whole);
  // A task is one row tile.
  const int64_t tilesLog = llvm::Log2_64(p.interleave);
  b.forall(b.shl(p.rowBlocks, tilesLog), getGrain(p, 16 << 10) * p.interleave, [&](Value index) {
    Tile tile{b,
              p,
              b.scratch(kRows * kTilesPerBlock * Product::kTile, b.getI8Type()),
              b.scratch(kMostTokens * kRows, b.getI32Type()),
              {}};
    for (int64_t t = 0; t < kTokens; ++t)
      tile.stages.push_back(b.scratch(kTilesPerBlock * Product::kTile, p.activation));
    Value block = b.shr(index, tilesLog), within = b.bitAnd(index, p.interleave - 1), firstRow = b.shl(index, 4);
    Value start = b.add(b.mul(block, p.blockBytes), b.shl(within, 6));
    b.loop(zero, tokens, 1, {zero}, [&](Value t, ValueRange now) {
      b.store(b.broadcast(b.load(biases, t), b.i32s(16)), tile.sums, now[0]);
      return Values{b.add(now[0], kRows)};
    });
    Value xStart = b.mul(from, p.xStride), xStep = b.mul(p.xStride, kTokens);
    b.loop(zero, p.colTiles, kTilesPerBlock, {start}, [&](Value first, ValueRange weights) {
      Value count = b.min(b.sub(p.colTiles, first), b.index(kTilesPerBlock));
      tile.unpack(weights[0], count);
      Values now = b.loop(zero, whole, kTokens, {xStart, zero}, [&](Value, ValueRange now) {
        tile.addTokens(kTokens, now[0], now[1], first, count);
        return Values{b.add(now[0], xStep), b.add(now[1], kTokens * kRows)};
      });
      for (int64_t few = 1; few < kTokens; ++few)
        b.branch(b.equals(rest, few), [&] { tile.addTokens(few, now[0], now[1], first, count); });
      return Values{b.add(weights[0], p.stepBytes * kTilesPerBlock)};
    });
    b.loop(zero, tokens, 1, {b.mul(from, p.accStride), zero}, [&](Value, ValueRange now) {
      storeRows(b, p, b.load(tile.sums, now[1], b.i32s(16)), now[0], firstRow);
      return Values{b.add(now[0], p.accStride), b.add(now[1], kRows)};
    });
  });
}
