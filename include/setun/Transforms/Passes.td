//===- Passes.td - Passes of Transforms -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TRANSFORMS_PASSES_TD
#define SETUN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

#endif // SETUN_TRANSFORMS_PASSES_TD
