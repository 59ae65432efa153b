//===- MatchAttention.h - Attention as exporters take it apart -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_TRANSFORMS_MATCHATTENTION_H
#define SETUN_DIALECT_NN_TRANSFORMS_MATCHATTENTION_H

#include "setun/Dialect/Utils/Matchers.h"

namespace setun {

struct Attention {
  mlir::Value q, k, v;      // [B, H, S, D], [B, G, T, D], [B, G, T, E]
  std::optional<View> mask; // seen from the scores [B, H, S, T]
  double scale = 1.0, softcap = 0.0;
};

/// The attention whose product of probabilities and values is `product`.
std::optional<Attention> matchAttention(mlir::linalg::BatchMatmulOp product);

/// Keys or values without the repetition that gives each query head its own: [B, G, T, D] for [B, H, T, D].
mlir::Value stripRepeatedHeads(mlir::Value value);

} // namespace setun

#endif // SETUN_DIALECT_NN_TRANSFORMS_MATCHATTENTION_H
