//===- Evaluator.h - Runs a slice at compile time -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_EVALUATOR_H
#define SETUN_EVALUATE_EVALUATOR_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace setun {

/// Compiles functions on static tensors for this machine and runs them. A slice is known by its text alone: a module
/// whose public function @slice takes every parameter as an argument, so that weights of equal shape that are computed
/// in the same manner share one compiled function.
class Evaluator {
public:
  using Results = llvm::SmallVector<std::unique_ptr<llvm::WritableMemoryBuffer>, 1>;

  Evaluator();
  ~Evaluator();

  /// The text by which `module` is known: no locations, nothing elided.
  static std::string print(mlir::ModuleOp module);

  /// Runs @slice of the module that `text` is, on the row-major bytes of its arguments (i1 takes a byte an element).
  /// Whatever stands in the way (an operation without a lowering, a type without bytes) comes back as an error.
  llvm::Expected<Results> evaluate(llvm::StringRef text, llvm::ArrayRef<llvm::ArrayRef<char>> arguments);

  /// Functions compiled so far.
  unsigned getNumCompiled() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace setun

#endif // SETUN_EVALUATE_EVALUATOR_H
