//===- TableAdd.cpp - Many tokens: add table entries -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tokens stand in the lanes. A packed byte holds the codes of four columns of one
// row, so the byte itself is the index of the signed sum of four activations: a
// table of its 81 possible values (of 0..170) is built for each of the four bytes
// of a row and tile, and each row then adds four entries for 16 weights. Tables
// stay in L1, the int16 sums of a task's rows in L2. An entry is at most 512 in
// magnitude: sums are widened after 15 tiles (60 entries; 63 would be safe).
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Kernels.h"

using namespace mlir;
using namespace setun;

namespace {

constexpr int64_t kColumns = Product::kTile, kTilesPerWidening = 15;
constexpr int64_t kTableStride = 173; // entries from table to table: spreads their lines best over the sets of L1

/// What one task works on: a block of tokens and a chunk of rows.
struct Task {
  KernelBuilder &b;
  const Product &p;
  int64_t lanes, natural;
  Value tables = {}, sums = {}, wide = {}, stage = {}, columns = {}; // scratch
  Value token = {}, tokens = {}, xStart = {}; // first token, the end of all, and where the first one's row begins
  Value row = {}, rows = {};                  // first row and how many row blocks

  void stageTokens(Value tile);
  void transposeTokens();
  void buildTables();
  void addRows(Value tile, Value chunkStart);
  void widen();
  void writeOut();
};

} // namespace

/// Copies one tile's 16 columns of every token; tokens past the last repeat it, columns past K are zero.
void Task::stageTokens(Value tile) {
  Value from = b.shl(tile, 4), left = b.sub(p.k, from);
  auto k = getConstant(p.k);
  Value whole = k && *k % kColumns == 0 ? b.constant(b.getI1Type(), 1)
                                        : b.cmp(arith::CmpIPredicate::sge, left, b.index(kColumns));
  Values start{b.add(xStart, from), b.add(token, 1), b.index(0)};
  b.loop(b.index(0), b.index(lanes), 1, start, [&](Value, ValueRange now) {
    Value at = now[0], slot = now[2];
    b.branch(
        whole, [&] { b.store(b.load(p.x, at, b.i8s(kColumns)), stage, slot); },
        [&] {
          b.store(b.constant(b.i8s(kColumns), 0), stage, slot);
          b.loop(b.index(0), left, 1, [&](Value i) { b.store(b.load(p.x, b.add(at, i)), stage, b.add(slot, i)); });
        });
    Value more = b.cmp(arith::CmpIPredicate::slt, now[1], tokens);
    return Values{b.select(more, b.add(at, p.xStride), at), b.add(now[1], 1), b.add(slot, kColumns)};
  });
}

/// [tokens][16] int8 to [16][tokens] int16.
void Task::transposeTokens() {
  int64_t group = std::min<int64_t>(lanes, 16);
  for (int64_t first = 0; first < lanes; first += group) {
    Values rows;
    for (int64_t t = 0; t < group; ++t)
      rows.push_back(b.load(stage, b.index((first + t) * kColumns), b.i8s(kColumns)));
    rows = transpose(b, rows);
    for (int64_t i = 0; i < group; ++i) {
      Value widened = arith::ExtSIOp::create(b, b.i16s(16), rows[i]);
      // A vector holds 16 / group columns of `group` tokens, which are neighbours where group = lanes.
      b.store(widened, columns, b.index(i * (16 / group) * lanes + first));
    }
  }
}

/// The tables of the columns c, c + 4, c + 8, c + 12 for c = 0..3.
void Task::buildTables() {
  VectorType type = b.i16s(natural);
  b.loop(b.index(0), b.index(4), 1, {b.index(0), b.index(0)}, [&](Value, ValueRange now) {
    b.loop(b.index(0), b.index(lanes), natural, [&](Value lane) {
      Value at = b.add(now[0], lane), table = b.add(now[1], lane), zero = b.constant(type, 0);
      Value a[4];
      for (int64_t plane = 0; plane < 4; ++plane)
        a[plane] = b.load(columns, b.add(at, 4 * plane * lanes), type);
      auto pair = [&](Value x, Value y) { // sums of trits (i - 1) x + (j - 1) y at 3 j + i
        Value minusX = b.sub(zero, x), minusY = b.sub(zero, y), plus = b.add(x, y), minus = b.sub(x, y);
        return Values{b.sub(zero, plus), minusY, minus, minusX, zero, x, b.sub(zero, minus), y, plus};
      };
      Values low = pair(a[0], a[1]), high = pair(a[2], a[3]);
      for (int64_t h = 0; h < 9; ++h)
        for (int64_t l = 0; l < 9; ++l) {
          int64_t entry = l % 3 + 4 * (l / 3) + 16 * (h % 3) + 64 * (h / 3);
          b.store(b.add(high[h], low[l]), tables, b.add(table, entry * lanes));
        }
    });
    return Values{b.add(now[0], lanes), b.add(now[1], kTableStride * lanes)};
  });
}

