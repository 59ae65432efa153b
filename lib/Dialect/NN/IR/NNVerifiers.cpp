//===- NNVerifiers.cpp - Constraints of the nn operations -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"

using namespace mlir;
using namespace setun;
using namespace setun::nn;

LogicalResult RmsNormOp::verify() { return verifyDestinationOp(*this); }
LogicalResult LayerNormOp::verify() { return verifyDestinationOp(*this); }
LogicalResult RotaryEmbeddingOp::verify() { return verifyDestinationOp(*this); }
LogicalResult AttentionOp::verify() { return verifyDestinationOp(*this); }
LogicalResult EmbeddingOp::verify() { return verifyDestinationOp(*this); }
