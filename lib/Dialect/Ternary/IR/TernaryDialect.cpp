//===- TernaryDialect.cpp - The ternary dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

#include "setun/Dialect/Ternary/IR/TernaryDialect.cpp.inc"
#include "setun/Dialect/Ternary/IR/TernaryEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "setun/Dialect/Ternary/IR/TernaryOps.cpp.inc"

void TernaryDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "setun/Dialect/Ternary/IR/TernaryTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "setun/Dialect/Ternary/IR/TernaryAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "setun/Dialect/Ternary/IR/TernaryOps.cpp.inc"
      >();
  declarePromisedInterfaces<bufferization::BufferizableOpInterface, QuantizeOp, NormQuantizeOp, MatmulOp,
                            BitLinearOp>();
}

template <typename... Ops> static void attachBufferization(MLIRContext *context) {
  (Ops::template attachInterface<DestinationOpBufferization<Ops>>(*context), ...);
}

void ternary::registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, TernaryDialect *) {
    attachBufferization<QuantizeOp, NormQuantizeOp, MatmulOp, BitLinearOp>(context);
  });
}

PackedLayout EncodingAttr::getLayout() const {
  return PackedLayout{getBits(), getTileRows(), getTileCols(), getInterleave()};
}

int64_t EncodingAttr::getByteSize(int64_t rows, int64_t cols) const { return getLayout().byteSize(rows, cols); }

EncodingAttr EncodingAttr::getCanonical(MLIRContext *context) { return get(context, 2, 1, 4, 1); }

LogicalResult EncodingAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned bits, int64_t tileRows,
                                   int64_t tileCols, int64_t interleave) {
  if (!PackedLayout{bits, tileRows, tileCols, interleave}.isValid())
    return emitError() << "encoding: needs bits = 2, positive sizes and a tile of whole bytes";
  return success();
}

LogicalResult TritsAttr::verify(function_ref<InFlightDiagnostic()> emitError, EncodingAttr, ElementsAttr bytes) {
  auto type = dyn_cast<RankedTensorType>(bytes.getType());
  if (!type || type.getRank() != 1 || !type.getElementType().isSignlessInteger(8))
    return emitError() << "trits: C1: the bytes must be a tensor<Bxi8>, but are " << bytes.getType();
  return success();
}

Operation *TernaryDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  if (isa<TritType>(getElementTypeOrSelf(type)))
    return ConstantOp::create(builder, loc, type, cast<ElementsAttr>(value));
  return arith::ConstantOp::materialize(builder, value, type, loc);
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

DESTINATION_OP(QuantizeOp, 2)
DESTINATION_OP(NormQuantizeOp, 2)
DESTINATION_OP(MatmulOp, 1)
DESTINATION_OP(BitLinearOp, 1)

SETUN_TILED_OP(QuantizeOp)
SETUN_TILED_OP(NormQuantizeOp)
SETUN_TILED_OP(MatmulOp)
