//===- SmlalDecode.cpp - One token by widening products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// 16 rows a step, four registers of 4 rows x 4 bytes, each with two registers of
// eight int16 sums for planes 0 and 2 and two for planes 1 and 3, which stay four
// times too large: two masks and one shift give four planes. A lane of the latter
// grows by [-2048, 2032] a tile: after 16 tiles, just within int16, it joins the
// former, which then hold at most [-16384, 16256], and all are widened.
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

static constexpr int64_t kTilesPerBlock = 16, kUnroll = 2, kVectors = 4, kAhead = 1024;

/// Four registers of sums after 16 more columns of 4 rows: the low and high halves of planes 0 and 2, and of 1 and 3.
static void addVector(KernelBuilder &b, Value *sums, Value codes, ArrayRef<Value> columns) {
  Value high = b.shr(codes, 4);
  for (int64_t plane = 0; plane < 4; ++plane) {
    Value masked = b.bitAnd(plane < 2 ? codes : high, plane % 2 ? 12 : 3);
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<int64_t> lanes;
      for (int64_t i = 0; i < 8; ++i)
        lanes.push_back(8 * half + i);
      Value product = smull(b, b.shuffle(masked, masked, lanes), b.shuffle(columns[plane], columns[plane], lanes));
      Value &sum = sums[plane % 2 * 2 + half];
      sum = b.add(sum, product);
    }
  }
}

void aarch64::emitSmlalDecode(KernelBuilder &b, const Product &p, Value from, Value to) {
  Value zero = b.index(0), none = b.constant(b.i16s(8), 0);
  b.loop(from, to, 1, [&](Value token) {
    Tokens tokens = prepareTokens(b, p, token, b.add(token, 1), 1, kUnroll);
    b.forall(p.rowBlocks, getGrain(p, 32 << 10), [&](Value block) {
      Value blockStart = b.mul(block, p.blockBytes), firstRow = b.shl(block, p.blockRowsLog);
      for (int64_t strip = 0; strip < p.stepBytes; strip += Product::kTileBytes) {
        // The int32 sums of rows 0, 1 and of rows 2, 3 of each vector, two a row.
        Values wide(2 * kVectors, b.constant(b.i32s(4), 0));
        wide.push_back(b.add(blockStart, strip));
        auto addTiles = [&](Value first, Value end, ValueRange before, bool tail) {
          Value x = tail ? tokens.tails : p.x, row = tail ? zero : tokens.rows[0];
          auto loadColumns = [&](Value tile) {
            Value at = b.add(row, b.shl(tail ? b.sub(tile, first) : tile, 4));
            Value all = b.bitcast(b.load(x, at, b.i8s(16)), b.i32s(4));
            Values planes;
            for (int64_t i = 0; i < 4; ++i)
              planes.push_back(b.bitcast(b.shuffle(all, all, {i, i, i, i}), b.i8s(16)));
            return planes;
          };
          Values start(4 * kVectors, none);
          // The columns of a tile are loaded by the iteration before. Where LLVM sees that their halves are equal it
          // keeps one of them, and no smlal2 fits.
          start.append(loadColumns(first));
          start.push_back(before.back());
          Value last = b.sub(end, b.index(1));
          const int64_t unroll = tail ? 1 : kUnroll;
          Values sums = b.loop(first, end, unroll, start, [&](Value tile, ValueRange now) {
            Values next(now.take_front(4 * kVectors));
            Values columns(now.slice(4 * kVectors, 4));
            Value at = now.back();
            for (int64_t u = 0; u < unroll; ++u, at = b.add(at, p.stepBytes)) {
              for (int64_t line = 0; strip == 0 && p.interleave > 1 && !tail && line < p.stepBytes; line += 64)
                b.prefetch(p.weight, b.add(at, kAhead + line));
              for (int64_t v = 0; v < kVectors; ++v)
                addVector(b, &next[4 * v], b.load(p.weight, b.add(at, 16 * v), b.i8s(16)), columns);
              Value following = b.add(tile, u + 1);
              columns = loadColumns(u + 1 < unroll ? following : b.min(following, last));
            }
            next.append(columns);
            next.push_back(at);
            return next;
          });
          Values next;
          for (int64_t i = 0; i < 2 * kVectors; ++i) {
            int64_t at = i / 2 * 4 + i % 2;
            next.push_back(b.add(before[i], saddlp(b, b.add(sums[at], b.sra(sums[at + 2], 2)))));
          }
          next.push_back(sums.back());
          return next;
        };
        wide = b.loop(zero, tokens.wholeTiles, kTilesPerBlock, wide, [&](Value first, ValueRange before) {
          return addTiles(first, b.min(b.add(first, kTilesPerBlock), tokens.wholeTiles), before, false);
        });
        Value more = b.cmp(arith::CmpIPredicate::slt, tokens.wholeTiles, p.colTiles);
        wide =
            b.choose(more, [&] { return addTiles(tokens.wholeTiles, p.colTiles, wide, true); }, [&] { return wide; });
        Values rows;
        for (int64_t v = 0; v < kVectors; ++v)
          rows.push_back(b.add(b.shuffle(wide[2 * v], wide[2 * v + 1], {0, 2, 4, 6}),
                               b.shuffle(wide[2 * v], wide[2 * v + 1], {1, 3, 5, 7})));
        Value bias = b.broadcast(b.load(tokens.biases, zero), b.i32s(16));
        storeRows(b, p, b.add(concat(b, rows), bias), tokens.accRows[0], b.add(firstRow, strip / 4));
      }
    });
  });
}
