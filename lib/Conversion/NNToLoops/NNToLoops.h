//===- NNToLoops.h - Lowerings of the nn dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_CONVERSION_NNTOLOOPS_NNTOLOOPS_H
#define SETUN_LIB_CONVERSION_NNTOLOOPS_NNTOLOOPS_H

#include "../Utils/RowEmitter.h"
#include "setun/Dialect/NN/IR/NN.h"

namespace setun {

void emitNorm(LoopEmitter &e, nn::RmsNormOp op);
void emitNorm(LoopEmitter &e, nn::LayerNormOp op);
void emitEmbedding(LoopEmitter &e, nn::EmbeddingOp op);
void emitRotaryEmbedding(LoopEmitter &e, nn::RotaryEmbeddingOp op);
void emitAttention(LoopEmitter &e, nn::AttentionOp op);

/// `index` in a dimension of `buffer` whose size is that of the iteration or 1.
inline mlir::Value broadcastIndex(LoopEmitter &e, mlir::Value buffer, int64_t dim, mlir::Value index) {
  mlir::Value size = e.size(buffer, dim);
  if (mlir::getConstantIntValue(size) == 1)
    return e.index(0);
  if (mlir::getConstantIntValue(size))
    return index;
  return e.min(index, e.sub(size, e.index(1)));
}

} // namespace setun

#endif // SETUN_LIB_CONVERSION_NNTOLOOPS_NNTOLOOPS_H
