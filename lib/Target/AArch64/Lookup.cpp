//===- Lookup.cpp - A few tokens by table look-ups -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Additions alone. ld4 brings byte c of 16 rows into one register; half a byte is
// the code of two columns, 8h + c and 8h + 4 + c, and tbl finds the signed sum of
// their activations for all 16 rows. A sum, 256 added, is split into five low bits
// and the rest, so that the eight look-ups of a tile add up within a byte each: 8 x
// 31 and 8 x 16. They are then widened. The tables of 15 tiles (240 columns: all
// sums stay within int16) are built once for the rows of a task.
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

static constexpr int64_t kTilesPerBlock = 15, kTableBytes = 256, kMostRowTiles = 64, kLeastRowTiles = 8;

namespace {

struct Lookup {
  KernelBuilder &b;
  const Product &p;
  int64_t tokens;
  Value tables; // scratch: [tile][token][c][h][low, rest][16]
  Value sums;   // scratch: [row tile][token][16] int32
  Value part;   // scratch: a tile that K ends in

  void build(Value x, Value slot);
  void addRows(Value start, Value rowTiles, Value count);
};

} // namespace

/// The tables of one tile's activations.
void Lookup::build(Value x, Value slot) {
  VectorType words = b.i16s(8);
  Value wide = arith::ExtSIOp::create(b, b.i16s(16), x), zero = b.constant(words, 0), offset = b.constant(words, 256);
  // Lane 4h + c of both: the columns of the lower and of the upper code.
  Value low = b.shuffle(wide, wide, {0, 1, 2, 3, 8, 9, 10, 11});
  Value high = b.shuffle(wide, wide, {4, 5, 6, 7, 12, 13, 14, 15});
  Values entries(16, zero);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      auto times = [&](Value sum, Value a, int64_t trit) {
        return trit > 0 ? b.add(sum, a) : trit ? b.sub(sum, a) : sum;
      };
      Value sum = times(times(offset, low, i - 1), high, j - 1);
      entries[i + 4 * j] = arith::OrIOp::create(b, b.bitAnd(sum, 31), b.bitAnd(b.shl(sum, 3), 0x3f00));
    }
  Values columns = transpose(b, entries);
  SmallVector<int64_t> even, odd;
  for (int64_t i = 0; i < 32; i += 2) {
    even.push_back(i);
    odd.push_back(i + 1);
  }
  for (int64_t lane = 0; lane < 8; ++lane) {
    int64_t c = lane % 4, h = lane / 4;
    Value first = b.bitcast(columns[2 * lane], b.i8s(16)), second = b.bitcast(columns[2 * lane + 1], b.i8s(16));
    for (int64_t rest = 0; rest < 2; ++rest)
      b.store(b.shuffle(first, second, rest ? odd : even), tables, b.add(slot, 64 * c + 32 * h + 16 * rest));
  }
}

/// Adds a block of columns to the sums of all rows of the task; the first row tile's lie at `start`.
void Lookup::addRows(Value start, Value rowTiles, Value count) {
  VectorType bytes = b.i8s(16), words = b.i16s(8);
  auto half = [&](Value v, int64_t which) {
    SmallVector<int64_t> lanes;
    for (int64_t i = 0, n = cast<VectorType>(v.getType()).getDimSize(0) / 2; i < n; ++i)
      lanes.push_back(n * which + i);
    return b.shuffle(v, v, lanes);
  };
  // What the look-ups were too large by.
  Value excess = b.broadcast(
      arith::TruncIOp::create(b, b.getI16Type(), arith::IndexCastOp::create(b, b.getI32Type(), b.shl(count, 11))),
      words);
  // A task begins with a block: the last of its row tiles is followed by the next block's first.
  int64_t last = p.interleave - 1;
  Value toBlock = b.sub(p.blockBytes, b.index(Product::kTileBytes * last)), toTile = b.index(Product::kTileBytes);
  b.loop(b.index(0), rowTiles, 1, {b.index(0), start}, [&](Value r, ValueRange slot) {
    Values totals(4 * tokens, b.constant(words, 0)); // of each token: low bits of rows 0-7, 8-15, then the rest
    totals.append({slot[1], b.index(0)});
    totals = b.loop(b.index(0), count, 1, totals, [&](Value, ValueRange now) {
      Value at = now[4 * tokens], table = now.back();
      Value tile = b.load(p.weight, at, b.i8s(64));
      b.prefetch(p.weight, b.add(at, p.blockBytes)); // the rows after these lie far from them
      Values found(2 * tokens);
      for (int64_t c = 0; c < 4; ++c) {
        SmallVector<int64_t> lanes;
        for (int64_t row = 0; row < 16; ++row)
          lanes.push_back(4 * row + c);
        Value codes = b.shuffle(tile, tile, lanes);
        for (int64_t h = 0; h < 2; ++h) {
          Value index = h ? b.shr(codes, 4) : b.bitAnd(codes, 15);
          for (int64_t i = 0; i < 2 * tokens; ++i) {
            int64_t entry = i / 2 * kTableBytes + 64 * c + 32 * h + 16 * (i % 2);
            Value value = tbl(b, b.load(tables, b.add(table, entry), bytes), index);
            found[i] = found[i] ? b.add(found[i], value) : value;
          }
        }
      }
      Values next;
      for (int64_t i = 0; i < 4 * tokens; ++i)
        next.push_back(b.add(now[i], arith::ExtUIOp::create(b, words, half(found[i / 2], i % 2))));
      next.append({b.add(at, p.stepBytes), b.add(table, kTableBytes * tokens)});
      return next;
    });
    for (int64_t t = 0; t < tokens; ++t) {
      Value lanes[2];
      for (int64_t i = 0; i < 2; ++i) {
        Value sum = b.add(totals[4 * t + i], b.shl(totals[4 * t + 2 + i], 5));
        lanes[i] = b.sub(sum, excess);
      }
      Value at = b.add(slot[0], 16 * t), wide = arith::ExtSIOp::create(b, b.i32s(16), concat(b, {lanes[0], lanes[1]}));
      b.store(b.add(b.load(sums, at, b.i32s(16)), wide), sums, at);
    }
    Value step = last ? b.select(b.equals(b.bitAnd(r, last), last), toBlock, toTile) : toBlock;
    return Values{b.add(slot[0], 16 * tokens), b.add(slot[1], step)};
  });
}

