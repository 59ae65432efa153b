//===- SampleSizes.h - Sizes with which a function can be run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_SAMPLESIZES_H
#define SETUN_EVALUATE_SAMPLESIZES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace setun {

/// Small sizes for the dynamic dimensions and the index arguments of a function, such that all its operations fit
/// together. Index arguments get 2, 3, 2, ...; dimensions follow from them as far as the operations say, and what is
/// still free gets 2, 3, 2, ... too.
class SampleSizes {
public:
  /// Nothing if the operations contradict each other or leave the result's shape open.
  static std::optional<SampleSizes> find(mlir::func::FuncOp function);

  /// Of an index argument.
  int64_t getIndex(mlir::Value argument) const { return scalars.lookup(argument); }
  /// Of an argument or of the returned value: a static type.
  mlir::RankedTensorType getType(mlir::Value tensor) const;

private:
  llvm::SmallVector<int64_t> &getShape(mlir::Value tensor);
  void setSize(mlir::Value tensor, int64_t dim, int64_t size);
  void equate(mlir::Value a, int64_t dimA, mlir::Value b, int64_t dimB);
  void setSizes(mlir::Value tensor, llvm::ArrayRef<mlir::OpFoldResult> sizes);
  void matchGroups(mlir::Value narrow, mlir::Value wide, llvm::ArrayRef<llvm::SmallVector<int64_t, 2>> groups);
  void visitLinalg(mlir::Operation *op);
  void visit(mlir::Operation *op);
  void fold(mlir::Operation *op);
  void settle(mlir::func::FuncOp function);

  llvm::DenseMap<mlir::Value, llvm::SmallVector<int64_t>> shapes;
  llvm::DenseMap<mlir::Value, int64_t> scalars;
  bool changed = false, contradiction = false;
};

} // namespace setun

#endif // SETUN_EVALUATE_SAMPLESIZES_H
