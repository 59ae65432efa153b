//===- ConstantOps.cpp - Trit constants, packing -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints of the operations on trits themselves; numbers are those of
// ConstantOps.td. Their folds are in TritFolds.cpp.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

LogicalResult ConstantOp::verify() {
  auto value = dyn_cast<DenseIntElementsAttr>(getValue());
  if (!value || !value.getElementType().isSignlessInteger(8))
    return emitOpError("C1: `value` must be a dense constant of i8");
  auto isTrit = [](int8_t trit) { return trit >= -1 && trit <= 1; };
  if (value.isSplat() ? !isTrit(value.getSplatValue<int8_t>()) : !llvm::all_of(value.getValues<int8_t>(), isTrit))
    return emitOpError("C1: each element of `value` must be -1, 0 or 1");
  if (value.getType().getShape() != shapeOf(getResult()))
    return emitOpError("C2: the result must have the shape of `value`");
  return success();
}

/// The constraints that pack and unpack share.
template <typename OpTy> static LogicalResult verifyPacked(OpTy op) {
  ArrayRef<int64_t> matrix = shapeOf(op.getTrits()), packed = shapeOf(op.getPacked());
  if (matrix.size() != 2 || ShapedType::isDynamicShape(matrix))
    return op.emitOpError("C1: `trits` must be a static matrix");
  int64_t bytes = op.getEncoding().getByteSize(matrix[0], matrix[1]);
  if (packed.size() != 1 || packed[0] != bytes)
    return op.emitOpError("C2: `packed` must be a tensor<") << bytes << "xi8>, as its `encoding` says";
  return success();
}

LogicalResult PackOp::verify() { return verifyPacked(*this); }
LogicalResult UnpackOp::verify() { return verifyPacked(*this); }

LogicalResult FromIntOp::verify() {
  if (shapeOf(getValues()) != shapeOf(getTrits()))
    return emitOpError("C1: `trits` must have the shape of `values`");
  return success();
}