/// One or two tokens of a task.
static void emitTokens(KernelBuilder &b, Lookup lookup, Value xRow, Value accRow, Value firstRow, Value start,
                       Value rowTiles) {
  const Product &p = lookup.p;
  const int64_t count = lookup.tokens;
  VectorType lanes = b.i32s(16);
  Value zero = b.index(0), sums = b.shl(rowTiles, 3 + count);
  b.loop(zero, sums, 16, [&](Value i) { b.store(b.constant(lanes, 0), lookup.sums, i); });
  b.loop(zero, p.colTiles, kTilesPerBlock, {start}, [&](Value first, ValueRange weights) {
    Value tiles = b.min(b.sub(p.colTiles, first), b.index(kTilesPerBlock));
    b.loop(first, b.add(first, tiles), 1, {zero}, [&](Value tile, ValueRange slot) {
      for (int64_t t = 0; t < count; ++t) {
        Value row = t ? b.add(xRow, p.xStride) : xRow;
        lookup.build(loadColumns(b, p, row, tile, lookup.part), b.add(slot[0], t * kTableBytes));
      }
      return Values{b.add(slot[0], count * kTableBytes)};
    });
    lookup.addRows(weights[0], rowTiles, tiles);
    return Values{b.add(weights[0], kTilesPerBlock * p.stepBytes)};
  });
  b.loop(zero, rowTiles, 1, {zero, firstRow}, [&](Value, ValueRange now) {
    for (int64_t t = 0; t < count; ++t)
      storeRows(b, p, b.load(lookup.sums, b.add(now[0], 16 * t), lanes), t ? b.add(accRow, p.accStride) : accRow,
                now[1]);
    return Values{b.add(now[0], 16 * count), b.add(now[1], 16)};
  });
}

void aarch64::emitLookup(KernelBuilder &b, const Product &p, Value from, Value to) {
  unsigned log = llvm::Log2_64(p.interleave);
  Value even = b.sub(to, b.bitAnd(b.sub(to, from), 1));
  // Tables are built for each task: few tasks, but enough for some threads.
  Value most = b.index(kMostRowTiles >> log), least = b.index(kLeastRowTiles >> log);
  Value size = b.max(b.min(b.shr(p.rowBlocks, 2), most), least);
  Value tasks = b.div(b.sub(b.add(p.rowBlocks, size), b.index(1)), size);
  b.forall(tasks, 1, [&](Value task) {
    Value firstBlock = b.mul(task, size), firstRow = b.shl(firstBlock, p.blockRowsLog);
    Value rowTiles = b.shl(b.min(b.sub(p.rowBlocks, firstBlock), size), log);
    Value start = b.mul(firstBlock, p.blockBytes);
    Lookup two{b,
               p,
               2,
               b.scratch(kTilesPerBlock * 2 * kTableBytes, b.getI8Type()),
               b.scratch(kMostRowTiles * 2 * 16, b.getI32Type()),
               b.scratch(Product::kTile, p.activation)};
    Lookup one = two;
    one.tokens = 1;
    Value twice = b.shl(p.xStride, 1), accTwice = b.shl(p.accStride, 1);
    Values rows{b.mul(from, p.xStride), b.mul(from, p.accStride)};
    rows = b.loop(from, even, 2, rows, [&](Value, ValueRange now) {
      emitTokens(b, two, now[0], now[1], firstRow, start, rowTiles);
      return Values{b.add(now[0], twice), b.add(now[1], accTwice)};
    });
    b.branch(b.cmp(arith::CmpIPredicate::slt, even, to),
             [&] { emitTokens(b, one, rows[0], rows[1], firstRow, start, rowTiles); });
  });
}