/// Adds the four entries of each row of the chunk for this tile of columns.
void Task::addRows(Value tile, Value chunkStart) {
  const int64_t unroll = 4, lanesLog = llvm::Log2_64(lanes);
  VectorType type = b.i16s(lanes);
  Values start{b.add(chunkStart, b.shl(tile, p.stepBytesLog)), b.index(0)};
  b.loop(b.index(0), rows, 1, start, [&](Value, ValueRange blockNow) {
    // The next rows lie a whole row block further: no hardware stream finds them.
    Value next = b.add(blockNow[0], p.blockBytes);
    for (int64_t line = 0; line < p.stepBytes; line += 64)
      b.prefetch(p.weight, b.add(next, line));
    Values inner{blockNow[0], blockNow[1]};
    inner = b.loop(b.index(0), b.index(p.blockRows), unroll, inner, [&](Value, ValueRange now) {
      for (int64_t r = 0; r < unroll; ++r) {
        Value slot = b.add(now[1], r * lanes);
        Value word = b.bitcast(b.load(p.weight, b.add(now[0], 4 * r), b.i8s(4)), b.i32s(1));
        Value codes = vector::ExtractOp::create(b, word, 0);
        Value sum = b.load(sums, slot, type);
        for (int64_t c = 0; c < 4; ++c) {
          // One load of the row's four bytes, then a shift and a mask each: vectorizers leave that form alone.
          Value shifted = 8 * c < lanesLog ? b.shl(codes, lanesLog - 8 * c) : b.shr(codes, 8 * c - lanesLog);
          Value offset = arith::IndexCastUIOp::create(b, b.getIndexType(), b.bitAnd(shifted, 255 << lanesLog));
          sum = b.add(sum, b.load(tables, b.add(offset, c * kTableStride * lanes), type));
        }
        b.store(sum, sums, slot);
      }
      return Values{b.add(now[0], 4 * unroll), b.add(now[1], unroll * lanes)};
    });
    return Values{next, inner[1]};
  });
}

/// Moves the int16 sums into the int32 ones.
void Task::widen() {
  b.loop(b.index(0), b.shl(rows, p.blockRowsLog + llvm::Log2_64(lanes)), natural, [&](Value i) {
    Value sum = arith::ExtSIOp::create(b, b.i32s(natural), b.load(sums, i, b.i16s(natural)));
    b.store(b.add(b.load(wide, i, b.i32s(natural)), sum), wide, i);
    b.store(b.constant(b.i16s(natural), 0), sums, i);
  });
}

