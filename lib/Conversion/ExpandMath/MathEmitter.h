//===- MathEmitter.h - Arithmetic of scalars and vectors alike -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An expansion is written once: `like` gives the shape (a scalar or a vector) and
// every constant and result follows it.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_CONVERSION_EXPANDMATH_MATHEMITTER_H
#define SETUN_LIB_CONVERSION_EXPANDMATH_MATHEMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"

namespace setun {

struct MathEmitter {
  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type like;

  mlir::Type of(mlir::Type element) const {
    auto shaped = mlir::dyn_cast<mlir::ShapedType>(like);
    return shaped ? shaped.clone(element) : element;
  }
  mlir::Type f32() const { return of(b.getF32Type()); }
  mlir::Type f64() const { return of(b.getF64Type()); }
  mlir::Type i16() const { return of(b.getI16Type()); }
  mlir::Type i32() const { return of(b.getI32Type()); }
  mlir::Type i64() const { return of(b.getI64Type()); }

  mlir::Value splat(mlir::Type type, mlir::TypedAttr value) const {
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
      value = mlir::DenseElementsAttr::get(shaped, value);
    return mlir::arith::ConstantOp::create(b, loc, value);
  }
  mlir::Value f(double value) const { return splat(f32(), b.getF32FloatAttr(static_cast<float>(value))); }
  mlir::Value d(double value) const { return splat(f64(), b.getF64FloatAttr(value)); }
  mlir::Value i(int64_t value) const { return splat(i32(), b.getI32IntegerAttr(static_cast<int32_t>(value))); }
  mlir::Value l(int64_t value) const { return splat(i64(), b.getI64IntegerAttr(value)); }

  template <typename OpTy> mlir::Value to(mlir::Type type, mlir::Value x) const {
    return OpTy::create(b, loc, type, x);
  }
  template <typename OpTy> mlir::Value op(mlir::Value x, mlir::Value y) const { return OpTy::create(b, loc, x, y); }
  mlir::Value add(mlir::Value x, mlir::Value y) const { return op<mlir::arith::AddFOp>(x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) const { return op<mlir::arith::SubFOp>(x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) const { return op<mlir::arith::MulFOp>(x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) const { return op<mlir::arith::DivFOp>(x, y); }
  mlir::Value bits(mlir::Type type, mlir::Value x) const { return to<mlir::arith::BitcastOp>(type, x); }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) const {
    return mlir::arith::SelectOp::create(b, loc, condition, x, y);
  }
  mlir::Value cmp(mlir::arith::CmpFPredicate predicate, mlir::Value x, mlir::Value y) const {
    return mlir::arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  mlir::Value cmp(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y) const {
    return mlir::arith::CmpIOp::create(b, loc, predicate, x, y);
  }
};

/// f16 and bf16 to f32 and back, by integer ops. Rounding is half to even.
mlir::Value widenNarrow(const MathEmitter &e, mlir::Value x);
mlir::Value narrowTo(const MathEmitter &e, mlir::Value x, mlir::Type element);

} // namespace setun

#endif // SETUN_LIB_CONVERSION_EXPANDMATH_MATHEMITTER_H
