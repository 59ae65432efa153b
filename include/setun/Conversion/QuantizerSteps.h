//===- QuantizerSteps.h - The arithmetic of activation quantizers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a quantizer does to a row's largest magnitude and to each element. Loops
// and kernels that walk the row differ from target to target; these steps, whose
// roundings decide which way a value near .5 goes, are written once.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_QUANTIZERSTEPS_H
#define SETUN_CONVERSION_QUANTIZERSTEPS_H

#include "setun/Conversion/LoopEmitter.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"

namespace setun {

/// The quantizer's attributes and its arithmetic, in f32 rounded to `element` after each step. A width of 1 is a scalar.
struct QuantizerSteps {
  LoopEmitter &e;
  mlir::Type element;
  ternary::Spelling spelling;
  double qmax, eps;
  llvm::SmallVector<int64_t, 2> clamp;

  /// Of a ternary.quantize or ternary.norm_quantize.
  template <typename OpTy>
  static QuantizerSteps of(LoopEmitter &e, OpTy op) {
    return {e,
            mlir::getElementTypeOrSelf(op.getX().getType()),
            op.getSpelling(),
            op.getQmax().convertToDouble(),
            op.getEps().convertToDouble(),
            llvm::SmallVector<int64_t, 2>(op.getClamp())};
  }

  mlir::Type bitsOf(int64_t width) { return e.lanesOf(e.b.getI32Type(), width); }
  mlir::Value rounded(mlir::Value value);
  mlir::Value number(double value) { return rounded(e.constant(e.b.getF32Type(), value)); }

  /// |x| as bits: magnitudes order as their bits do, and a NaN above infinity.
  mlir::Value magnitudeBits(mlir::Value x, int64_t width);
  /// c = max(absmax, eps), of the largest magnitude's bits.
  mlir::Value clampedMax(mlir::Value bits);
  /// The one number that all elements of a row are multiplied with or divided by.
  mlir::Value factor(mlir::Value c);
  /// The value that is rounded.
  mlir::Value scaled(mlir::Value x, mlir::Value factor, int64_t width);
  /// clamp(roundeven(v)) as i8.
  mlir::Value toInt8(mlir::Value v, int64_t width);
};

} // namespace setun

#endif // SETUN_CONVERSION_QUANTIZERSTEPS_H
