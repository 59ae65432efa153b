//===- LinalgNest.h - A linalg op as buffers, loops and a body -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_LINALGNEST_H
#define SETUN_CONVERSION_LINALGNEST_H

#include "setun/Conversion/LoopEmitter.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace setun {

/// One operand: a scalar, or a buffer whose dimension i is indexed by loop `loops[i]` (-1: by 0).
struct NestOperand {
  mlir::Value value;
  llvm::SmallVector<int64_t> loops;
  bool isBuffer() const { return mlir::isa<mlir::MemRefType>(value.getType()); }
  bool uses(int64_t loop) const { return llvm::is_contained(loops, loop); }
};

/// A linalg op on buffers whose indexing maps are projected permutations.
struct LinalgNest {
  llvm::SmallVector<NestOperand> operands;
  llvm::SmallVector<mlir::Value> sizes;
  llvm::SmallVector<bool> isReduction;
  mlir::Block *body = nullptr;
  unsigned numInputs = 0;

  static std::optional<LinalgNest> match(LoopEmitter &e, mlir::linalg::LinalgOp op);
  /// Merges neighbouring loops that walk every operand as one dimension would.
  void collapse(LoopEmitter &e);
  Line line(LoopEmitter &e, unsigned operand, llvm::ArrayRef<mlir::Value> ivs, std::optional<int64_t> free) const;
  /// Whether every op of the body works on lanes as it does on scalars, and is harmless on lanes that do not exist.
  bool hasLanes() const;
  /// About how many element operations the body is.
  int64_t bodyWork() const;
  /// Writes the body for `width` lanes along loop `free` and returns what it yields; with `combiner`, stops before that
  /// last op and returns what it would combine with the destination.
  llvm::SmallVector<mlir::Value> emitBody(LoopEmitter &e, llvm::ArrayRef<mlir::Value> arguments,
                                          llvm::ArrayRef<mlir::Value> ivs, std::optional<int64_t> free, int64_t width,
                                          mlir::Operation *combiner = nullptr) const;
};

/// How a nest with one destination folds into it.
struct NestReduction {
  mlir::Operation *combiner; // the one op that reads the destination and is yielded
  mlir::Type sumType;        // that sums are kept in
  llvm::SmallVector<int64_t> kept, reduced; // loops

  static std::optional<NestReduction> match(const LinalgNest &nest);
  mlir::Value identity(LoopEmitter &e, int64_t width) const;
  mlir::Value combine(LoopEmitter &e, mlir::Value sum, mlir::Value value) const;
  /// Whether some input has the innermost sum as its last dimension: its elements stand side by side.
  bool isAlongLast(const LinalgNest &nest) const;
};

/// Independent loops over `sizes`: the outermost that is not a single step is shared by threads. `work` is what one
/// innermost step does.
void emitParallelNest(LoopEmitter &e, llvm::ArrayRef<mlir::Value> sizes, mlir::Value work,
                      llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)> body);

} // namespace setun

#endif // SETUN_CONVERSION_LINALGNEST_H
