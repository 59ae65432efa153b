//===- VerifyRaise.h - A raise computes what its original computed -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_VERIFYRAISE_H
#define SETUN_EVALUATE_VERIFYRAISE_H

#include "setun/Evaluate/Evaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace setun {

/// Compares functions by running them on random inputs and on edge cases. Pairs that differ only in their parameters'
/// data are compared once.
class RaiseVerifier {
public:
  /// `tolerance` is relative to the largest magnitude of a row of the result, and at least 2 ulp of the narrowest type
  /// that the original computes in; integers must be equal.
  explicit RaiseVerifier(double tolerance) : tolerance(tolerance) {}

  /// Fails with a diagnostic on a difference. A pair that cannot be run is left with a warning.
  mlir::LogicalResult verify(mlir::func::FuncOp original, mlir::func::FuncOp raised);

private:
  double tolerance;
  Evaluator evaluator;
  llvm::StringSet<> done;
};

} // namespace setun

#endif // SETUN_EVALUATE_VERIFYRAISE_H
