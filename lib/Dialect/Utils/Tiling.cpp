//===- Tiling.cpp - Tiles of destination ops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Tiling.h"

#include "setun/Dialect/Utils/Verification.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace setun;

TileMap setun::getTokenTileMap(DestinationStyleOpInterface op, ArrayRef<Value> shared) {
  TileMap map;
  map.loops = shapeOf(op->getOperand(0)).size() - 1;
  for (Value operand : op->getOperands()) {
    OperandLoops loops(shapeOf(operand).size(), kWhole);
    if (!llvm::is_contained(shared, operand))
      for (unsigned loop = 0; loop < map.loops && loop < loops.size(); ++loop)
        loops[loop] = loop;
    map.operands.push_back(loops);
  }
  return map;
}

static SmallVector<OpFoldResult> getSizes(OpBuilder &builder, Location loc, Value value) {
  return isa<MemRefType>(value.getType()) ? memref::getMixedSizes(builder, loc, value)
                                          : tensor::getMixedSizes(builder, loc, value);
}

SmallVector<Range> setun::getTileDomain(DestinationStyleOpInterface op, const TileMap &map, OpBuilder &builder) {
  if (map.loops == 0)
    return {};
  OpOperand &init = *op.getDpsInitOperand(0);
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  SmallVector<OpFoldResult> sizes = getSizes(builder, op.getLoc(), init.get());
  SmallVector<Range> domain(map.loops, Range{zero, zero, one});
  for (auto [size, loop] : llvm::zip_equal(sizes, map.operands[init.getOperandNumber()]))
    if (loop != kWhole)
      domain[loop].size = size;
  return domain;
}

/// The tile of one operand, given the tile of the loops.
static void getOperandTile(OpBuilder &builder, OpOperand &operand, const TileMap &map, ArrayRef<OpFoldResult> offsets,
                           ArrayRef<OpFoldResult> sizes, SmallVectorImpl<OpFoldResult> &operandOffsets,
                           SmallVectorImpl<OpFoldResult> &operandSizes) {
  SmallVector<OpFoldResult> whole = getSizes(builder, operand.getOwner()->getLoc(), operand.get());
  for (auto [size, loop] : llvm::zip_equal(whole, map.operands[operand.getOperandNumber()])) {
    operandOffsets.push_back(loop == kWhole ? OpFoldResult(builder.getIndexAttr(0)) : offsets[loop]);
    operandSizes.push_back(loop == kWhole ? size : sizes[loop]);
  }
}

FailureOr<TilingResult> setun::makeTile(DestinationStyleOpInterface op, const TileMap &map, OpBuilder &builder,
                                        ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes) {
  if (map.loops == 0 || offsets.size() != map.loops)
    return failure();
  TilingResult result;
  SmallVector<Value> operands;
  SmallVector<Type> types;
  for (OpOperand &operand : op->getOpOperands()) {
    if (llvm::all_of(map.operands[operand.getOperandNumber()], [](int loop) { return loop == kWhole; })) {
      operands.push_back(operand.get());
      continue;
    }
    SmallVector<OpFoldResult> sliceOffsets, sliceSizes;
    getOperandTile(builder, operand, map, offsets, sizes, sliceOffsets, sliceSizes);
    SmallVector<OpFoldResult> strides(sliceSizes.size(), builder.getIndexAttr(1));
    Operation *slice =
        isa<MemRefType>(operand.get().getType())
            ? memref::SubViewOp::create(builder, op.getLoc(), operand.get(), sliceOffsets, sliceSizes, strides)
            : (Operation *)tensor::ExtractSliceOp::create(builder, op.getLoc(), operand.get(), sliceOffsets, sliceSizes,
                                                          strides);
    result.generatedSlices.push_back(slice);
    operands.push_back(slice->getResult(0));
    if (op.isDpsInit(&operand) && op->getNumResults())
      types.push_back(slice->getResult(0).getType());
  }
  Operation *tile = clone(builder, op, types, operands);
  result.tiledOps.push_back(tile);
  result.tiledValues.assign(tile->result_begin(), tile->result_end());
  return result;
}

void setun::getResultTile(DestinationStyleOpInterface op, const TileMap &map, OpBuilder &builder, unsigned result,
                          ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                          SmallVectorImpl<OpFoldResult> &resultOffsets, SmallVectorImpl<OpFoldResult> &resultSizes) {
  getOperandTile(builder, *op.getDpsInitOperand(result), map, offsets, sizes, resultOffsets, resultSizes);
}

LogicalResult setun::getLoopTile(DestinationStyleOpInterface op, const TileMap &map, unsigned result,
                                 ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                                 SmallVectorImpl<OpFoldResult> &loopOffsets, SmallVectorImpl<OpFoldResult> &loopSizes) {
  OpOperand &init = *op.getDpsInitOperand(result);
  loopOffsets.resize(map.loops);
  loopSizes.resize(map.loops);
  for (auto [dim, loop] : llvm::enumerate(map.operands[init.getOperandNumber()])) {
    if (loop != kWhole) {
      loopOffsets[loop] = offsets[dim];
      loopSizes[loop] = sizes[dim];
    } else if (!isZeroInteger(offsets[dim]) || getConstantIntValue(sizes[dim]) != shapeOf(init.get())[dim]) {
      return failure();
    }
  }
  return success();
}
