//===- DotTile.cpp - Many tokens by dot products, in register tiles -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task is 64 rows x 64 tokens. For each 256 columns its rows are unpacked to
// trits (16 KB), and the activations of eight tokens at a time are laid out (2 KB),
// both in the order in which the inner loop reads them: 8 rows x 8 tokens are 16
// registers of sums, and one tile of columns is 128 bytes of each operand. sdot
// takes the activations by element; for smmla both are 2 x 8 bytes: columns 0 to
// 3 and 8 to 11 of a tile, then the others, of two rows and of two tokens.
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

static constexpr int64_t kTilesPerBlock = 16, kRowTiles = 4, kStrips = 2 * kRowTiles, kTokens = 64, kGroup = 8,
                         kGroups = kTokens / kGroup, kTileSums = 64, kTileBytes = 128;

namespace {

struct Task {
  KernelBuilder &b;
  const Product &p;
  bool pairs;
  Value codes = {};                                  // scratch: [strip of 8 rows][tile][128]: trits
  Value columns = {};                                // scratch: [tile][128]: activations of a group of tokens
  Value sums = {};                                   // scratch: [strip][group][64] int32
  Value part = {};                                   // scratch: a tile that K ends in
  Value firstRowTile = {}, rowTiles = {};            // of this task
  Value token = {}, lastToken = {}, tokenCount = {}; // first, last of all, how many here

  void unpack(Value firstTile, Value count);
  void stage(Value firstToken, Value firstTile, Value tiles, int64_t count);
  void addGroup(Value group, Value count, int64_t tokens);
  void writeOut();
};

} // namespace

/// Trits of `count` tiles of columns, all rows of the task.
void Task::unpack(Value firstTile, Value count) {
  unsigned log = llvm::Log2_64(p.interleave);
  b.loop(b.index(0), rowTiles, 1, [&](Value r) {
    Value rowTile = b.add(firstRowTile, r);
    Value start = b.add(b.mul(b.shr(rowTile, log), p.blockBytes), b.shl(b.bitAnd(rowTile, p.interleave - 1), 6));
    start = b.add(start, b.shl(firstTile, p.stepBytesLog));
    Value slot = b.shl(r, 1 + llvm::Log2_64(kTilesPerBlock * kTileBytes));
    b.loop(b.index(0), count, 1, {start, slot}, [&](Value, ValueRange now) {
      for (int64_t v = 0; v < 4; ++v) {
        Value bytes = b.load(p.weight, b.add(now[0], 16 * v), b.i8s(16));
        int64_t strip = v / 2 * kTilesPerBlock * kTileBytes;
        auto put = [&](Value plane, int64_t at) { b.store(b.add(plane, -1), codes, b.add(now[1], strip + at)); };
        auto shifted = [&](Value v, int64_t bits) { return b.bitAnd(bits ? b.shr(v, bits) : v, 3); };
        if (!pairs) {
          for (int64_t plane = 0; plane < 4; ++plane)
            put(plane == 3 ? b.shr(bytes, 6) : shifted(bytes, 2 * plane), 32 * plane + 16 * (v % 2));
          continue;
        }
        Value low = b.bitcast(bytes, b.i32s(4)), high = b.bitcast(b.shr(bytes, 4), b.i32s(4));
        for (int64_t half = 0; half < 2; ++half) {
          Value rows = b.bitcast(b.shuffle(low, high, {2 * half, 2 * half + 4, 2 * half + 1, 2 * half + 5}), b.i8s(16));
          for (int64_t odd = 0; odd < 2; ++odd)
            put(shifted(rows, 2 * odd), 64 * odd + 16 * (v % 2 * 2 + half));
        }
      }
      return Values{b.add(now[0], p.stepBytes), b.add(now[1], kTileBytes)};
    });
  });
}

