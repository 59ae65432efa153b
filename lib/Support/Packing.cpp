//===- Packing.cpp - Layouts of packed trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Support/Packing.h"

#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <cstring>
#include <limits>

using namespace setun;

static constexpr uint8_t kZeroTrits = 0x55; // four codes of the zero trit

bool PackedLayout::isValid() const {
  auto inRange = [](int64_t size) { return size >= 1 && size <= 4096; };
  return bits == 2 && inRange(tileRows) && inRange(tileCols) && inRange(interleave) && tileCols % (8 / bits) == 0;
}

int64_t PackedLayout::byteSize(int64_t rows, int64_t cols) const {
  auto multiply = [](int64_t a, int64_t b) {
    int64_t product;
    return llvm::MulOverflow(a, b, product) ? std::numeric_limits<int64_t>::max() : product;
  };
  int64_t rowBlocks = llvm::divideCeil(rows, tileRows * interleave), colTiles = llvm::divideCeil(cols, tileCols);
  return multiply(multiply(rowBlocks, colTiles), interleave * (tileRows * tileCols * bits / 8));
}

std::pair<int64_t, unsigned> PackedLayout::locate(int64_t row, int64_t col, int64_t cols) const {
  int64_t tileBytes = tileRows * tileCols * bits / 8, width = tileCols * bits / 8;
  int64_t colTiles = llvm::divideCeil(cols, tileCols);
  int64_t rowTile = row / tileRows, r = row % tileRows, c = col % tileCols;
  int64_t tile = ((rowTile / interleave) * colTiles + col / tileCols) * interleave + rowTile % interleave;
  return {tile * tileBytes + width * r + c % width, static_cast<unsigned>(bits * (c / width))};
}

void setun::packTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<int8_t> trits,
                      llvm::MutableArrayRef<uint8_t> bytes) {
  assert(static_cast<int64_t>(bytes.size()) == layout.byteSize(rows, cols));
  std::memset(bytes.data(), kZeroTrits, bytes.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) {
      auto [byte, shift] = layout.locate(row, col, cols);
      bytes[byte] = (bytes[byte] & ~(3u << shift)) | ((trits[row * cols + col] + 1) << shift);
    }
}

void setun::unpackTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<uint8_t> bytes,
                        llvm::MutableArrayRef<int8_t> trits) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) {
      auto [byte, shift] = layout.locate(row, col, cols);
      trits[row * cols + col] = static_cast<int8_t>((bytes[byte] >> shift) & 3) - 1;
    }
}

void setun::repackTrits(const PackedLayout &from, llvm::ArrayRef<uint8_t> source, const PackedLayout &to,
                        llvm::MutableArrayRef<uint8_t> target, int64_t rows, int64_t cols) {
  std::memset(target.data(), kZeroTrits, target.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) {
      auto [in, inShift] = from.locate(row, col, cols);
      auto [out, outShift] = to.locate(row, col, cols);
      target[out] = (target[out] & ~(3u << outShift)) | (((source[in] >> inShift) & 3) << outShift);
    }
}
