//===- Kernels.h - Kernel forms that targets share -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each form does tokens [from, to) of a product with a parallel loop of its own.
// All of them are plain vector arithmetic: loads, additions, subtractions,
// selects, compares, and the shifts and masks that unpack.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_KERNELS_KERNELS_H
#define SETUN_TARGET_KERNELS_KERNELS_H

#include "setun/Target/Kernels/KernelBuilder.h"

namespace setun {

/// Few tokens, int8 activations: codes are compared in place and activations added or subtracted under the masks, rows
/// and two columns in the lanes of int16. `vectorBits` says how many rows fit in registers.
void emitSelectAdd(KernelBuilder &b, const Product &p, Value from, Value to, unsigned vectorBits);

/// Many tokens, int8 activations: `lanes` (8, 16 or 32) tokens in the lanes; the signed sums of each four activations
/// are tabulated once, and a row adds one entry for four of its weights.
void emitTableAdd(KernelBuilder &b, const Product &p, Value from, Value to, int64_t lanes, unsigned vectorBits);

/// Float activations, or any with scales: rows in the lanes, columns one after another, each rounded once.
void emitColumnAdd(KernelBuilder &b, const Product &p, Value from, Value to);

/// Pieces of a parallel loop over row blocks that each read about `bytes` of weights.
int64_t getGrain(const Product &p, int64_t bytes);

/// A buffer of minus the sum of each token's activations, for tokens [from, to), at most `most` of them.
Value emitBiases(KernelBuilder &b, const Product &p, Value from, Value to, int64_t most);

/// The whole product from additions and subtractions alone, each number of tokens in the form that suits it.
void emitAddSubProduct(KernelBuilder &b, const Product &p, unsigned vectorBits);

} // namespace setun

#endif // SETUN_TARGET_KERNELS_KERNELS_H
