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
  mlir::Value wide(mlir::Value x) const { return to<mlir::arith::ExtFOp>(f64(), x); }
  mlir::Value narrow(mlir::Value x) const { return to<mlir::arith::TruncFOp>(f32(), x); }
  mlir::Value abs(mlir::Value x) const { return mlir::math::AbsFOp::create(b, loc, x); }
  mlir::Value copySign(mlir::Value x, mlir::Value sign) const { return op<mlir::math::CopySignOp>(x, sign); }
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

/// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule.
mlir::Value polynomial(const MathEmitter &e, mlir::Value x, llvm::ArrayRef<double> coefficients);
/// The nearest integer to `x`, half to even, for |x| < 2^22 (f32) or 2^51 (f64), and the integer itself in `bits`.
mlir::Value nearest(const MathEmitter &e, mlir::Value x, mlir::Value &bits);

// Expansions of math ops on f32, scalar or vector.
mlir::Value expandExp(const MathEmitter &e, mlir::Value x);
mlir::Value expandExp2(const MathEmitter &e, mlir::Value x);
mlir::Value expandExpM1(const MathEmitter &e, mlir::Value x);
mlir::Value expandPow(const MathEmitter &e, mlir::Value x, mlir::Value y);
mlir::Value expandTanh(const MathEmitter &e, mlir::Value x);
mlir::Value expandErf(const MathEmitter &e, mlir::Value x);
/// The logarithm times `scale`.
mlir::Value expandLog(const MathEmitter &e, mlir::Value x, double scale);
mlir::Value expandLog1p(const MathEmitter &e, mlir::Value x);
mlir::Value expandSin(const MathEmitter &e, mlir::Value x);
mlir::Value expandCos(const MathEmitter &e, mlir::Value x);
mlir::Value expandTan(const MathEmitter &e, mlir::Value x);
mlir::Value expandRoundEven(const MathEmitter &e, mlir::Value x);
mlir::Value expandFloor(const MathEmitter &e, mlir::Value x);
mlir::Value expandCeil(const MathEmitter &e, mlir::Value x);
mlir::Value expandTrunc(const MathEmitter &e, mlir::Value x);
mlir::Value expandRound(const MathEmitter &e, mlir::Value x);

// The same in f64 on f64, for |results| of f32: error below 1e-10 of the result.
mlir::Value exp2InF64(const MathEmitter &e, mlir::Value x);
/// log2 of a positive number; -inf, inf or NaN as IEEE 754 has it.
mlir::Value logInF64(const MathEmitter &e, mlir::Value x, double scale);

/// f16 and bf16 to f32 and back, by integer ops. Rounding is half to even.
mlir::Value widenNarrow(const MathEmitter &e, mlir::Value x);
mlir::Value narrowTo(const MathEmitter &e, mlir::Value x, mlir::Type element);
/// f32 rounded to f16 and widened again, in less than half of the ops.
mlir::Value roundToHalf(const MathEmitter &e, mlir::Value x);
/// An f32 or f64 cut to an integer of type `element`; NaN and what does not fit as FloatToInteger.cpp says.
mlir::Value expandToInteger(const MathEmitter &e, mlir::Value x, mlir::Type element, bool isUnsigned);

} // namespace setun

#endif // SETUN_LIB_CONVERSION_EXPANDMATH_MATHEMITTER_H
