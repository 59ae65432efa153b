//===- Verification.h - Words for constraints on shapes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the verifiers of both dialects say with: sizes of tensors and memrefs
// alike, where a dynamic size agrees with every size.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_VERIFICATION_H
#define SETUN_DIALECT_UTILS_VERIFICATION_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/IR/Value.h"

namespace setun {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return mlir::cast<mlir::ShapedType>(value.getType()).getShape();
}
inline mlir::Type elementOf(mlir::Value value) { return mlir::getElementTypeOrSelf(value.getType()); }
inline bool hasRank(mlir::Value value, size_t rank) { return shapeOf(value).size() == rank; }

inline bool sizesAgree(int64_t a, int64_t b) {
  return a == b || mlir::ShapedType::isDynamic(a) || mlir::ShapedType::isDynamic(b);
}
inline bool shapesAgree(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  return llvm::succeeded(mlir::verifyCompatibleShape(a, b));
}
/// Whether `a` is a multiple of `b`, as far as both are known.
inline bool mayDivide(int64_t b, int64_t a) {
  if (mlir::ShapedType::isDynamic(a) || mlir::ShapedType::isDynamic(b))
    return true;
  return b > 0 && a % b == 0;
}
/// The float types in which activations come.
inline bool isActivationFloat(mlir::Type type) { return type.isF32() || type.isF16() || type.isBF16(); }
/// Not a NaN and not an infinity either.
inline bool isFiniteAtLeast(const llvm::APFloat &value, bool orZero) {
  return value.isFinite() && (value.isZero() ? orZero : !value.isNegative());
}

} // namespace setun

#endif // SETUN_DIALECT_UTILS_VERIFICATION_H
