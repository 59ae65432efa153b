//===- Matrix.cpp - Products and copies of matrices by a warp -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fragments lie in the lanes as the PTX manual draws them: with g = lane / 4 and
// t = lane % 4, A's register r holds row g + 8 (r % 2), B's columns g, C's rows g + 8
// (r / 2) and columns 2 t + r % 2.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static float byteOf(uint32_t word, int byte, bool isSigned) {
  uint8_t value = word >> 8 * byte;
  return isSigned ? static_cast<int8_t>(value) : value;
}

/// m16n8k32 and m16n8k16 of bytes, by the count of registers for A. In floats, which hold all such sums exactly, and
/// which every processor multiplies four at a time.
void setun::nvptx::emulator::computeMmaI8(Warp &warp, uint32_t, const Site &site) {
  int numA = site.mode >> kCountShift, numB = numA / 2, depth = 8 * numA;
  bool aSigned = site.mode & kASigned, bSigned = site.mode & kBSigned;
  float a[16][32], b[32][8];
  for (int lane = 0; lane < 32; ++lane) {
    const uint32_t *in = warp.threads[lane].in;
    int group = lane / 4, k = lane % 4 * 4;
    for (int r = 0; r < numA; ++r)
      for (int j = 0; j < 4; ++j)
        a[group + 8 * (r & 1)][k + j + 16 * (r >> 1)] = byteOf(in[r], j, aSigned);
    for (int r = 0; r < numB; ++r)
      for (int j = 0; j < 4; ++j)
        b[k + j + 16 * r][group] = byteOf(in[numA + r], j, bSigned);
  }
  for (int row = 0; row < 16; ++row) {
    float sums[8] = {};
    for (int k = 0; k < depth; ++k)
      for (int column = 0; column < 8; ++column)
        sums[column] += a[row][k] * b[k][column];
    for (int column = 0; column < 8; ++column) {
      Thread &thread = warp.threads[row % 8 * 4 + column / 2];
      int i = row / 8 * 2 + column % 2;
      int64_t total = int64_t(int32_t(thread.in[numA + numB + i])) + static_cast<int32_t>(sums[column]);
      if (site.mode & kSaturate)
        total = std::min<int64_t>(std::max<int64_t>(total, INT32_MIN), INT32_MAX);
      thread.out[i] = static_cast<uint32_t>(total);
    }
  }
}

static float widenHalf(uint16_t bits, bool bf16) {
  if (bf16) {
    uint32_t wide = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
  }
  return halfToFloat(bits);
}

/// m16n8k16 and m16n8k8 of f16 and bf16: sums in double, rounded once, since the order of a GPU's additions is its own.
void setun::nvptx::emulator::computeMmaF16(Warp &warp, uint32_t, const Site &site) {
  int numA = site.mode >> kCountShift, numB = numA / 2, depth = 4 * numA;
  bool bf16 = site.mode & kBF16, narrow = site.mode & kF16Accumulator;
  float a[16][16], b[8][16];
  for (int lane = 0; lane < 32; ++lane) {
    const uint32_t *in = warp.threads[lane].in;
    int group = lane / 4, k = lane % 4 * 2;
    for (int j = 0; j < 2; ++j) {
      for (int r = 0; r < numA; ++r)
        a[group + 8 * (r & 1)][k + j + 8 * (r >> 1)] = widenHalf(in[r] >> 16 * j, bf16);
      for (int r = 0; r < numB; ++r)
        b[group][k + j + 8 * r] = widenHalf(in[numA + r] >> 16 * j, bf16);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    Thread &thread = warp.threads[lane];
    const uint32_t *c = thread.in + numA + numB;
    float results[4];
    for (int i = 0; i < 4; ++i) {
      const float *row = a[lane / 4 + 8 * (i >> 1)], *column = b[lane % 4 * 2 + (i & 1)];
      double sum = 0;
      for (int k = 0; k < depth; ++k)
        sum += double(row[k]) * column[k];
      float start;
      if (narrow)
        start = halfToFloat(c[i / 2] >> 16 * (i & 1));
      else
        std::memcpy(&start, &c[i], 4);
      results[i] = static_cast<float>(sum + start);
    }
    if (narrow)
      for (int i = 0; i < 2; ++i)
        thread.out[i] = floatToHalf(results[2 * i]) | uint32_t(floatToHalf(results[2 * i + 1])) << 16;
    else
      std::memcpy(thread.out, results, sizeof results);
  }
}

/// The row of eight 16-bit elements that lane `lane` points to.
static uint8_t *rowOf(Warp &warp, int lane, const Site &site, Access kind) {
  Thread &thread = warp.threads[lane];
  uint64_t address = uint64_t(thread.in[1]) << 32 | thread.in[0];
  uint64_t offset = address - reinterpret_cast<uint64_t>(warp.block->shared);
  if (offset >= warp.block->sharedSize || warp.block->sharedSize - offset < 16)
    warp.block->machine->fail(thread, formatv("{0} at byte {1} of {2} bytes of shared memory", site.what,
                                              int64_t(offset), warp.block->sharedSize));
  if (address % 16)
    warp.block->machine->fail(
        thread, formatv("{0} at byte {1} of shared memory: rows begin at multiples of 16", site.what, offset));
  if (!warp.block->bytes.empty())
    touchShared(thread, site, address, 16, kind);
  return reinterpret_cast<uint8_t *>(address);
}

void setun::nvptx::emulator::computeLoadMatrix(Warp &warp, uint32_t, const Site &site) {
  int count = site.mode >> kCountShift;
  bool transposed = site.mode & kTransposed;
  for (int tile = 0; tile < count; ++tile) {
    uint16_t rows[8][8];
    for (int row = 0; row < 8; ++row)
      std::memcpy(rows[row], rowOf(warp, 8 * tile + row, site, Access::Load), 16);
    for (int lane = 0; lane < 32; ++lane) {
      int g = lane / 4, t = lane % 4 * 2;
      uint16_t low = transposed ? rows[t][g] : rows[g][t], high = transposed ? rows[t + 1][g] : rows[g][t + 1];
      warp.threads[lane].out[tile] = low | uint32_t(high) << 16;
    }
  }
}

void setun::nvptx::emulator::computeStoreMatrix(Warp &warp, uint32_t, const Site &site) {
  int count = site.mode >> kCountShift;
  bool transposed = site.mode & kTransposed;
  for (int tile = 0; tile < count; ++tile) {
    uint16_t rows[8][8];
    for (int lane = 0; lane < 32; ++lane) {
      int g = lane / 4, t = lane % 4 * 2;
      uint32_t value = warp.threads[lane].in[2 + tile];
      (transposed ? rows[t][g] : rows[g][t]) = value;
      (transposed ? rows[t + 1][g] : rows[g][t + 1]) = value >> 16;
    }
    for (int row = 0; row < 8; ++row)
      std::memcpy(rowOf(warp, 8 * tile + row, site, Access::Store), rows[row], 16);
  }
}
