//===- DestinationOp.cpp - What every destination-style op shares ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/DestinationOp.h"

using namespace mlir;

void setun::getDestinationOpEffects(DestinationStyleOpInterface op,
                                    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

LogicalResult setun::reifyDestinationOpShapes(DestinationStyleOpInterface op, OpBuilder &builder,
                                              ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : op.getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, op.getLoc(), init));
  return success();
}

LogicalResult setun::verifyDestinationOp(DestinationStyleOpInterface op) {
  unsigned tensors = 0, memrefs = 0;
  for (Type type : op->getOperandTypes()) {
    tensors += isa<RankedTensorType>(type);
    memrefs += isa<MemRefType>(type);
  }
  if (tensors && memrefs)
    return op.emitOpError("C0: operands must be all tensors or all memrefs");
  if (memrefs)
    return op->getNumResults() == 0 ? success() : op.emitOpError("C0: has no results on memrefs");
  if (op->getNumResults() != static_cast<unsigned>(op.getNumDpsInits()))
    return op.emitOpError("C0: needs one result for each destination");
  for (auto [init, result] : llvm::zip_equal(op.getDpsInits(), op->getResults()))
    if (init.getType() != result.getType())
      return op.emitOpError("C0: result type ")
             << result.getType() << " differs from its destination's " << init.getType();
  return success();
}

LogicalResult setun::bufferizeDestinationOp(RewriterBase &rewriter, DestinationStyleOpInterface op,
                                            const bufferization::BufferizationOptions &options,
                                            bufferization::BufferizationState &state) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  SmallVector<Value> operands, results;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<TensorType>(operand.get().getType())) {
      operands.push_back(operand.get());
      continue;
    }
    FailureOr<Value> buffer = bufferization::getBuffer(rewriter, operand.get(), options, state);
    if (failed(buffer))
      return failure();
    operands.push_back(*buffer);
    if (op.isDpsInit(&operand))
      results.push_back(*buffer);
  }
  clone(rewriter, op, TypeRange{}, operands);
  bufferization::replaceOpWithBufferizedValues(rewriter, op, results);
  return success();
}
