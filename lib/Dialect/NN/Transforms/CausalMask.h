//===- CausalMask.h - What a mask of attention says -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_TRANSFORMS_CAUSALMASK_H
#define SETUN_DIALECT_NN_TRANSFORMS_CAUSALMASK_H

#include "setun/Dialect/Utils/Matchers.h"

#include "mlir/IR/AffineMap.h"

namespace setun {

/// Query i sees keys j <= i + past and, if `window` is not 0, j > i + past - window.
struct CausalMask {
  mlir::AffineMap past; // in symbols
  llvm::SmallVector<mlir::OpFoldResult> symbols;
  int64_t window = 0;
};

/// Proves that a mask over [B, H, S, T], float (0 or hugely negative) or i1 (true where seen), is causal: by following
/// its computation from indices, or by its data. `mask` is seen from the scores; a single query (S = 1) has index 0.
std::optional<CausalMask> matchCausalMask(const View &mask, bool isSingleQuery);

} // namespace setun

#endif // SETUN_DIALECT_NN_TRANSFORMS_CAUSALMASK_H
