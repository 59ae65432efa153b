//===- Ternary.h - The ternary dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_TERNARY_H
#define SETUN_DIALECT_TERNARY_IR_TERNARY_H

#include "setun/Dialect/Utils/DestinationOp.h"
#include "setun/Dialect/Utils/Tiling.h"
#include "setun/Support/Packing.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"

#include "setun/Dialect/Ternary/IR/TernaryDialect.h.inc"
#include "setun/Dialect/Ternary/IR/TernaryEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryAttributes.h.inc"
#define GET_OP_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryOps.h.inc"

namespace setun::ternary {

/// Attaches bufferization to the destination ops; called when the dialect is loaded.
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace setun::ternary

#endif // SETUN_DIALECT_TERNARY_IR_TERNARY_H
