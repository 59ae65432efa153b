//===- PrefillKernel.h - A product on tensor cores, one tile a block ------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_PREFILLKERNEL_H
#define SETUN_TARGET_NVPTX_PREFILLKERNEL_H

#include "setun/Target/NVPTX/ProductKernels.h"

namespace setun {
namespace nvptx {

/// What a block of 8 warps computes, and how its warps share it: warpsM * warpsN * warpsK == 8.
struct PrefillTile {
  static constexpr int64_t kThreads = 256;
  static constexpr int64_t kTokens = 8; // of a token tile
  static constexpr int64_t kChunk = 64; // columns: four lines of weights, two steps of mma
  static constexpr int64_t kRows = 32;  // weight rows that a warp reads with 16 bytes a thread

  int64_t tokenTiles;             // of a warp, kTokens tokens each
  int64_t groups;                 // of a warp, kRows weight rows each
  int64_t warpsM, warpsN, warpsK; // over tokens, weight rows, columns
  int64_t chunks;                 // of a stage, a multiple of warpsK
  int64_t stages;                 // of activations in shared memory
  int64_t ahead;                  // stages that weights are read before they are used
  bool wgmma = false; // four warps multiply together (sm_90a): 1, 1, 8, 1 groups and warps, 2 chunks, 1 ahead

  int64_t tokens() const { return kTokens * tokenTiles * warpsM; }
  int64_t rows() const { return kRows * groups * warpsN; }
  int64_t stageColumns() const { return kChunk * chunks; }
  int64_t stageBytes() const { return tokens() * stageColumns(); }
  int64_t chunksOfWarp() const { return chunks / warpsK; }
};

/// The shapes that emitPrefillProduct chooses from; `warpGroups`: with those of sm_90a, which come last.
llvm::ArrayRef<PrefillTile> getPrefillTiles(bool warpGroups);

/// Launches the kernel of one tile shape, for m > 0 and K below kMaxColumns. With `aligned`, rows of x start at
/// multiples of 16 bytes.
void emitPrefillKernel(DeviceBuilder &b, const DeviceProduct &product, const PrefillTile &tile, bool aligned);

/// What the choice among tiles goes by, of an H100: a block takes what its stages take, each the longest of what tensor
/// cores, the caches and a warp's own steps need, and something once. Blocks take turns on `processors`.
constexpr int64_t kProcessors = 132, kMmaCycles10 = 64 /* tenths, of a quarter processor */, kL2BytesPerCycle = 28;
constexpr int64_t kWgmmaPerCycle = 3891 /* multiply-adds of a processor: 95% of its peak */, kL1BytesPerCycle = 128;
int64_t getStageCycles(const PrefillTile &tile);
int64_t getBlockCycles(const PrefillTile &tile);

/// The best tile by that.
struct PrefillPlan {
  const PrefillTile *tile = nullptr;
  double cycles = 0;
  double instructions = 0; // of a thread, a multiply-add
};
PrefillPlan getPrefillPlan(int64_t m, int64_t rows, int64_t k, bool warpGroups, int64_t processors = kProcessors);

/// Sums are 64 times as large until they are done, and must fit int32: 64 * 128 * K < 2^31.
constexpr int64_t kMaxColumns = 1 << 18;

/// An element that an epilogue is called for.
struct EpilogueCall {
  Value m, n;
  Values sums;
};

/// Calls the epilogue for several elements of one thread so that what they read is on its way at the same time: the
/// reading of all comes before the writing of all. So no call may read what another one writes.
void emitEpilogues(DeviceBuilder &b, const Epilogue &epilogue, llvm::ArrayRef<EpilogueCall> calls);

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_PREFILLKERNEL_H
