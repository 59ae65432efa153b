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
#include "llvm/ADT/StringRef.h"

namespace setun {

/// Links `object` to `output` with the system's compiler driver: an executable takes the runtime and its main program
/// from the lib folder beside the compiler's bin folder; a shared library holds the model alone. A diagnostic says
/// which program or file is missing, or what the linker said.
llvm::LogicalResult linkModel(llvm::StringRef object, llvm::StringRef output, const CompileOptions &options,
                              mlir::Location loc);

} // namespace setun

#endif // SETUN_COMPILER_LINK_H
