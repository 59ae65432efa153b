//===- LoopEmitter.h - Writes loops over lanes of buffers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What every lowering to loops shares: index arithmetic that folds, loops,
// parallel loops with a grain, and reads and writes of some lanes of a buffer
// along one of its dimensions, whatever its strides. The sums' order is the one
// of docs/numerics.md and is written here once.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_LOOPEMITTER_H
#define SETUN_CONVERSION_LOOPEMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"

namespace setun {

/// Lanes of a float sum along a contiguous dimension (docs/numerics.md).
constexpr int64_t kSumLanes = 16;
/// Element operations that are worth a call of the runtime's parallel_for.
constexpr int64_t kTaskWork = 16384;
/// Name of the attribute of scf.forall that counts the iterations of one task.
constexpr llvm::StringLiteral kGrainAttr = "setun.grain";

/// A line of a buffer: `indices` with the one at `dim` free. Without `dim`, one element that all lanes share.
struct Line {
  mlir::Value buffer;
  llvm::SmallVector<mlir::Value> indices;
  std::optional<unsigned> dim;
  /// Whether lanes stand side by side in memory.
  bool isContiguous() const;
  mlir::Type getElementType() const;
};

/// How many lanes a step has; with `count`, only the first `count` of them exist. Width 1 means scalars.
struct Lanes {
  int64_t width = 1;
  mlir::Value count = nullptr;
};

class LoopEmitter {
public:
  LoopEmitter(mlir::OpBuilder &builder, mlir::Location loc, int64_t vectorBits = 128)
      : b(builder), loc(loc), vectorBits(vectorBits), freeLanes(vectorBits > 256 ? 16 : 8) {}

  // Index arithmetic.
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, int64_t y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value rem(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  /// `x` rounded down or up to a multiple of `y`.
  mlir::Value roundDown(mlir::Value x, int64_t y);
  mlir::Value ceilDiv(mlir::Value x, int64_t y);
  mlir::Value size(mlir::Value buffer, int64_t dim);
  mlir::Value product(mlir::ValueRange sizes);
  /// The indices of element `linear` of a row-major space of `sizes`.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, mlir::ValueRange sizes);

  // Loops.
  void loop(mlir::Value from, mlir::Value to, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  llvm::SmallVector<mlir::Value>
  loop(mlir::Value from, mlir::Value to, int64_t step, mlir::ValueRange init,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  /// A loop of independent iterations of about `work` element operations each: scf.forall with a grain, or a plain
  /// loop where all of it is less than a task. Where `work` is only known at run time, so are the tasks: each is a loop
  /// over as many iterations as are worth one, and the grain is 1.
  void parallel(mlir::Value count, mlir::Value work, llvm::function_ref<void(mlir::Value)> body);
  /// `body(true)` where x `predicate` y holds, else `body(false)`; one of them if that is known.
  void branch(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y, llvm::function_ref<void(bool)> body);
  /// Runs `full` for each whole step of `width` in [0, size) and `tail` once for what is left, if anything can be.
  llvm::SmallVector<mlir::Value>
  steps(mlir::Value size, int64_t width, mlir::ValueRange init,
        llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value at, Lanes, mlir::ValueRange)> body);

  // Constants and types. A width of 1 is a scalar.
  mlir::Type lanesOf(mlir::Type element, int64_t width);
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value splat(mlir::Value scalar, int64_t width);

  // Lanes of buffers. Lanes past `count` read as zero and are not written.
  mlir::Value read(const Line &line, mlir::Value at, Lanes lanes);
  void write(const Line &line, mlir::Value at, mlir::Value value, Lanes lanes);
  /// Asks for the cache line at `at`, if lanes stand side by side.
  void prefetch(const Line &line, mlir::Value at);
  /// 0, 1, 2, ... as i32.
  mlir::Value laneNumbers(int64_t width);
  /// Which lanes exist: lane < count.
  mlir::Value mask(Lanes lanes);
  /// An array on the stack. Stands first in the enclosing parallel loop or function.
  mlir::Value scratch(int64_t size, mlir::Type element);

  // Floats.
  /// The type that sums of `element` are kept in: f32 for narrower floats.
  static mlir::Type sumType(mlir::Type element);
  /// Between float types of equal lanes; nothing if equal.
  mlir::Value convert(mlir::Value value, mlir::Type element);
  mlir::Value addf(mlir::Value x, mlir::Value y);
  mlir::Value mulf(mlir::Value x, mlir::Value y);
  mlir::Value divf(mlir::Value x, mlir::Value y);
  mlir::Value addAny(mlir::Value x, mlir::Value y);
  mlir::Value mulAny(mlir::Value x, mlir::Value y);
  /// Halves a vector with `combine` until one lane is left: l += l + 8, 4, 2, 1.
  mlir::Value tree(mlir::Value lanes, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
  mlir::Value treeSum(mlir::Value lanes);
  /// The tree sums of several vectors, a power of two of them, as one vector: the same bits, with fewer steps.
  mlir::Value treeSums(llvm::ArrayRef<mlir::Value> vectors);

  mlir::OpBuilder &b;
  mlir::Location loc;
  /// Of the registers of the level that the code is for. It shapes tiles and never changes a bit.
  int64_t vectorBits;
  /// Lanes of work whose order does not matter: a register of AVX or AVX-512, two of SSE and NEON.
  int64_t freeLanes;
};

} // namespace setun

#endif // SETUN_CONVERSION_LOOPEMITTER_H
