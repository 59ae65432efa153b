//===- ConstantSlice.h - What depends on parameters alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_CONSTANTSLICE_H
#define SETUN_EVALUATE_CONSTANTSLICE_H

#include "setun/Analysis/ConstantValues.h"
#include "setun/Dialect/Utils/Parameters.h"
#include "setun/Evaluate/Evaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"

namespace setun {

/// The computation of one constant value, cut out of its function.
struct ConstantSlice {
  /// Text of a module with the function @slice (Evaluator).
  std::string text;
  /// What @slice takes: `ml_program.global_load_const`s and large constants.
  llvm::SmallVector<mlir::Operation *> leaves;
  /// The narrowest float type in which anything is computed; null if there is none.
  mlir::FloatType narrowest;

  static ConstantSlice cut(mlir::Value root);
  /// Two slices with one key have one value.
  std::string getKey() const;
  /// The bytes of the value; an error if it cannot be computed, or if the data of a parameter is not there.
  llvm::Expected<std::unique_ptr<llvm::WritableMemoryBuffer>> evaluate(Evaluator &evaluator) const;
};

/// The bytes of a load of a parameter or of a constant. Fails with a diagnostic.
llvm::FailureOr<ParameterBytes> openLeaf(mlir::Operation *leaf);

/// Removes loads and pure operations without users, then private parameters that nothing names, and their data.
void eraseDeadParameters(mlir::ModuleOp module);

} // namespace setun

#endif // SETUN_EVALUATE_CONSTANTSLICE_H
