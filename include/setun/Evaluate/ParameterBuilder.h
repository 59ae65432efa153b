//===- ParameterBuilder.h - New parameters in place of old ones -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_PARAMETERBUILDER_H
#define SETUN_EVALUATE_PARAMETERBUILDER_H

#include "setun/Dialect/Utils/Locations.h"

#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

namespace setun {

/// Adds parameters to a module. A new parameter often takes over the name of the one it is computed from, which is
/// still in use while passes work: `finish` gives the names that have become free, of this pass or an earlier one.
class ParameterBuilder {
public:
  explicit ParameterBuilder(mlir::ModuleOp module);

  /// A private parameter of that type and value, named `name` if that is or becomes free.
  mlir::ml_program::GlobalOp add(llvm::StringRef name, mlir::Location loc, mlir::Type type, mlir::Attribute value);
  /// Data of an attribute whose bytes are copied once.
  mlir::DenseResourceElementsAttr makeResource(llvm::StringRef name, mlir::ShapedType type, llvm::ArrayRef<char> bytes);
  /// `arith.constant` for up to 64 elements or a single value, else a parameter and its load.
  mlir::Value makeConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                           mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);
  static mlir::Value load(mlir::OpBuilder &builder, mlir::Location loc, mlir::ml_program::GlobalOp global);

  /// Removes what nothing uses any more and settles names.
  void finish();

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
};

} // namespace setun

#endif // SETUN_EVALUATE_PARAMETERBUILDER_H
