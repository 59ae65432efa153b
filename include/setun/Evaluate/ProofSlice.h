//===- ProofSlice.h - One side of a proof, ready to run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_PROOFSLICE_H
#define SETUN_EVALUATE_PROOFSLICE_H

#include "setun/Evaluate/Evaluator.h"
#include "setun/Evaluate/SampleSizes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <vector>

namespace setun {

/// A function with its sizes fixed and its parameters turned into arguments. Folded weights, which no lowering knows as
/// constants, become dense numbers where the function dequantizes them and packed bytes where a ternary product reads
/// them.
struct ProofSlice {
  std::string text;
  /// Types of the function's tensor arguments, which come first, and bytes of the parameters, which follow.
  llvm::SmallVector<mlir::RankedTensorType> inputs;
  std::vector<std::vector<char>> parameters;
  mlir::RankedTensorType result;

  /// `sizes` are those of `original`, whose arguments are those of `function`.
  static llvm::Expected<ProofSlice> make(mlir::func::FuncOp function, mlir::func::FuncOp original,
                                         const SampleSizes &sizes);
};

} // namespace setun

#endif // SETUN_EVALUATE_PROOFSLICE_H
