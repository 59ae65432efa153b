//===- Object.h - From LLVM dialect to an object -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_OBJECT_H
#define SETUN_COMPILER_OBJECT_H

#include "setun/Target/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CodeGen.h"
#include <memory>

namespace setun {

/// The processor that code is made for, in LLVM's words.
struct CodeTarget {
  std::string triple, cpu, features, tune;
};

/// Translates a module in the LLVM dialect, optimizes it, and renames its entry points to `setun_run_NAME` and
/// `setun_plan_NAME`; everything else becomes internal. Null after a diagnostic.
std::unique_ptr<llvm::Module> makeLevel(mlir::ModuleOp module, llvm::StringRef name, const CodeTarget &target,
                                        llvm::LLVMContext &context);

/// Writes `module` as object code or assembly.
llvm::LogicalResult emitMachineCode(llvm::Module &module, llvm::StringRef triple, llvm::CodeGenFileType type,
                                    llvm::raw_pwrite_stream &os, mlir::Location loc);

} // namespace setun

#endif // SETUN_COMPILER_OBJECT_H
