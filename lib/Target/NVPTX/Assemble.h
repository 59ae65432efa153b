//===- Assemble.h - PTX through ptxas ---*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_ASSEMBLE_H
#define SETUN_LIB_TARGET_NVPTX_ASSEMBLE_H

#include "mlir/IR/Location.h"
#include "mlir/Support/LLVM.h"

#include <string>

namespace setun::nvptx {

/// What ptxas makes of PTX for `arch`; empty where there is none: the driver compiles PTX as well. Kernels of which it
/// spills registers to have more blocks side by side are told to be content with one (`.minnctapersm 1`), in `ptx` too,
/// and assembled again. Fails with its message at `loc`.
mlir::FailureOr<std::string> assemble(mlir::Location loc, llvm::StringRef arch, std::string &ptx);

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_ASSEMBLE_H
