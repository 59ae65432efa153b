//===- PrefillSums.cpp - What a prefill kernel does with its sums ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums go through shared memory, where those of warps that share columns of K meet, and from which neighbouring threads
// take neighbouring columns. Four words more than a row keep the threads that write at the same time apart.
//
//===----------------------------------------------------------------------===//

#include "PrefillBlock.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

void PrefillBlock::store(ValueRange sums, int64_t firstTile, int64_t tiles) {
  int64_t stride = tile.rows() + 4, tokens = kTokens * tiles * tile.warpsM;
  PrefillPlace place(b, thread, tile);
  Value row = b.add(b.mul(place.warpK, tokens), b.mul(place.warpM, kTokens * tiles));
  row = b.add(row, b.shl(place.quarter, 1));
  Value column =
      b.add(b.mul(place.warpN, rowsOfGroup() * tile.groups), b.shl(pair ? b.shr(place.group, 1) : place.group, 2));
  if (pair)
    column = b.add(column, b.mul(b.bitAnd(place.group, 1), columns));
  Value at = b.add(b.mul(row, stride), column);
  for (int64_t m = firstTile; m < firstTile + tiles; ++m)
    for (int64_t g = 0; g < tile.groups; ++g)
      for (int64_t token = 0; token < 2; ++token) {
        Values words;
        for (int64_t row = 0; row < 4; ++row)
          words.push_back(sums[sumAt(m, g, row / 2) + row % 2 * 2 + token]);
        int64_t offset = (kTokens * (m - firstTile) + token) * stride + g * rowsOfGroup();
        Value vector = vector::FromElementsOp::create(b, b.i32s(4), words);
        b.storeAligned(b.bitcast(vector, b.i8s(16)), memory, b.shl(b.add(at, offset), 2));
      }
}

void PrefillBlock::finish(int64_t firstTile, int64_t tiles) {
  int64_t stride = tile.rows() + 4, rows = kTokens * tiles * tile.warpsM, apart = PrefillTile::kThreads / columns;
  int64_t count = rows / apart, most = std::min<int64_t>(count, 8);
  Value column = b.bitAnd(thread, columns - 1), first = b.shr(thread, llvm::Log2_64(columns));
  Value n = b.add(firstColumn, column);
  auto call = [&](Value row) {
    // Rows of a warp over tokens follow those of the one before.
    Value local = b.bitAnd(row, kTokens * tiles - 1), owner = b.shr(row, llvm::Log2_64(kTokens * tiles));
    Value m = b.add(b.add(firstToken, b.mul(owner, kTokens * tile.tokenTiles)), b.add(local, kTokens * firstTile));
    Value at = b.add(b.mul(row, stride), column);
    Values sums;
    for (int64_t c = 0; c < static_cast<int64_t>(d.companions.size()); ++c) {
      Value sum;
      for (int64_t part = 0; part < tile.warpsK; ++part) {
        Value to = b.shl(b.add(at, part * rows * stride + c * columns), 2);
        Value word = b.word(b.bitcast(b.loadAligned(memory, to, b.i8s(4)), b.i32s(1)), 0);
        sum = sum ? b.add(sum, word) : word;
      }
      sums.push_back(b.sra(b.sub(b.constant(b.getI32Type(), 0), sum), 6));
    }
    return EpilogueCall{m, n, sums};
  };
  Value whole = less(b.add(firstToken, tile.tokens() - 1), p.m);
  auto all = getConstant(d.columns);
  if (!all || *all % columns)
    whole = b.createOrFold<arith::AndIOp>(whole, less(b.add(firstColumn, columns - 1), d.columns));
  b.branch(
      whole,
      [&] {
        b.loop(b.index(0), b.index(rows), most * apart, [&](Value start) {
          llvm::SmallVector<EpilogueCall> calls;
          for (int64_t i = 0; i < most; ++i)
            calls.push_back(call(b.add(b.add(start, first), i * apart)));
          emitEpilogues(b, d.epilogue, calls);
        });
      },
      [&] {
        b.loop(first, b.index(rows), apart, [&](Value row) {
          EpilogueCall one = call(row);
          Value inside = b.createOrFold<arith::AndIOp>(less(one.m, p.m), less(n, d.columns));
          b.branch(inside, [&] { emitEpilogues(b, d.epilogue, one); });
        });
      });
}

void nvptx::emitEpilogues(DeviceBuilder &b, const Epilogue &epilogue, llvm::ArrayRef<EpilogueCall> calls) {
  Block *block = b.getInsertionBlock();
  Block::iterator end = b.getInsertionPoint();
  llvm::SmallVector<llvm::SmallVector<Operation *>> writing;
  for (const EpilogueCall &call : calls) {
    Operation *before = end == block->begin() ? nullptr : &*std::prev(end);
    epilogue(b, call.m, call.n, call.sums);
    auto &ops = writing.emplace_back();
    for (Operation &op : llvm::make_range(before ? std::next(before->getIterator()) : block->begin(), end)) {
      auto effects = getEffectsRecursively(&op);
      bool reads = effects && llvm::all_of(*effects, [](const MemoryEffects::EffectInstance &effect) {
                     return isa<MemoryEffects::Read>(effect.getEffect());
                   });
      if (!ops.empty() || !reads)
        ops.push_back(&op);
    }
  }
  for (auto &ops : writing)
    for (Operation *op : ops)
      op->moveBefore(block, end);
}
