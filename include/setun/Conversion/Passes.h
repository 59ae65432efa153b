//===- Passes.h - Passes of Conversion -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_PASSES_H
#define SETUN_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace setun {

#define GEN_PASS_DECL
#include "setun/Conversion/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "setun/Conversion/Passes.h.inc"

} // namespace setun

#endif // SETUN_CONVERSION_PASSES_H
