//===- Compiler.h - A model file to a native file -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_COMPILER_H
#define SETUN_COMPILER_COMPILER_H

#include "setun/Compiler/Options.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace setun {

/// A context with every dialect a compilation needs.
std::unique_ptr<mlir::MLIRContext> makeCompilerContext();

/// A file's name without its extension; a folder's name.
std::string getModelName(llvm::StringRef path);

/// Reads `options.model`: .onnx and Hugging Face folders through their importers, .mlir as it stands (any stage). Null
/// after a diagnostic.
mlir::OwningOpRef<mlir::ModuleOp> loadModel(const CompileOptions &options, mlir::MLIRContext &context);

/// Runs the stages up to the ternary contract, with dumps as asked.
llvm::LogicalResult lowerToTernary(mlir::ModuleOp module, const CompileOptions &options);

/// The whole way: import, stages, object code, weights, link, report. On failure a diagnostic has been emitted and no
/// output is left behind.
llvm::LogicalResult compileModel(const CompileOptions &options, mlir::MLIRContext &context);

} // namespace setun

#endif // SETUN_COMPILER_COMPILER_H
