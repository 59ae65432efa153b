//===- DestinationOp.td - Ops in destination style -------------*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The base of every computing op of both dialects: inputs, then destinations,
// as in linalg. On tensors the op returns one result for each destination; on
// memrefs it returns nothing and writes them. Bufferization, memory effects and
// result shapes follow from that alone (DestinationOp.h).
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_DESTINATIONOP_TD
#define SETUN_DIALECT_UTILS_DESTINATIONOP_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// A tensor or memref with a rank; element types are the verifier's business.
def AnyBuffer : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>;

class DestinationOp<Dialect dialect, string mnemonic, list<Trait> traits = []>
    : Op<dialect, mnemonic, !listconcat(traits, [
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>])> {
  let hasVerifier = 1;
  let hasFolder = 1;
  /// The op's destinations are its last operands. Ops that declare more append to this.
  code destinationDecls = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
  }];
  let extraClassDeclaration = destinationDecls;
}

#endif // SETUN_DIALECT_UTILS_DESTINATIONOP_TD
