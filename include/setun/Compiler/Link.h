//===- Link.h - From object to executable or shared library -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_LINK_H
#define SETUN_COMPILER_LINK_H

#include "setun/Compiler/Options.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace setun {

/// Links `object`, code for the system `triple`, to `output` with a compiler driver found in PATH: an executable takes
/// the runtime and its main program from the lib folder beside the compiler's bin folder (for another system than this
/// one from lib/setun/ARCHITECTURE-OS-LIBC), and of each target in `devices` what drives it; a shared library holds the
/// model alone. A diagnostic says what checkLinker would, or what the linker said.
llvm::LogicalResult linkModel(llvm::StringRef object, llvm::StringRef output, llvm::StringRef triple,
                              llvm::ArrayRef<std::string> devices, const CompileOptions &options, mlir::Location loc);

/// Fails with a diagnostic that says which program, sysroot or library linkModel would lack, and what to install.
llvm::LogicalResult checkLinker(llvm::StringRef triple, llvm::ArrayRef<std::string> devices,
                                const CompileOptions &options, mlir::Location loc);

} // namespace setun

#endif // SETUN_COMPILER_LINK_H