/// The columns of `count` tokens from `firstToken` on, 4 or 8; those past the last repeat it.
void Task::stage(Value firstToken, Value firstTile, Value tiles, int64_t count) {
  const int64_t together = 4;
  b.loop(b.index(0), b.index(count), together, {firstToken, b.index(0)}, [&](Value, ValueRange tokens) {
    Values rows;
    for (int64_t i = 0; i < together; ++i)
      rows.push_back(b.mul(b.min(b.add(tokens[0], i), lastToken), p.xStride));
    b.loop(b.index(0), tiles, 1, {firstTile, tokens[1]}, [&](Value, ValueRange now) {
      Values all;
      for (Value row : rows)
        all.push_back(loadColumns(b, p, row, now[0], part));
      for (int64_t i = 0; pairs && i < together; i += 2) {
        Value low = b.bitcast(all[i], b.i32s(4)), high = b.bitcast(all[i + 1], b.i32s(4));
        all[i] = b.bitcast(b.shuffle(low, high, {0, 2, 4, 6}), b.i8s(16));
        all[i + 1] = b.bitcast(b.shuffle(low, high, {1, 3, 5, 7}), b.i8s(16));
      }
      for (int64_t i = 0; i < together; ++i)
        b.store(all[i], columns, b.add(now[1], 16 * i));
      return Values{b.add(now[0], 1), b.add(now[1], kTileBytes)};
    });
    return Values{b.add(tokens[0], together), b.add(tokens[1], 16 * together)};
  });
}

/// Adds `count` tiles of columns to the sums of all rows of the task and the first `tokens` tokens of a group.
void Task::addGroup(Value group, Value count, int64_t tokens) {
  const int64_t vectors = 2 * tokens;
  VectorType type = b.i32s(4);
  Values first{b.shl(group, llvm::Log2_64(kTileSums)), b.index(0)};
  b.loop(b.index(0), b.shl(rowTiles, 1), 1, first, [&](Value, ValueRange strip) {
    Values totals;
    for (int64_t i = 0; i < vectors; ++i)
      totals.push_back(b.load(sums, b.add(strip[0], 4 * i), type));
    totals.append({b.index(0), strip[1]});
    totals = b.loop(b.index(0), count, 1, totals, [&](Value, ValueRange now) {
      Values next(now.begin(), now.begin() + vectors);
      Value xAt = now[vectors], wAt = now[vectors + 1];
      auto x = [&](int64_t i) { return b.load(columns, b.add(xAt, 16 * i), b.i8s(16)); };
      auto w = [&](int64_t i) { return b.load(codes, b.add(wAt, 16 * i), b.i8s(16)); };
      if (pairs) {
        for (int64_t odd = 0; odd < 2; ++odd) {
          Values rows;
          for (int64_t i = 0; i < 4; ++i)
            rows.push_back(w(4 * odd + i));
          for (int64_t t = 0; t < tokens / 2; ++t) {
            Value two = x(2 * t + odd);
            for (int64_t i = 0; i < 4; ++i)
              next[4 * t + i] = smmla(b, next[4 * t + i], two, rows[i]);
          }
        }
      } else {
        Values xs;
        for (int64_t t = 0; t < tokens; ++t)
          xs.push_back(b.bitcast(x(t), type));
        for (int64_t plane = 0; plane < 4; ++plane) {
          Value low = w(2 * plane), high = w(2 * plane + 1);
          for (int64_t t = 0; t < tokens; ++t) {
            Value four = b.bitcast(b.shuffle(xs[t], xs[t], {plane, plane, plane, plane}), b.i8s(16));
            next[2 * t] = sdot(b, next[2 * t], low, four);
            next[2 * t + 1] = sdot(b, next[2 * t + 1], high, four);
          }
        }
      }
      next.append({b.add(xAt, kTileBytes), b.add(wAt, kTileBytes)});
      return next;
    });
    for (int64_t i = 0; i < vectors; ++i)
      b.store(totals[i], sums, b.add(strip[0], 4 * i));
    return Values{b.add(strip[0], kGroups * kTileSums), b.add(strip[1], kTilesPerBlock * kTileBytes)};
  });
}

