//===- ConstantValues.h - What depends on parameters alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_ANALYSIS_CONSTANTVALUES_H
#define SETUN_ANALYSIS_CONSTANTVALUES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace setun {

/// The values of a function's body that depend on parameters and constants alone, by pure operations with static
/// shapes. Operations made later are not known to it.
class ConstantValues {
public:
  explicit ConstantValues(mlir::func::FuncOp function);
  bool contains(mlir::Value value) const { return values.contains(value); }

private:
  llvm::DenseSet<mlir::Value> values;
};

/// Whether an operation has no effect; calls are looked into, terminators are none.
bool isPureOp(mlir::Operation *op);

/// The function that a call names, if it is there.
mlir::func::FuncOp getCallee(mlir::func::CallOp call);

/// Operands, and what regions take from outside.
llvm::SetVector<mlir::Value> getInputs(mlir::Operation *op);

} // namespace setun

#endif // SETUN_ANALYSIS_CONSTANTVALUES_H
