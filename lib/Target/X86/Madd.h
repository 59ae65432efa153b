//===- Madd.h - Products by pmaddubsw -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Codes {0, 1, 2} times activations, summed in pairs into int16 lanes by one
// instruction; the sum of the activations is taken off at the end, since a code is
// its trit plus one. 256 columns of a row, in two lanes, are 64 sums of at most
// [-512, 508] a lane: exactly int16. Then they are widened.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_X86_MADD_H
#define SETUN_LIB_TARGET_X86_MADD_H

#include "setun/Target/Kernels/Kernels.h"

namespace setun::x86 {

/// 32 unsigned times 32 signed bytes, added in pairs: 16 x int16.
Value maddBytes(KernelBuilder &b, Value codes, Value activations);
/// 16 x int16 added in pairs: 8 x int32.
Value addPairs(KernelBuilder &b, Value words);

/// One token at a time: weights are streamed once, codes stay where they lie in their byte.
void emitMaddDecode(KernelBuilder &b, const Product &p, Value from, Value to);

/// Up to 32 tokens: 16 rows x 256 columns are unpacked once into L1 for tiles of up to six tokens.
void emitMaddTile(KernelBuilder &b, const Product &p, Value from, Value to);

/// Every intrinsic of this folder's kernels as plain arithmetic.
void populateEmulation(mlir::RewritePatternSet &patterns);

} // namespace setun::x86

#endif // SETUN_LIB_TARGET_X86_MADD_H
