//===- Passes.td - Passes of Dialect/NN/Transforms -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD
#define SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

#endif // SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD
