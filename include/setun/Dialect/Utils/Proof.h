//===- Proof.h - A raise's before and after, kept to be checked -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A raising pass with `keep-proofs` leaves two private functions of the same
// type: the slice as it was, and the raised slice, whose attribute
// `setun.raised_from` names the first and `setun.raise` the kind. Evaluation
// compares and erases them (`--setun-verify-raise`); other passes leave them be.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_PROOF_H
#define SETUN_DIALECT_UTILS_PROOF_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace setun {

/// Whether the function is one of a proof's pair.
bool isProof(mlir::func::FuncOp func);

/// One raise's pair of functions.
class Proof {
public:
  /// Copies the computation of `output` from the values in `boundary` into a function. Call it before rewriting.
  Proof(mlir::Value output, llvm::ArrayRef<mlir::Value> boundary);
  /// Copies the raised computation. `boundary` are the same values as before, after rewriting. Drops the pair if the
  /// raised slice needs a value that the original does not.
  void finish(mlir::Value output, llvm::ArrayRef<mlir::Value> boundary, llvm::StringRef kind);

private:
  mlir::func::FuncOp original;
  llvm::SmallVector<mlir::Value> others; // arguments after the boundary: those of the enclosing function
};

} // namespace setun

#endif // SETUN_DIALECT_UTILS_PROOF_H
