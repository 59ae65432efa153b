//===- ProductBlock.h - What a block of a dense product is made of -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_CONVERSION_DENSETOLOOPS_PRODUCTBLOCK_H
#define SETUN_LIB_CONVERSION_DENSETOLOOPS_PRODUCTBLOCK_H

#include "setun/Conversion/Contraction.h"

namespace setun {

/// Rows of the largest block, and columns of one whose right operand is [N, K].
constexpr int64_t kBlockRows = 64;
constexpr int64_t kDotColumns = 16;

/// Rows [mFrom, mTo) and columns [nFrom, nTo) of the result, at the batch indices in `ivs`.
struct ProductBlock {
  llvm::SmallVector<mlir::Value> ivs;
  mlir::Value mFrom, mTo, nFrom, nTo;
  /// What is known to divide the numbers of rows and columns of this block.
  int64_t mMultiple = 1, nMultiple = 1;
};

void emitDotBlock(LoopEmitter &e, const Contraction &op, const ProductBlock &block);
void emitColumnBlock(LoopEmitter &e, const Contraction &op, const ProductBlock &block, int64_t maxColumns);

} // namespace setun

#endif // SETUN_LIB_CONVERSION_DENSETOLOOPS_PRODUCTBLOCK_H
