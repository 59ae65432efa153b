//===- PrefillProduct.cpp - Products of many tokens -----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which tile a product takes. Every tile is right for every size; they differ in how many blocks there are and in how
// often weights and activations are read, and what is best changes with the number of tokens, which only the host
// knows. So it compares a few predicted times before it launches; where sizes are constants, here and now.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/PrefillKernel.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

// Token tiles, row groups, warps over tokens, rows and columns, chunks a stage, stages, stages ahead. Where there are
// few blocks, warps share K.
static constexpr PrefillTile kTiles[] = {
    {2, 1, 1, 1, 8, 8, 4, 2}, //  16 tokens x  32 rows
    {2, 1, 1, 2, 4, 4, 6, 3}, //  16 x  64
    {2, 1, 1, 4, 2, 4, 4, 2}, //  16 x 128
    {4, 1, 1, 1, 8, 8, 3, 2}, //  32 x  32
    {4, 1, 1, 2, 4, 4, 4, 2}, //  32 x  64
    {4, 1, 1, 4, 2, 4, 4, 1}, //  32 x 128
    {8, 1, 1, 2, 4, 4, 3, 2}, //  64 x  64
    {8, 1, 1, 4, 2, 2, 4, 2}, //  64 x 128
    {6, 1, 2, 4, 1, 2, 3, 1}, //  96 x 128
    {8, 1, 2, 4, 1, 2, 3, 1}, // 128 x 128
    {8, 2, 2, 4, 1, 2, 3, 1}, // 128 x 256
    // With wgmma, 256 rows: weights are a quarter of what activations are, so many rows and fewer tokens read least.
    {4, 1, 1, 8, 1, 2, 8, 1, true},  //  32 x 256
    {6, 1, 1, 8, 1, 2, 8, 1, true},  //  48 x 256
    {8, 1, 1, 8, 1, 2, 6, 1, true},  //  64 x 256
    {10, 1, 1, 8, 1, 2, 4, 1, true}, //  80 x 256
    {12, 1, 1, 8, 1, 2, 4, 1, true}, //  96 x 256
    {16, 1, 1, 8, 1, 2, 3, 1, true}, // 128 x 256
};

/// Number of tokens for which the best tiles are kept where it is not known.
static constexpr int64_t kTypicalTokens[] = {16, 32, 64, 256, 512, 2048};

llvm::ArrayRef<PrefillTile> nvptx::getPrefillTiles(bool warpGroups) {
  llvm::ArrayRef<PrefillTile> tiles = kTiles;
  return warpGroups ? tiles : tiles.take_while([](const PrefillTile &tile) { return !tile.wgmma; });
}

int64_t nvptx::getStageCycles(const PrefillTile &tile) {
  int64_t products = tile.tokens() * tile.rows() * tile.stageColumns();
  int64_t tensor = tile.wgmma ? products / kWgmmaPerCycle : products * kMmaCycles10 / (16 * 8 * 32 * 4 * 10);
  int64_t packed = tile.rows() * tile.stageColumns() / 4;
  int64_t read = (tile.stageBytes() + packed) / kL2BytesPerCycle;
  // Products of 64 rows each read the activations; four threads read the same weights.
  int64_t inside = tile.wgmma ? (tile.stageBytes() * (1 + tile.rows() / 64) + 4 * packed) / kL1BytesPerCycle : 0;
  return std::max({tensor, read, inside, 150 + 80 * tile.chunksOfWarp()});
}

int64_t nvptx::getBlockCycles(const PrefillTile &tile) { return 2000 + tile.tokens() * tile.rows() / 16; }

PrefillPlan nvptx::getPrefillPlan(int64_t m, int64_t rows, int64_t k, bool warpGroups, int64_t processors) {
  PrefillPlan plan;
  for (const PrefillTile &tile : getPrefillTiles(warpGroups)) {
    int64_t blocks = llvm::divideCeil(m, tile.tokens()) * llvm::divideCeil(rows, tile.rows());
    int64_t stages = llvm::divideCeil(k, tile.stageColumns());
    double cycles = static_cast<double>(llvm::divideCeil(blocks, processors)) *
                    (getBlockCycles(tile) + stages * getStageCycles(tile));
    if (plan.tile && cycles >= plan.cycles)
      continue;
    if (tile.wgmma) {
      // Of one warp and chunk: two products of 64 rows each step, 16 words to decode for two instructions each, four
      // loads; and 94 a stage to describe tokens, wait, copy and steer.
      plan = {&tile, cycles, (4 + 32 + 4 + 94.0 / tile.chunks) / (tile.tokens() * PrefillTile::kChunk)};
      continue;
    }
    // Of one warp and chunk: matrices; 8 to decode each word of 4; what is read; and 42 a stage to wait, copy and
    // steer.
    double matrices = 4 * tile.tokenTiles * tile.groups, decode = 32 * tile.groups;
    double chunk = matrices + decode + tile.tokenTiles + tile.groups + 42.0 / tile.chunksOfWarp();
    plan = {&tile, cycles, chunk * 32 / (matrices * 16 * 8 * 32)};
  }
  return plan;
}

