//===- Tiling.td - Ops that loops can cut ----------------------*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_TILING_TD
#define SETUN_DIALECT_UTILS_TILING_TD

include "setun/Dialect/Utils/DestinationOp.td"
include "mlir/Interfaces/TilingInterface.td"

/// A destination op that can be tiled; SETUN_TILED_OP (Tiling.h) defines the interface by the op's getTileMap().
class TiledDestinationOp<Dialect dialect, string mnemonic, list<Trait> traits = []>
    : DestinationOp<dialect, mnemonic, !listconcat(traits, [
        DeclareOpInterfaceMethods<TilingInterface, [
          "getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation", "getResultTilePosition",
          "getIterationDomainTileFromResultTile", "generateResultTileValue"]>])> {
  let extraClassDeclaration = !strconcat(destinationDecls, [{
    ::setun::TileMap getTileMap();
  }]);
}

#endif // SETUN_DIALECT_UTILS_TILING_TD
