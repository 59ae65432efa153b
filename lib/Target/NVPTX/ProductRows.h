//===- ProductRows.h - Rows of packed weights in a warp -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What products of few tokens share: how a block's warps divide rows and columns,
// how a thread reads its weights, and how the sums of many threads meet in one.
//
// A line is 16 columns of 16 rows: 64 bytes, a word a row. A warp reads a chunk of
// 512 bytes at a time, 16 bytes a lane: four rows of one line. Either eight lines of
// one block of rows: lane L rows 4 (L % 4) and on of line L / 4; or four lines of
// two blocks of rows: rows 4 (L / 4 % 4) and on of line L % 4 of block L / 16.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_PRODUCTROWS_H
#define SETUN_LIB_TARGET_NVPTX_PRODUCTROWS_H

#include "setun/Target/NVPTX/ProductKernels.h"

namespace setun::nvptx {

/// How the warps of a block divide its work: `tokens` tokens and `groups` blocks of 16 columns of the epilogue, of each
/// one block of rows a companion, which are called slots; `split` warps share the lines of a slot, chunk by chunk in
/// turn. Where matrices are multiplied (`pairs`), a warp's chunk is four lines of two slots instead.
struct WarpShare {
  static constexpr int64_t kMostWarps = 32; // of a block

  int64_t tokens, companions, groups, split;
  bool pairs = false;

  int64_t chunkLines() const { return pairs ? 4 : 8; }
  int64_t slots() const { return groups * companions; }
  int64_t warps() const { return slots() * split / (pairs ? 2 : 1); }
  int64_t threads() const { return warps() * kWarp; }
  int64_t columns() const { return groups * Product::kTile; }
  int64_t outputs() const { return columns() * tokens; }
};

/// A kernel's blocks: [x] groups of columns, [y] groups of tokens.
void launchRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share,
                llvm::function_ref<void(const Threads &t, Value firstColumn, Value firstToken)> body);

/// A loop of which each thread or block takes every so-many-th round.
void takeTurns(DeviceBuilder &b, Value first, Value count, Value step, llvm::function_ref<void(Value)> body);

/// What a thread is within its block.
struct WarpPlace {
  Value slot, slice; // block of rows, share of its chunks
  Value line, row;   // of a chunk as i32; the first of its four rows

  WarpPlace(DeviceBuilder &b, const Threads &t, const WarpShare &share);
};

/// The packed weights of a thread's four rows.
class WeightRows {
public:
  WeightRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, const WarpPlace &place,
             Value firstColumn);
  /// The four words of a line, which must be below colTiles: an index, or an i32, which takes fewer instructions and a
  /// multiplication by a constant.
  Values load(DeviceBuilder &b, Value line) const;
  /// The same of the last line if there are fewer.
  Values loadClamped(DeviceBuilder &b, Value line) const;

private:
  const Product &p;
  Values starts; // of the four rows, or of the first where one load reads them all
};

/// Values of all lanes summed over lanes of equal lane % 4. Of n values (a power of two from 4 on), numbered as
/// [token][row], a lane gets those from number (lane / 4) n / 8 on: n / 8 of them, or one.
Values scatterSums(DeviceBuilder &b, const Threads &t, Values values);

/// Sums that the warps of a block leave for its threads.
struct WarpSums {
  const WarpShare &share;
  Value buffer; // [slot][slice][token][row]

  WarpSums(DeviceBuilder &b, const WarpShare &share, mlir::Type type);
  /// What scatterSums gave a lane.
  void put(DeviceBuilder &b, const Threads &t, const WarpPlace &place, ValueRange sums);
};

/// Calls the epilogue for all outputs of a block, after a barrier. Output i of the block is column i % columns() of
/// token i / columns(); `get` gives the sum of a companion, whose block of rows is `slot`.
void finishRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, const Threads &t,
                Value firstColumn, Value firstToken,
                llvm::function_ref<Value(int64_t companion, Value slot, Value token, Value row)> get);
/// The same with the sums of all warps of a slot, in their order.
void finishRows(DeviceBuilder &b, const DeviceProduct &product, const WarpSums &sums, const Threads &t,
                Value firstColumn, Value firstToken);

/// a + b, rounded if they are floats.
Value addNumbers(DeviceBuilder &b, Value a, Value c);

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_PRODUCTROWS_H
