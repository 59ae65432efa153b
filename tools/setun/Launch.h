//===- Launch.h - Running what was compiled -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TOOLS_SETUN_LAUNCH_H
#define SETUN_TOOLS_SETUN_LAUNCH_H

#include "Command.h"

/// Runs `file`, an executable or a shared library made by setun compile, or a model (compiled first into a temporary
/// folder), with the arguments of the runtime's main program. Returns its exit status.
int launch(llvm::StringRef file, llvm::ArrayRef<std::string> arguments, const ModelFlags &flags);

#endif // SETUN_TOOLS_SETUN_LAUNCH_H