void Task::writeOut() {
  Value accStart = b.mul(token, p.accStride), row = b.shl(firstRowTile, 4);
  b.loop(b.index(0), b.shl(rowTiles, 1), 1, {row, b.index(0)}, [&](Value, ValueRange strip) {
    auto put = [&](Value lanes, Value accRow) { storeRows(b, p, lanes, accRow, strip[0]); };
    Values start{accStart, strip[1]};
    b.loop(b.index(0), tokenCount, pairs ? 2 : 1, start, [&](Value t, ValueRange now) {
      Value accRow = now[0], second = b.add(accRow, p.accStride);
      if (pairs) {
        Value two = b.load(sums, now[1], b.i32s(16));
        put(b.shuffle(two, two, {0, 1, 4, 5, 8, 9, 12, 13}), accRow);
        Value more = b.cmp(arith::CmpIPredicate::slt, b.add(t, 1), tokenCount);
        b.branch(more, [&] { put(b.shuffle(two, two, {2, 3, 6, 7, 10, 11, 14, 15}), second); });
        return Values{b.add(second, p.accStride), b.add(now[1], 16)};
      }
      put(b.load(sums, now[1], b.i32s(8)), accRow);
      return Values{second, b.add(now[1], 8)};
    });
    return Values{b.add(strip[0], 8), b.add(strip[1], kGroups * kTileSums)};
  });
}

void aarch64::emitDotTile(KernelBuilder &b, const Product &p, Value from, Value to, bool pairs) {
  Value allRowTiles = b.shl(p.rowBlocks, llvm::Log2_64(p.interleave));
  Value tasks = b.ceilDiv(allRowTiles, kRowTiles), tokens = b.sub(to, from), tokenBlocks = b.ceilDiv(tokens, kTokens);
  b.forall(b.mul(tasks, tokenBlocks), 1, [&](Value index) {
    Type i8 = b.getI8Type();
    Value tokenBlock = b.div(index, tasks), rowTask = b.sub(index, b.mul(tokenBlock, tasks));
    Value zero = b.index(0), first = b.shl(tokenBlock, llvm::Log2_64(kTokens));
    Value firstRowTile = b.shl(rowTask, llvm::Log2_64(kRowTiles));
    Task task{b, p, pairs};
    task.codes = b.scratch(kStrips * kTilesPerBlock * kTileBytes, i8);
    task.columns = b.scratch(kTilesPerBlock * kTileBytes, i8);
    task.sums = b.scratch(kStrips * kGroups * kTileSums, b.getI32Type());
    task.part = b.scratch(Product::kTile, i8);
    task.firstRowTile = firstRowTile;
    task.rowTiles = b.min(b.sub(allRowTiles, firstRowTile), b.index(kRowTiles));
    task.token = b.add(from, first);
    task.lastToken = b.sub(to, b.index(1));
    task.tokenCount = b.min(b.sub(tokens, first), b.index(kTokens));
    b.loop(zero, b.index(kStrips * kGroups * kTileSums), 16,
           [&](Value i) { b.store(b.constant(b.i32s(16), 0), task.sums, i); });
    // Four tokens or less are half a group.
    Value groups = b.shr(b.add(task.tokenCount, 3), 3);
    auto all = getConstant(tokens);
    Value rest = all && (*all + 3) % kGroup <= 3 ? b.constant(b.getI1Type(), 0)
                                                 : b.cmp(arith::CmpIPredicate::sgt, task.tokenCount, b.shl(groups, 3));
    b.loop(zero, p.colTiles, kTilesPerBlock, [&](Value tile) {
      Value count = b.min(b.sub(p.colTiles, tile), b.index(kTilesPerBlock));
      task.unpack(tile, count);
      Value end = b.loop(zero, groups, 1, {task.token}, [&](Value group, ValueRange now) {
        task.stage(now[0], tile, count, kGroup);
        task.addGroup(group, count, kGroup);
        return Values{b.add(now[0], kGroup)};
      })[0];
      b.branch(rest, [&] {
        task.stage(end, tile, count, kGroup / 2);
        task.addGroup(groups, count, kGroup / 2);
      });
    });
    task.writeOut();
  });
}
