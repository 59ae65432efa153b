//===- PrefillBlock.cpp - Where a block of a prefill kernel reads ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrefillBlock.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

void PrefillBlock::locate(const Threads &t) {
  memory = b.shared(memoryBytes(), b.getI8Type());
  thread = t.thread;
  // Blocks that run together share weights. 32 bits, which are divided faster.
  Value block = narrow(t.block), over = narrow(tokenBlocks);
  firstToken = b.mul(wide(b.rem(block, over)), tile.tokens());
  firstColumn = b.mul(wide(b.div(block, over)), columns);
  PrefillPlace place(b, narrow(thread), tile);
  locateWeights(place);
  locatePieces(narrow(thread));
  quarter = wide(place.quarter);
  auto planeOf = [&](int64_t bits) {
    return b.createOrFold<arith::ShLIOp>(b.constant(b.getI32Type(), bits), b.shl(place.quarter, 1));
  };
  planeBits = planeOf(0x03030303);
  turnBits = planeOf(0x01010101);
  planeShift = b.sub(b.constant(b.getI32Type(), 6), b.shl(place.quarter, 1));
  firstLine = wide(b.shl(place.warpK, 2));
  // Rows of 64 bytes, so that the eight threads that one pass of shared memory serves read 128 bytes in a row; in odd
  // chunks neighbouring rows change places, so that the same holds where a token's chunks are written together.
  Value row = b.shl(b.add(b.mul(place.warpM, b.constant(b.getI32Type(), kTokens * tile.tokenTiles)), place.group), 6);
  for (int64_t j = 0; j < tile.chunksOfWarp(); ++j) {
    Value chunk = b.add(place.warpK, j * tile.warpsK);
    Value at = b.add(bitXor(row, b.shl(b.bitAnd(chunk, 1), 6)), b.shl(place.quarter, 4));
    fragments.push_back(wide(b.add(at, b.mul(chunk, b.constant(b.getI32Type(), tile.tokens() * PrefillTile::kChunk)))));
  }
}

void PrefillBlock::locateWeights(const PrefillPlace &place) {
  // Threads with g = lane / 4 have rows 4g to 4g + 3; of two companions, even g those of the first and odd g the same
  // rows of the second.
  bool vectors = llvm::all_of(d.companions, [](int64_t rows) { return rows % 4 == 0; });
  Value within = b.add(b.shl(place.warpN, llvm::Log2_64(tile.groups * rowsOfGroup())),
                       b.shl(pair ? b.shr(place.group, 1) : place.group, 2));
  Value companion = b.index(d.companions[0]);
  if (pair)
    companion = b.select(b.equals(b.bitAnd(place.group, 1), 0), companion, b.index(d.companions[1]));
  Value base = b.add(b.add(firstColumn, wide(within)), companion), rows = b.mul(p.rowBlocks, p.blockRows);
  for (int64_t j = 0; j < tile.groups; ++j) {
    Values &starts = wordRows.emplace_back();
    for (int64_t word = 0; word < (vectors ? 1 : 4); ++word) {
      // Past the last row stands what nobody asks for.
      Value row = b.min(b.add(base, j * rowsOfGroup() + word), b.add(rows, vectors ? -4 : -1));
      Value block = b.mul(b.shr(row, p.blockRowsLog), p.blockBytes);
      Value at = b.add(block, b.shl(b.bitAnd(row, p.blockRows - 1), 2)); // 16 rows of a tile are 64 bytes
      // Of four lines each thread takes one, and of all four in groups of warps.
      starts.push_back(tile.wgmma ? at : b.add(at, wide(b.shl(place.quarter, p.stepBytesLog))));
    }
  }
}

void PrefillBlock::locatePieces(Value thread) {
  // Neighbouring threads copy neighbouring pieces of a token.
  int64_t perToken = 4 * tile.chunks, apart = PrefillTile::kThreads / perToken;
  Value piece = b.bitAnd(thread, perToken - 1), token = b.shr(thread, llvm::Log2_64(perToken));
  Value chunk = b.shr(piece, 2);
  pieceColumn = wide(b.shl(piece, 4));
  if (tile.wgmma) {
    pieceTo = wide(b.add(b.shl(token, 7), b.shl(bitXor(piece, b.bitAnd(token, 7)), 4)));
  } else {
    Value row = bitXor(b.shl(token, 6), b.shl(b.bitAnd(chunk, 1), 6));
    Value to = b.add(b.mul(chunk, b.constant(b.getI32Type(), tile.tokens() * PrefillTile::kChunk)), row);
    pieceTo = wide(b.add(to, b.shl(b.bitAnd(piece, 3), 4)));
  }
  // Past the last token stand the activations of the last one.
  Value last = b.add(p.m, -1), first = b.add(firstToken, wide(token));
  for (int64_t i = 0; i * apart < tile.tokens(); ++i)
    pieceRows.push_back(b.add(b.mul(b.min(b.add(first, i * apart), last), p.xStride), pieceColumn));
}
