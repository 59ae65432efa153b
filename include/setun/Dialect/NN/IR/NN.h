//===- NN.h - The nn dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_NN_H
#define SETUN_DIALECT_NN_IR_NN_H

#include "setun/Dialect/Utils/DestinationOp.h"
#include "setun/Dialect/Utils/Tiling.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"

#include "setun/Dialect/NN/IR/NNDialect.h.inc"

#define GET_OP_CLASSES
#include "setun/Dialect/NN/IR/NNOps.h.inc"

namespace setun::nn {

/// Attaches bufferization to the destination ops; called when the dialect is loaded.
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace setun::nn

#endif // SETUN_DIALECT_NN_IR_NN_H
