//===- PrefillKernel.cpp - A product on tensor cores, one tile a block ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// mma.sync.m16n8k32 with 16 weight rows as A and 8 tokens as B. The order of columns within a product of matrices is
// free, so both operands are taken as they lie: of a chunk of 64 columns, thread q = lane % 4 has columns 16q to 16q +
// 15, which are one line of weights and 16 bytes of a token. One 16-byte load gives a thread four weight rows' words of
// its line, from the device's memory straight to registers: 32 rows a warp, two matrices A. Plane i of a word holds
// columns 4i to 4i + 3, and belongs to step i / 2 of the chunk. Activations go through shared memory; 16 bytes are B of
// both steps, in the registers that the instruction wants them in.
//
// A code is trit + 1. Its two bits, the lower one turned over, at the top of a signed byte are -64 times the trit: a
// shift and a mask a register, no sum of activations to subtract, and a shift by six at the end.
//
//===----------------------------------------------------------------------===//

#include "PrefillBlock.h"

#include <numeric>

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// Tokens x rows of tiles with so many sums a thread that ptxas may spill to have two blocks of them, up to those that
/// nobody would have two of.
constexpr int64_t kLargeTile = 64 * 64, kLargestTile = 128 * 256;

void PrefillBlock::launch() {
  tokenBlocks = b.ceilDiv(p.m, tile.tokens());
  columnBlocks = b.ceilDiv(d.columns, columns);
  stages = b.ceilDiv(p.k, tile.stageColumns());
  b.launch({b.mul(tokenBlocks, columnBlocks)}, PrefillTile::kThreads, [&](const Threads &t) {
    b.forManyTokens();
    // The cost model's number. Of smaller tiles several stand side by side.
    if (int64_t size = tile.tokens() * tile.rows(); size >= kLargeTile && size < kLargestTile)
      b.holdBlocks(1);
    locate(t);
    Values sums = tile.wgmma ? multiplyInGroups() : multiplyAll();
    // As many token tiles at a time as shared memory holds; equal parts of all.
    int64_t fit = llvm::bit_floor<uint64_t>(memoryBytes() / tileBytes());
    int64_t tiles = std::gcd(tile.tokenTiles, fit);
    for (int64_t first = 0; first < tile.tokenTiles; first += tiles) {
      b.barrier();
      store(sums, first, tiles);
      b.barrier();
      finish(first, tiles);
    }
  });
}

void PrefillBlock::copyPiece(Value column, Value from, Value to) {
  if (aligned && wholeStages())
    return b.copyAsync(memory, to, p.x, from);
  Value zero = b.index(0), count = b.min(b.max(b.sub(p.k, column), zero), b.index(kPiece));
  if (aligned)
    return b.copyAsync(memory, to, p.x, b.select(b.equals(count, 0), zero, from), count);
  b.loop(zero, b.index(kPiece), 1, [&](Value i) {
    Value byte = b.choose(
        less(i, count), [&] { return Values{b.load(p.x, b.add(from, i))}; },
        [&] { return Values{b.constant(b.getI8Type(), 0)}; })[0];
    b.store(byte, memory, b.add(to, i));
  });
}

void PrefillBlock::copyStage(Value number, Value to) {
  b.branch(less(number, stages), [&] {
    Value start = b.mul(number, tile.stageColumns()), column = b.add(pieceColumn, start);
    int64_t perToken = 4 * tile.chunks, apart = PrefillTile::kThreads / perToken;
    int64_t distance = apart * (tile.wgmma ? tile.stageColumns() : PrefillTile::kChunk);
    for (auto [i, row] : llvm::enumerate(pieceRows)) {
      auto copy = [&, i = i, row = row] {
        copyPiece(column, b.add(row, start), b.add(b.add(to, pieceTo), i * distance));
      };
      int64_t left = tile.tokens() - static_cast<int64_t>(i) * apart; // tokens; the last ones may be of some threads
      if (left >= apart)
        copy();
      else
        b.branch(less(thread, b.index(left * perToken)), copy);
    }
  });
  b.commitCopies();
}

Value PrefillBlock::loadWords(int64_t group, Value line) {
  Value step = b.shl(line, p.stepBytesLog);
  auto words = [&](Value at, int64_t count) {
    return b.bitcast(b.loadAligned(p.weight, b.add(at, step), b.i8s(4 * count)), b.i32s(count));
  };
  if (wordRows[group].size() == 1)
    return words(wordRows[group][0], 4);
  Values parts;
  for (Value at : wordRows[group])
    parts.push_back(b.word(words(at, 1), 0));
  return vector::FromElementsOp::create(b, b.i32s(4), parts);
}

