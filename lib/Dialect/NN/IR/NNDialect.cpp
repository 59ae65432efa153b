//===- NNDialect.cpp - The nn dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace setun;
using namespace setun::nn;

#include "setun/Dialect/NN/IR/NNDialect.cpp.inc"
#define GET_OP_CLASSES
#include "setun/Dialect/NN/IR/NNOps.cpp.inc"

void NNDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "setun/Dialect/NN/IR/NNOps.cpp.inc"
      >();
  declarePromisedInterfaces<bufferization::BufferizableOpInterface,
#define GET_OP_LIST
#include "setun/Dialect/NN/IR/NNOps.cpp.inc"
                            >();
}

template <typename... Ops> static void attachBufferization(MLIRContext *context) {
  (Ops::template attachInterface<DestinationOpBufferization<Ops>>(*context), ...);
}

void nn::registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, NNDialect *) {
    attachBufferization<
#define GET_OP_LIST
#include "setun/Dialect/NN/IR/NNOps.cpp.inc"
        >(context);
  });
}

#define DESTINATION_OP(Op, inits)                                                                                      \
  MutableOperandRange Op::getDpsInitsMutable() { return MutableOperandRange(*this, getNumOperands() - inits, inits); } \
  void Op::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {                  \
    getDestinationOpEffects(*this, effects);                                                                           \
  }                                                                                                                    \
  LogicalResult Op::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {                       \
    return reifyDestinationOpShapes(*this, builder, shapes);                                                           \
  }                                                                                                                    \
  LogicalResult Op::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &) { return memref::foldMemRefCast(*this); }

DESTINATION_OP(RmsNormOp, 1)
DESTINATION_OP(LayerNormOp, 1)
DESTINATION_OP(RotaryEmbeddingOp, 1)
DESTINATION_OP(AttentionOp, (getScratch() ? 2 : 1))
DESTINATION_OP(EmbeddingOp, 1)

SETUN_TILED_OP(RmsNormOp)
SETUN_TILED_OP(LayerNormOp)
