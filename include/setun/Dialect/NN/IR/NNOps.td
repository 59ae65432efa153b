//===- NNOps.td - The nn dialect -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_NNOPS_TD
#define SETUN_DIALECT_NN_IR_NNOPS_TD

include "setun/Dialect/NN/IR/NNBase.td"
include "setun/Dialect/NN/IR/NormOps.td"
include "setun/Dialect/NN/IR/AttentionOps.td"
include "setun/Dialect/NN/IR/EmbeddingOps.td"

#endif // SETUN_DIALECT_NN_IR_NNOPS_TD