Values PrefillBlock::loadWeights(Value number, int64_t chunk, ValueRange before) {
  // The warp's first line of the chunk; a thread's own is as far on as its quarter.
  Value line = b.add(b.add(b.mul(number, 4 * tile.chunks), firstLine), 4 * chunk * tile.warpsK);
  return b.choose(
      wholeStages() ? less(number, stages) : less(b.add(line, quarter), p.colTiles),
      [&] {
        Values words;
        for (int64_t g = 0; g < tile.groups; ++g)
          words.push_back(loadWords(g, line));
        return words;
      },
      [&] { return Values(before); });
}

Values PrefillBlock::decode(Value word) {
  Values planes;
  Value turned = bitXor(word, b.constant(b.getI32Type(), 0x55555555));
  for (int64_t i = 0; i < 4; ++i)
    planes.push_back(b.bitAnd(b.shl(turned, 6 - 2 * i), static_cast<int32_t>(0xc0c0c0c0u)));
  return planes;
}

void PrefillBlock::multiply(Values &sums, llvm::ArrayRef<Values> planes, Value from) {
  for (int64_t m = 0; m < tile.tokenTiles; ++m) {
    Value bytes = b.loadAligned(memory, b.add(from, m * kTokens * PrefillTile::kChunk), b.i8s(kPiece));
    Value tokens = b.bitcast(bytes, b.i32s(4));
    for (int64_t step = 0; step < 2; ++step)
      for (int64_t g = 0; g < tile.groups; ++g)
        for (int64_t matrix = 0; matrix < 2; ++matrix) {
          const Values &low = planes[4 * g + 2 * matrix], &high = planes[4 * g + 2 * matrix + 1];
          auto c = llvm::MutableArrayRef<Value>(sums).slice(sumAt(m, g, matrix), 4);
          Values result = b.mmaBytes({low[2 * step], high[2 * step], low[2 * step + 1], high[2 * step + 1]},
                                     {b.word(tokens, 2 * step), b.word(tokens, 2 * step + 1)}, ValueRange(c));
          llvm::copy(result, c.begin());
        }
  }
}

Values PrefillBlock::multiplyAll() {
  size_t sumCount = sumAt(tile.tokenTiles, 0, 0), perStage = tile.chunksOfWarp() * tile.groups;
  Values carried(sumCount, b.constant(b.getI32Type(), 0));
  Values nothing(tile.groups, b.constant(b.i32s(4), 0));
  for (int64_t i = 0; i < tile.ahead; ++i)
    for (int64_t j = 0; j < tile.chunksOfWarp(); ++j)
      carried.append(loadWeights(b.index(i), j, nothing));
  if (d.dependent)
    b.waitForKernelInFront();
  for (int64_t i = 0; i < tile.stages - 1; ++i)
    copyStage(b.index(i), b.index(i * tile.stageBytes()));
  carried.push_back(b.index(0));                                     // the stage that is multiplied
  carried.push_back(b.index((tile.stages - 1) * tile.stageBytes())); // and the one that is filled
  auto after = [&](Value at) {
    Value next = b.add(at, tile.stageBytes());
    return b.select(b.equals(next, tile.stages * tile.stageBytes()), b.index(0), next);
  };
  Values result = b.loop(b.index(0), stages, 1, carried, [&](Value stage, ValueRange now) {
    Values sums(now.take_front(sumCount));
    ValueRange weights = now.drop_front(sumCount).drop_back(2);
    Value from = now[now.size() - 2], to = now.back();
    // The stage is here, and all have left the one before it, which is filled now.
    b.waitForCopies(tile.stages - 2);
    b.barrier();
    copyStage(b.add(stage, tile.stages - 1), to);
    Values fresh;
    for (int64_t j = 0; j < tile.chunksOfWarp(); ++j) {
      ValueRange words = weights.slice(j * tile.groups, tile.groups);
      llvm::SmallVector<Values> planes; // of each row group and row
      for (Value four : words)
        for (int64_t row = 0; row < 4; ++row)
          planes.push_back(decode(b.word(four, row)));
      // As late as this, new words can take the registers of the old ones.
      fresh.append(loadWeights(b.add(stage, tile.ahead), j, words));
      multiply(sums, planes, b.add(from, fragments[j]));
    }
    Values next = sums;
    llvm::append_range(next, weights.drop_front(perStage));
    next.append(fresh);
    next.append({after(from), after(to)});
    return next;
  });
  result.truncate(sumCount);
  return result;
}

void nvptx::emitPrefillKernel(DeviceBuilder &b, const DeviceProduct &product, const PrefillTile &tile, bool aligned) {
  PrefillBlock(b, product, tile, aligned).launch();
}
