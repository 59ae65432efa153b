//===- Passes.h - Passes of Analysis -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_ANALYSIS_PASSES_H
#define SETUN_ANALYSIS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace setun {

#define GEN_PASS_DECL
#include "setun/Analysis/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "setun/Analysis/Passes.h.inc"

} // namespace setun

#endif // SETUN_ANALYSIS_PASSES_H
