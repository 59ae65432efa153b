//===- DenseKernels.h - Dense products on CUDA devices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_DENSEKERNELS_H
#define SETUN_LIB_TARGET_NVPTX_DENSEKERNELS_H

#include "setun/Conversion/Contraction.h"
#include "setun/Target/NVPTX/DeviceBuilder.h"

namespace setun {
namespace nvptx {

/// Rows that share one reading of the weights.
constexpr int64_t kDenseTokens = 8;
/// The most rows that the kernels for few rows take: beyond, they read the weights too often.
constexpr int64_t kFewRows = 32;

/// A product and what its kernels know of it. Sizes are of the host.
struct DenseProduct {
  const Contraction &op;
  Value rows, columns, depth; // m, n, k
  Values batches;             // sizes
  Value batch;                // their product

  static DenseProduct of(DeviceBuilder &b, const Contraction &op);
  bool isFloat() const { return mlir::isa<mlir::FloatType>(op.sumType); }
  mlir::Type left() const { return mlir::getElementTypeOrSelf(op.a.buffer); }
  mlir::Type right() const { return mlir::getElementTypeOrSelf(op.b.buffer); }

  /// Runs `body` with the loops' indices set for each batch that the block has: blockZ and so on.
  void forEachBatch(DeviceBuilder &b, const Threads &t, llvm::function_ref<void(llvm::SmallVector<Value> ivs)> body) const;
  /// Blocks along z.
  Value blocksZ(DeviceBuilder &b) const { return b.max(b.min(batch, b.index(65535)), b.index(1)); }

  /// An element of an operand at (row or column `at`, k), widened to the type of sums.
  Value read(DeviceBuilder &b, bool ofRight, llvm::ArrayRef<Value> ivs, Value at, Value k) const;
  /// `width` elements from k on, as they are stored, aligned.
  Value readVector(DeviceBuilder &b, bool ofRight, llvm::ArrayRef<Value> ivs, Value at, Value k, int64_t width) const;
  /// How many elements such a vector may have, at most `most`; 1 where k is not contiguous or nothing is known of it.
  int64_t vectorWidth(bool ofRight, int64_t most) const;
  /// Widens a value (scalar or vector) of an operand.
  Value widen(DeviceBuilder &b, Value value, bool ofRight) const;
  /// x * y + sum: one rounding for floats.
  Value multiplyAdd(DeviceBuilder &b, Value x, Value y, Value sum) const;
  /// c[m, n] = c[m, n] + sum.
  void add(DeviceBuilder &b, llvm::SmallVector<Value> ivs, Value m, Value n, Value sum) const;
};

/// Activations of some rows in shared memory: `size` elements along k of each at a time.
struct DenseStage {
  const DenseProduct &p;
  int64_t tokens, size;
  int64_t load = 1;   // elements along k that lanes read at once, each lane its own
  mlir::Type element; // as they are kept: the type of sums, or i8 for dp4a
  Value shared = {};

  static constexpr int64_t kBytes = 32 << 10;

  /// The most elements of a row there is room for, a multiple of `step`, and not more than the product has.
  static int64_t pickSize(const DenseProduct &p, int64_t tokens, int64_t step, mlir::Type element);
  void allocate(DeviceBuilder &b) { shared = b.shared(tokens * size, element); }
  /// Lanes that read more than four floats read them in quads: the first ones of all lanes stand side by side, then the
  /// second ones, so that lanes meet no bank of the memory twice.
  int64_t quads() const { return element.getIntOrFloatBitWidth() == 8 ? 1 : std::max<int64_t>(load / 4, 1); }
  Value placeOf(DeviceBuilder &b, Value at) const;
  /// Brings `count` elements from k on of the rows from m on; zeros past the ends. All threads of the block; barriers are
  /// the caller's.
  void fill(DeviceBuilder &b, const Threads &t, int64_t threads, llvm::ArrayRef<Value> ivs, Value m, Value k,
            Value count) const;

private:
  Value readFour(DeviceBuilder &b, llvm::ArrayRef<Value> ivs, Value m, Value k) const;
};

/// For few rows and a right operand that is [N, K]: a warp has some of its rows, lanes go along k. `tokens` (1 or
/// kDenseTokens) rows of the left operand share a reading.
void emitDenseDot(DeviceBuilder &b, const DenseProduct &product, int64_t tokens);
/// The same for a right operand that is [K, N]: lanes go along n, the warps of a block share k.
void emitDenseColumns(DeviceBuilder &b, const DenseProduct &product, int64_t tokens);
/// For any product: tiles of 64 x 64 through shared memory.
void emitDenseTile(DeviceBuilder &b, const DenseProduct &product);

} // namespace nvptx
} // namespace setun

#endif // SETUN_LIB_TARGET_NVPTX_DENSEKERNELS_H