/// [row][token] to acc's [token][row], four by four; what is not whole goes element by element.
void Task::writeOut() {
  Value validRows = b.min(b.shl(rows, p.blockRowsLog), b.sub(p.n, row));
  Value validTokens = b.min(b.index(lanes), b.sub(tokens, token));
  Value accStart = b.add(b.mul(token, p.accStride), row), stride4 = b.shl(p.accStride, 2);
  auto four = b.i32s(4);
  b.loop(b.index(0), validTokens, 4, {accStart}, [&](Value t, ValueRange now) {
    Value lastToken = b.add(t, 4), wholeTokens = b.cmp(arith::CmpIPredicate::sle, lastToken, validTokens);
    b.loop(b.index(0), validRows, 4, {t}, [&](Value r, ValueRange slotNow) {
      Value slot = slotNow[0], at = b.add(now[0], r);
      Value wholeRows = b.cmp(arith::CmpIPredicate::sle, b.add(r, 4), validRows);
      b.branch(
          arith::AndIOp::create(b, wholeTokens, wholeRows),
          [&] {
            Values block;
            for (int64_t i = 0; i < 4; ++i)
              block.push_back(b.load(wide, b.add(slot, i * lanes), four));
            block = transpose(b, block);
            Value target = at;
            for (int64_t i = 0; i < 4; ++i, target = b.add(target, p.accStride))
              b.store(block[i], p.acc, target);
          },
          [&] {
            Value rowEnd = b.min(b.sub(validRows, r), b.index(4)), tokenEnd = b.min(b.sub(validTokens, t), b.index(4));
            b.loop(b.index(0), tokenEnd, 1, {at}, [&](Value i, ValueRange target) {
              b.loop(b.index(0), rowEnd, 1, {b.add(slot, i)}, [&](Value j, ValueRange source) {
                b.store(b.load(wide, source[0]), p.acc, b.add(target[0], j));
                return Values{b.add(source[0], lanes)};
              });
              return Values{b.add(target[0], p.accStride)};
            });
          });
      return Values{b.add(slot, 4 * lanes)};
    });
    return Values{b.add(now[0], stride4)};
  });
}

void setun::emitTableAdd(KernelBuilder &b, const Product &p, Value from, Value to, int64_t lanes, unsigned vectorBits) {
  const int64_t natural = std::min<int64_t>(lanes, vectorBits / 16);
  // Rows x tokens of one task: long chunks of rows share one table. Their sums stay in L2, which is larger where
  // vectors are. With one block of tokens chunks are halved, to leave work for other threads.
  const int64_t mostSums = vectorBits > 128 ? 65536 : 32768, mostBlocks = mostSums / lanes / p.blockRows;
  Value tokenBlocks = b.ceilDiv(b.sub(to, from), lanes);
  Value few = b.cmp(arith::CmpIPredicate::slt, tokenBlocks, b.index(2));
  Value limit = b.select(few, b.index(mostBlocks / 2), b.index(mostBlocks));
  Value chunks = b.max(b.div(b.sub(b.add(p.rowBlocks, limit), b.index(1)), limit), b.index(1));
  Value chunkBlocks = b.div(b.sub(b.add(p.rowBlocks, chunks), b.index(1)), chunks);

  b.forall(b.mul(tokenBlocks, chunks), 1, [&](Value index) {
    Type i16 = b.getI16Type();
    Value tokenBlock = b.div(index, chunks), chunk = b.sub(index, b.mul(tokenBlock, chunks));
    Value firstBlock = b.mul(chunk, chunkBlocks);
    Value token = b.add(from, b.shl(tokenBlock, llvm::Log2_64(lanes)));
    Value rows = b.max(b.min(chunkBlocks, b.sub(p.rowBlocks, firstBlock)), b.index(0));
    int64_t sums = std::min(mostBlocks, getConstant(p.rowBlocks).value_or(mostBlocks)) * p.blockRows * lanes;
    Task task{b, p, lanes, natural};
    task.tables = b.scratch(4 * kTableStride * lanes, i16);
    task.sums = b.scratch(sums, i16);
    task.wide = b.scratch(sums, b.getI32Type());
    task.stage = b.scratch(lanes * kColumns, p.activation);
    task.columns = b.scratch(kColumns * lanes, i16);
    task.token = token;
    task.tokens = to;
    task.xStart = b.mul(token, p.xStride);
    task.row = b.shl(firstBlock, p.blockRowsLog);
    task.rows = rows;
    Value chunkStart = b.mul(firstBlock, p.blockBytes);
    b.loop(b.index(0), b.shl(task.rows, p.blockRowsLog + llvm::Log2_64(lanes)), natural, [&](Value i) {
      b.store(b.constant(b.i16s(natural), 0), task.sums, i);
      b.store(b.constant(b.i32s(natural), 0), task.wide, i);
    });
    b.loop(b.index(0), p.colTiles, kTilesPerWidening, [&](Value first) {
      Value end = b.min(b.add(first, kTilesPerWidening), p.colTiles);
      b.loop(first, end, 1, [&](Value tile) {
        task.stageTokens(tile);
        task.transposeTokens();
        task.buildTables();
        task.addRows(tile, chunkStart);
      });
      task.widen();
    });
    task.writeOut();
  });
}