namespace {

/// getPrefillPlan's time of one tile, as the host computes it.
Value emitCycles(KernelBuilder &b, const PrefillTile &tile, Value m, Value rows, Value k) {
  Value blocks = b.mul(b.ceilDiv(m, tile.tokens()), b.ceilDiv(rows, tile.rows()));
  Value stages = b.ceilDiv(k, tile.stageColumns());
  Value cycles = b.add(b.mul(stages, getStageCycles(tile)), getBlockCycles(tile));
  return b.mul(b.ceilDiv(blocks, kProcessors), cycles);
}

const PrefillTile *findBest(KernelBuilder &b, int64_t m, Value rows, Value k, bool warpGroups) {
  const PrefillTile *best = nullptr;
  int64_t least = 0;
  for (const PrefillTile &tile : getPrefillTiles(warpGroups)) {
    std::optional<int64_t> cycles = getConstant(emitCycles(b, tile, b.index(m), rows, k));
    if (cycles && (!best || *cycles < least))
      best = &tile, least = *cycles;
  }
  return best;
}

/// Tiles to choose from at run time.
llvm::SmallVector<const PrefillTile *> getCandidates(KernelBuilder &b, const Product &p, bool warpGroups) {
  if (auto m = getConstant(p.m))
    if (const PrefillTile *best = findBest(b, *m, p.n, p.k, warpGroups))
      return {best};
  llvm::SmallVector<const PrefillTile *> tiles;
  for (int64_t m : kTypicalTokens) {
    const PrefillTile *best = findBest(b, m, p.n, p.k, warpGroups);
    if (best && !llvm::is_contained(tiles, best))
      tiles.push_back(best);
  }
  if (tiles.empty()) // sizes that are not known
    tiles = {&kTiles[1], &kTiles[4], &kTiles[7], warpGroups ? &kTiles[13] : &kTiles[9]};
  return tiles;
}

/// Whether rows of x start at multiples of 16 bytes.
Value isAligned(DeviceBuilder &b, const Product &p) {
  auto parts = memref::ExtractStridedMetadataOp::create(b, p.x);
  Value start = b.createOrFold<memref::ExtractAlignedPointerAsIndexOp>(parts.getBaseBuffer());
  Value all = b.createOrFold<arith::OrIOp>(b.add(start, parts.getOffset()), p.xStride);
  return b.equals(b.bitAnd(all, 15), 0);
}

void emitAligned(DeviceBuilder &b, const DeviceProduct &product) {
  const Product &p = product.p;
  llvm::SmallVector<const PrefillTile *> tiles = getCandidates(b, p, product.warpGroups);
  Value best = b.index(0), least;
  for (auto [i, tile] : llvm::enumerate(tiles)) {
    Value cycles = emitCycles(b, *tile, p.m, p.n, p.k);
    Value less = least ? b.cmp(arith::CmpIPredicate::slt, cycles, least) : Value();
    best = less ? b.select(less, b.index(i), best) : best;
    least = less ? b.select(less, cycles, least) : cycles;
  }
  for (auto [i, tile] : llvm::enumerate(tiles))
    b.branch(b.equals(best, i), [&, tile = tile] { emitPrefillKernel(b, product, *tile, /*aligned=*/true); });
}

} // namespace

void nvptx::emitPrefillProduct(DeviceBuilder &b, const DeviceProduct &product) {
  const Product &p = product.p;
  auto emit = [&] {
    b.branch(
        isAligned(b, p), [&] { emitAligned(b, product); },
        [&] { emitPrefillKernel(b, product, kTiles[4], /*aligned=*/false); });
  };
  b.branch(b.cmp(arith::CmpIPredicate::sgt, p.m, b.index(0)), [&] {
    b.branch(b.cmp(arith::CmpIPredicate::slt, p.k, b.index(kMaxColumns)), emit, [&] { emitDecodeProduct(b, product); });
  });
}
