//===- DestinationOp.h - What every destination-style op shares -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_DESTINATIONOP_H
#define SETUN_DIALECT_UTILS_DESTINATIONOP_H

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace setun {

/// Reads on every memref input, reads and writes on every memref destination; nothing on tensors.
void getDestinationOpEffects(
    mlir::DestinationStyleOpInterface op,
    llvm::SmallVectorImpl<mlir::SideEffects::EffectInstance<mlir::MemoryEffects::Effect>> &effects);

/// Each result has the sizes of its destination.
llvm::LogicalResult reifyDestinationOpShapes(mlir::DestinationStyleOpInterface op, mlir::OpBuilder &builder,
                                             mlir::ReifiedRankedShapedTypeDims &shapes);

/// (C0 of every destination op) All operands are tensors and there is one result a destination, of its type; or all are
/// memrefs and there is no result.
llvm::LogicalResult verifyDestinationOp(mlir::DestinationStyleOpInterface op);

/// Replaces a destination op on tensors by itself on buffers.
llvm::LogicalResult bufferizeDestinationOp(mlir::RewriterBase &rewriter, mlir::DestinationStyleOpInterface op,
                                           const mlir::bufferization::BufferizationOptions &options,
                                           mlir::bufferization::BufferizationState &state);

/// Bufferization of destination ops, attached to each op by its dialect's registerBufferization. Destinations are
/// written, never read.
template <typename OpTy>
struct DestinationOpBufferization
    : mlir::bufferization::DstBufferizableOpInterfaceExternalModel<DestinationOpBufferization<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(mlir::Operation *op, mlir::OpOperand &operand,
                              const mlir::bufferization::AnalysisState &state) const {
    return mlir::cast<mlir::DestinationStyleOpInterface>(op).isDpsInput(&operand);
  }
  bool bufferizesToMemoryWrite(mlir::Operation *op, mlir::OpOperand &operand,
                               const mlir::bufferization::AnalysisState &state) const {
    return mlir::cast<mlir::DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }
  llvm::LogicalResult bufferize(mlir::Operation *op, mlir::RewriterBase &rewriter,
                                const mlir::bufferization::BufferizationOptions &options,
                                mlir::bufferization::BufferizationState &state) const {
    return bufferizeDestinationOp(rewriter, mlir::cast<mlir::DestinationStyleOpInterface>(op), options, state);
  }
};

} // namespace setun

#endif // SETUN_DIALECT_UTILS_DESTINATIONOP_H
