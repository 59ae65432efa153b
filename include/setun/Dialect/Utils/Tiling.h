//===- Tiling.h - Tiles of destination ops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// TilingInterface for ops of both dialects. All that an op has to say is which
// loop walks which dimension of which operand; loops are the parallel
// dimensions of its results, and a dimension without a loop is never cut.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_TILING_H
#define SETUN_DIALECT_UTILS_TILING_H

#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace setun {

/// The loop of each dimension of one operand, or kWhole.
using OperandLoops = llvm::SmallVector<int, 4>;
constexpr int kWhole = -1;

/// How one op is tiled: `operands` has an entry for each operand, and every loop is in each destination's entry.
struct TileMap {
  unsigned loops = 0;
  llvm::SmallVector<OperandLoops> operands;
};

/// Loops over the tokens of a row-wise op: leading dimensions of the first operand; `shared` operands are read whole.
TileMap getTokenTileMap(mlir::DestinationStyleOpInterface op, llvm::ArrayRef<mlir::Value> shared);

llvm::SmallVector<mlir::Range> getTileDomain(mlir::DestinationStyleOpInterface op, const TileMap &map,
                                             mlir::OpBuilder &builder);
/// The op on slices of its operands.
mlir::FailureOr<mlir::TilingResult> makeTile(mlir::DestinationStyleOpInterface op, const TileMap &map,
                                             mlir::OpBuilder &builder, llvm::ArrayRef<mlir::OpFoldResult> offsets,
                                             llvm::ArrayRef<mlir::OpFoldResult> sizes);
/// Where a tile of the loops lies in a result.
void getResultTile(mlir::DestinationStyleOpInterface op, const TileMap &map, mlir::OpBuilder &builder, unsigned result,
                   llvm::ArrayRef<mlir::OpFoldResult> offsets, llvm::ArrayRef<mlir::OpFoldResult> sizes,
                   llvm::SmallVectorImpl<mlir::OpFoldResult> &resultOffsets,
                   llvm::SmallVectorImpl<mlir::OpFoldResult> &resultSizes);
/// The opposite; fails where the slice of the result cuts a dimension that no loop walks.
llvm::LogicalResult getLoopTile(mlir::DestinationStyleOpInterface op, const TileMap &map, unsigned result,
                                llvm::ArrayRef<mlir::OpFoldResult> offsets, llvm::ArrayRef<mlir::OpFoldResult> sizes,
                                llvm::SmallVectorImpl<mlir::OpFoldResult> &loopOffsets,
                                llvm::SmallVectorImpl<mlir::OpFoldResult> &loopSizes);

} // namespace setun

/// Defines the methods that TiledDestinationOp declares; Op::getTileMap() is the op's own.
#define SETUN_TILED_OP(Op)                                                                                             \
  SmallVector<utils::IteratorType> Op::getLoopIteratorTypes() {                                                        \
    return SmallVector<utils::IteratorType>(getTileMap().loops, utils::IteratorType::parallel);                        \
  }                                                                                                                    \
  SmallVector<Range> Op::getIterationDomain(OpBuilder &builder) {                                                      \
    return getTileDomain(*this, getTileMap(), builder);                                                                \
  }                                                                                                                    \
  FailureOr<TilingResult> Op::getTiledImplementation(OpBuilder &builder, ArrayRef<OpFoldResult> offsets,               \
                                                     ArrayRef<OpFoldResult> sizes) {                                   \
    return makeTile(*this, getTileMap(), builder, offsets, sizes);                                                     \
  }                                                                                                                    \
  LogicalResult Op::getResultTilePosition(OpBuilder &builder, unsigned result, ArrayRef<OpFoldResult> offsets,         \
                                          ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,      \
                                          SmallVector<OpFoldResult> &resultSizes) {                                    \
    getResultTile(*this, getTileMap(), builder, result, offsets, sizes, resultOffsets, resultSizes);                   \
    return success();                                                                                                  \
  }                                                                                                                    \
  LogicalResult Op::getIterationDomainTileFromResultTile(                                                              \
      OpBuilder &, unsigned result, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,                      \
      SmallVectorImpl<OpFoldResult> &loopOffsets, SmallVectorImpl<OpFoldResult> &loopSizes) {                          \
    return getLoopTile(*this, getTileMap(), result, offsets, sizes, loopOffsets, loopSizes);                           \
  }                                                                                                                    \
  FailureOr<TilingResult> Op::generateResultTileValue(OpBuilder &builder, unsigned result,                             \
                                                      ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes) {  \
    SmallVector<OpFoldResult> loopOffsets, loopSizes;                                                                  \
    if (failed(getLoopTile(*this, getTileMap(), result, offsets, sizes, loopOffsets, loopSizes)))                      \
      return failure();                                                                                                \
    FailureOr<TilingResult> tile = makeTile(*this, getTileMap(), builder, loopOffsets, loopSizes);                     \
    if (failed(tile))                                                                                                  \
      return failure();                                                                                                \
    tile->tiledValues = {tile->tiledValues[result]};                                                                   \
    return tile;                                                                                                       \
  }

#endif // SETUN_DIALECT_UTILS_TILING_H
