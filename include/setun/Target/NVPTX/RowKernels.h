//===- RowKernels.h - Rows of activations on CUDA devices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels do to one token's row: norms, quantizers, sums. A team of threads,
// a block or a warp, takes the row in chunks of four elements, keeps it in
// registers where its length is known, and folds in an order that depends on the
// length and the team alone.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_ROWKERNELS_H
#define SETUN_TARGET_NVPTX_ROWKERNELS_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "setun/Conversion/QuantizerSteps.h"

#include <functional>

namespace setun {
namespace nvptx {

/// The threads that share a row. All of them take part in everything below.
struct RowTeam {
  Value member;      // number of the thread in the team
  int64_t size;      // kWarp, or the threads of the block
  Value lane, warp;  // as in Threads

  static RowTeam ofBlock(const Threads &t, int64_t threads) { return {t.thread, threads, t.lane, t.warp}; }
  static RowTeam ofWarp(const Threads &t) { return {t.lane, kWarp, t.lane, t.warp}; }

  /// Folds a value (i32 or f32) of each thread in a fixed order; each thread gets the result. A block meets at a barrier
  /// between its first writes and last reads of shared memory: one more must follow before the same code runs again.
  Value reduce(DeviceBuilder &b, Value value, llvm::function_ref<Value(Value, Value)> combine) const;
};

/// Where a row comes from.
struct RowSource {
  /// `width` elements from `at` on, all within the row, as f32: a scalar for 1, else a vector.
  std::function<Value(DeviceBuilder &b, Value at, int64_t width)> read;
  /// Whether a width of 4 may be asked for, at multiples of 4.
  bool vectors = false;

  /// Along the last dimension of `buffer` (f32, f16 or bf16).
  static RowSource of(DeviceBuilder &b, Value buffer, mlir::ArrayRef<Value> leading);
};

/// Whether `width` elements along the last dimension of such a buffer, from a multiple of `width` on, are contiguous
/// and aligned to their size together, in every row.
bool hasAlignedRows(mlir::MemRefType type, int64_t width);

/// A row in the hands of a team.
class DeviceRow {
public:
  /// Four elements of the row: which, from where, and whether all exist; null if all do for sure.
  struct Chunk {
    Value number, at, exists;
  };

  /// Reads the row at once if `k` is known and at most 64 elements a thread; else each walk reads it again.
  DeviceRow(DeviceBuilder &b, const RowTeam &team, RowSource source, Value k);

  /// The elements of a chunk in vectors of 4 f32, those past the end zero.
  Value read(const RowSource &source, const Chunk &chunk);
  /// Replaces the elements; those past the end may become anything.
  void transform(std::function<Value(const Chunk &, Value)> change);
  /// Folds f(elements), in vectors of 4 of f32 or i32 that start as `init`, over the row; each thread gets the result.
  /// Elements past the end count as `init`.
  Value fold(Value init, llvm::function_ref<Value(const Chunk &, Value, Value)> step,
             llvm::function_ref<Value(Value, Value)> combine);
  /// The sum of f(elements), f32.
  Value sum(llvm::function_ref<Value(const Chunk &, Value)> term);
  void forEach(llvm::function_ref<void(const Chunk &, Value)> body);
  /// Stores floats, one rounding to the buffer's type; not past the end.
  void store(Value buffer, mlir::ArrayRef<Value> leading, const Chunk &chunk, Value elements);

  /// Which of four elements exist, or null if all of every chunk that does.
  Value mask(const Chunk &chunk);
  Value size() const { return k; }

private:
  DeviceBuilder &b;
  RowTeam team;
  RowSource source;
  Value k, chunks;
  bool whole; // no chunk is partial
  llvm::SmallVector<std::pair<Chunk, Value>> kept;
  bool isKept = false;
  llvm::SmallVector<std::function<Value(const Chunk &, Value)>> changes;

  Chunk chunkAt(Value number, bool mayBePast);
  void walk(ValueRange init, llvm::function_ref<Values(const Chunk &, Value, ValueRange)> body, Values &result);
};

/// A quantizer, and the norm in front of it if there is one.
struct RowQuantizer {
  mlir::Type element; // that x has and roundings go to
  ternary::Spelling spelling;
  double qmax, eps;
  llvm::SmallVector<int64_t, 2> clamp;
  std::optional<double> normEps;
  RowSource gamma; // with a norm

  static RowQuantizer of(ternary::QuantizeOp op);
  /// Reads gamma from the op's buffer.
  static RowQuantizer of(DeviceBuilder &b, ternary::NormQuantizeOp op);
};

/// Makes a row's elements x / rms * gamma, rounded as docs/numerics.md says, to `element`.
void emitRowNorm(DeviceBuilder &b, DeviceRow &row, const RowSource &gamma, double epsilon, mlir::Type element);

/// Quantizes a row: `store` gets each chunk's number and its four codes as an i32, those past the end zero. Returns c,
/// the clamped largest magnitude (f32, rounded to `element`), in every thread. The bits are those of the processors'
/// lowering, but for the order of a norm's sum.
Value emitRowQuantize(DeviceBuilder &b, const RowTeam &team, const RowQuantizer &quantizer, const RowSource &x, Value k,
                      llvm::function_ref<void(const DeviceRow::Chunk &, Value)> store);

/// The same by all `threads` threads of a block into shared memory: ceil(k / 4) words (i32) rounded up to a multiple of
/// 4, zero past k. Begins and ends with what barriers it needs, so that it may stand in a loop.
Value emitRowQuantize(DeviceBuilder &b, const Threads &t, int64_t threads, const RowQuantizer &quantizer,
                      const RowSource &x, Value k, Value words);

/// How many threads suit a row: kWarp (several rows a block), or those of a block of its own.
int64_t getRowThreads(Value k);

/// One launch in which every row of a buffer, all dimensions but the last, has a team; `body` gets its leading indices.
void launchRows(DeviceBuilder &b, Value buffer,
                llvm::function_ref<void(const RowTeam &team, mlir::ArrayRef<Value> leading)> body);

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_ROWKERNELS_H
