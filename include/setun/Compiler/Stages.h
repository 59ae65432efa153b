//===- Stages.h - Running and showing the stages -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_STAGES_H
#define SETUN_COMPILER_STAGES_H

#include "setun/Compiler/Options.h"

#include "mlir/IR/BuiltinOps.h"

namespace setun {

/// Runs a textual pass pipeline (names as in setun-opt) on `module`.
llvm::LogicalResult runPipeline(mlir::ModuleOp module, llvm::StringRef pipeline);

/// Tells progress, and writes the stage's IR to the dump folder and, if it is the stage to stop at, to the output.
/// `finished` is set in that case.
llvm::LogicalResult endStage(mlir::ModuleOp module, llvm::StringRef stage, const CompileOptions &options,
                             bool &finished);

} // namespace setun

#endif // SETUN_COMPILER_STAGES_H
