//===- QuantizerAttributes.h - What all quantizers check -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_DIALECT_TERNARY_IR_QUANTIZERATTRIBUTES_H
#define SETUN_LIB_DIALECT_TERNARY_IR_QUANTIZERATTRIBUTES_H

#include "setun/Dialect/Utils/Verification.h"

namespace setun::ternary {

/// (C3) and (C4) of quantize, under the numbers that they have in `op`.
template <typename OpTy>
llvm::LogicalResult verifyQuantizer(OpTy op, llvm::StringRef clampNumber, llvm::StringRef qmaxNumber) {
  llvm::ArrayRef<int64_t> clamp = op.getClamp();
  if (clamp.size() != 2 || clamp[0] < -128 || clamp[0] >= clamp[1] || clamp[1] > 127)
    return op.emitOpError() << clampNumber << ": `clamp` must be two bounds with -128 <= clamp[0] < clamp[1] <= 127";
  if (!isFiniteAtLeast(op.getQmax(), /*orZero=*/false))
    return op.emitOpError() << qmaxNumber << ": `qmax` must be positive and finite";
  if (!isFiniteAtLeast(op.getEps(), /*orZero=*/true))
    return op.emitOpError() << qmaxNumber << ": `eps` must be finite and not negative";
  return llvm::success();
}

} // namespace setun::ternary

#endif // SETUN_LIB_DIALECT_TERNARY_IR_QUANTIZERATTRIBUTES_H
