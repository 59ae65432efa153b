//===- HF.h - Hugging Face checkpoint folders to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_IMPORT_HF_H
#define SETUN_IMPORT_HF_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/raw_ostream.h"

namespace setun {

struct HfImportOptions {
  int64_t context = 2048; ///< positions that sessions will ask for, at least (rotary tables)
};

/// Whether `path` is a folder with a config.json.
bool isHfFolder(llvm::StringRef path);

/// Reads a checkpoint folder (config.json, *.safetensors) and writes it in the input contract (docs/contracts.md). What
/// cannot be served exactly is refused: then the result is null and there is exactly one error diagnostic, which names
/// the file, the key or tensor and what is supported.
mlir::OwningOpRef<mlir::ModuleOp> importHf(llvm::StringRef folder, const HfImportOptions &options,
                                           mlir::MLIRContext *context);

/// Prints the folder's architecture and a table of its tensors: name, dtype, shape, place in the model, and whether it
/// is ternary and how that was found. The same refusals as importHf.
llvm::LogicalResult inspectHf(llvm::StringRef folder, llvm::raw_ostream &os, mlir::MLIRContext *context);

} // namespace setun

#endif // SETUN_IMPORT_HF_H
