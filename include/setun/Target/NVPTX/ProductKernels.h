//===- ProductKernels.h - Ternary products on CUDA devices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between the kernels of products, which are written once a form, and what stands
// around a product in its step: what makes the activations before it and what
// happens to its sums after it. docs/targets/cuda.md draws the layouts.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_PRODUCTKERNELS_H
#define SETUN_TARGET_NVPTX_PRODUCTKERNELS_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include <functional>

namespace setun {
namespace nvptx {

/// What happens to the sums of one token and one column. A kernel calls it in exactly one thread for each token m and
/// each column n below the product's `columns`, with one sum (i32, or f32 for float activations and grouped scales)
/// for each of its `companions`: of the weight's row n + companions[i].
using Epilogue = std::function<void(DeviceBuilder &b, Value m, Value n, ValueRange sums)>;

/// Activations made by the kernel itself, of one token at a time: every block makes all it needs of them. A grid's y
/// counts the tokens, so weights are read again for each; of several, make them in a kernel before.
struct Prologue {
  /// Emits code, run by all threads of a block, that fills `words` (i32, ceil(k / 4) words rounded up to a multiple of
  /// 4, in shared memory; bytes past k zero) with token m's int8 activations. It may use barriers and ends with one.
  /// What the epilogue needs of it (scales) it keeps itself.
  std::function<void(DeviceBuilder &b, const Threads &t, Value m, Value words)> quantize;
};

/// A product as a kernel sees it.
struct DeviceProduct {
  Product p;                             // flattened operands; p.x unused with a prologue
  llvm::SmallVector<int64_t> companions; // offsets of weight rows whose sums belong together: {0}, or {0, n / 2}
  Value columns;                         // columns of the epilogue: n / companions.size()
  Epilogue epilogue;                     // never empty; the plain one stores into p.acc
  std::optional<Prologue> prologue;      // of decode kernels only, where takesPrologue
  /// Launched while the kernel before may still run (sm_90 and later): the kernel asks for weights first and waits for
  /// that kernel's end before it reads or writes anything else. Its pointers must not be noalias or readonly.
  bool dependent = false;
  /// For sm_90a alone: prefill kernels may use wgmma.
  bool warpGroups = false;
};

/// Whether a decode kernel can take a prologue: K is known, and a token fits in shared memory.
bool takesPrologue(const Product &p);

/// Wraps a product that stands alone: one companion, sums stored into p.acc.
DeviceProduct makePlainProduct(DeviceBuilder &b, const Product &p);

/// Decode: 2-bit weights, dp4a, 16-byte loads, several rows a warp; exact for any m, meant for up to kDecodeTokens.
constexpr int64_t kDecodeTokens = 8;
void emitDecodeProduct(DeviceBuilder &b, const DeviceProduct &product);
/// Prefill: int8 tensor cores, for any m; meant for more than kDecodeTokens. One or two companions; no prologue. What
/// an epilogue reads, no other call of it may write: reading is moved before the writing of its neighbours.
void emitPrefillProduct(DeviceBuilder &b, const DeviceProduct &product);
/// Additions and subtractions alone, any activation type, grouped scales too; no prologue.
void emitAdditionProduct(DeviceBuilder &b, const DeviceProduct &product);

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_PRODUCTKERNELS_H
