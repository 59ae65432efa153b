//===- ONNX.h - ONNX files to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_IMPORT_ONNX_H
#define SETUN_IMPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <utility>
#include <vector>

namespace setun {

struct OnnxImportOptions {
  /// Pairs (input, output) that are one session state, besides those that are found by form and by name.
  std::vector<std::pair<std::string, std::string>> states;
  /// Find states by form (a cache that grows by Concat or is written by a scatter) and by the exporters' names.
  bool detectStates = true;
};

/// Parses one `--state in:out` pair; false if the text is not two names around a colon.
bool parseOnnxState(llvm::StringRef text, OnnxImportOptions &options);

/// Reads an ONNX model and writes it in the input contract (docs/contracts.md). On failure there is exactly one error
/// diagnostic, which names the file, the node and the reason, and the result is null. The context must know the
/// dialects of `registerOnnxImportDialects`.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path, const OnnxImportOptions &options,
                                             mlir::MLIRContext *context);

/// The dialects that an imported module uses.
void registerOnnxImportDialects(mlir::DialectRegistry &registry);

/// Registers `--import-onnx` for a translation tool.
void registerOnnxImport();

} // namespace setun

#endif // SETUN_IMPORT_ONNX_H
