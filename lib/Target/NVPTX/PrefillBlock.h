//===- PrefillBlock.h - A block of a prefill kernel, while it is written -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_PREFILLBLOCK_H
#define SETUN_LIB_TARGET_NVPTX_PREFILLBLOCK_H

#include "setun/Target/NVPTX/PrefillKernel.h"

namespace setun {
namespace nvptx {

/// Where a thread stands within its block.
struct PrefillPlace {
  Value group, quarter; // lane / 4, lane % 4
  Value warpM, warpN, warpK;

  PrefillPlace(DeviceBuilder &b, Value thread, const PrefillTile &tile) {
    group = b.bitAnd(b.shr(thread, 2), 7);
    quarter = b.bitAnd(thread, 3);
    warpM = b.bitAnd(b.shr(thread, 5), tile.warpsM - 1);
    Value rest = b.shr(thread, 5 + llvm::Log2_64(tile.warpsM));
    warpN = b.bitAnd(rest, tile.warpsN - 1);
    warpK = b.shr(rest, llvm::Log2_64(tile.warpsN));
  }
};

/// PrefillBlock.cpp says where everything is, PrefillKernel.cpp multiplies, PrefillSums.cpp hands out the sums.
class PrefillBlock {
public:
  PrefillBlock(DeviceBuilder &b, const DeviceProduct &d, const PrefillTile &tile, bool aligned)
      : b(b), d(d), p(d.p), tile(tile), aligned(aligned), pair(d.companions.size() == 2),
        columns(tile.rows() / static_cast<int64_t>(d.companions.size())) {}

  void launch();

private:
  static constexpr int64_t kPiece = 16; // bytes of a copy
  static constexpr int64_t kTokens = PrefillTile::kTokens;

  void locate(const Threads &t);
  void locateWeights(const PrefillPlace &place);
  void locatePieces(Value thread);
  /// Asks for the activations of stage `number` (of all K) into the ring at byte `to`; none past K.
  void copyStage(Value number, Value to);
  void copyPiece(Value column, Value from, Value to);
  /// The words of a chunk of stage `number` that this warp needs; `before` past K.
  Values loadWeights(Value number, int64_t chunk, ValueRange before);
  Value loadWords(int64_t group, Value line);
  /// The registers of A that a word becomes: one for each plane.
  Values decode(Value word);
  void multiply(Values &sums, llvm::ArrayRef<Values> planes, Value from);
  Values multiplyAll();
  /// The same by groups of four warps.
  Values multiplyInGroups();
  /// The words of a line of stage `number`; of the last line past K, where activations are zeros.
  Value loadLine(Value number, int64_t line);
  /// The registers of A that two lines become: of a matrix after the other.
  Values decodeLines(Value low, Value high);

  void store(ValueRange sums, int64_t firstTile, int64_t tiles);
  void finish(int64_t firstTile, int64_t tiles);

  /// Whether K is known to end where a stage does.
  bool wholeStages() const { return getConstant(p.k) && *getConstant(p.k) % tile.stageColumns() == 0; }
  /// Of a row group, rows of each companion.
  int64_t rowsOfGroup() const { return pair ? PrefillTile::kRows / 2 : PrefillTile::kRows; }
  /// Sums of one token tile of all warps, in shared memory.
  int64_t tileBytes() const { return tile.warpsK * tile.warpsM * kTokens * (tile.rows() + 4) * 4; }
  int64_t memoryBytes() const { return std::max(tile.stages * tile.stageBytes(), tileBytes()); }
  /// Where the sums of a token tile, row group and matrix A begin: rows 2 matrix and 2 matrix + 1 of four, two tokens
  /// each.
  size_t sumAt(int64_t tokenTile, int64_t group, int64_t matrix) const {
    return ((tokenTile * tile.groups + group) * 2 + matrix) * 4;
  }
  Value less(Value a, Value b_) { return b.cmp(mlir::arith::CmpIPredicate::slt, a, b_); }
  Value narrow(Value v) { return b.createOrFold<mlir::arith::IndexCastUIOp>(b.getI32Type(), v); }
  Value wide(Value v) { return b.createOrFold<mlir::arith::IndexCastUIOp>(b.getIndexType(), v); }
  Value bitXor(Value a, Value c) { return b.createOrFold<mlir::arith::XOrIOp>(a, c); }

  DeviceBuilder &b;
  const DeviceProduct &d;
  const Product &p;
  const PrefillTile &tile;
  bool aligned;
  bool pair;       // two companions
  int64_t columns; // of the epilogue, in a block

  // A block's values.
  Value tokenBlocks, columnBlocks, stages; // stages: of all K
  Value memory;                            // shared, bytes
  Value thread, quarter, firstLine;        // of the weights of a stage, that its first chunk's is for the warp
  Value planeBits, turnBits, planeShift;   // the plane of this thread, its lower bits, and how far from the top it is
  Value firstToken, firstColumn;
  llvm::SmallVector<Values> wordRows; // of each row group: where in a line its rows lie; one, or four words apart
  Value pieceColumn, pieceTo;         // of a stage
  Values pieceRows;                   // where the tokens of this thread's pieces begin
  Values fragments;                   // where in a stage the fragments of each chunk of the warp begin
};

} // namespace nvptx
} // namespace setun

#endif // SETUN_LIB_TARGET_NVPTX_PREFILLBLOCK_H
