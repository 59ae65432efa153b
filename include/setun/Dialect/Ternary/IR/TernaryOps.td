//===- TernaryOps.td - Operations of ternary -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_TERNARYOPS_TD
#define SETUN_DIALECT_TERNARY_IR_TERNARYOPS_TD

include "setun/Dialect/Ternary/IR/ConstantOps.td"
include "setun/Dialect/Ternary/IR/ProductOps.td"
include "setun/Dialect/Ternary/IR/QuantizeOps.td"

#endif // SETUN_DIALECT_TERNARY_IR_TERNARYOPS_TD
