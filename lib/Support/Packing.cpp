//===- Packing.cpp - Layouts of packed trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Support/Packing.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

using namespace setun;

static constexpr uint8_t kZeroTrits = 0x55; // four codes of the zero trit

bool PackedLayout::isValid() const {
  auto inRange = [](int64_t size) { return size >= 1 && size <= 4096; };
  return bits == 2 && inRange(tileRows) && inRange(tileCols) && inRange(interleave) && tileCols % (8 / bits) == 0;
}

bool PackedLayout::operator==(const PackedLayout &other) const {
  return std::tie(bits, tileRows, tileCols, interleave) ==
         std::tie(other.bits, other.tileRows, other.tileCols, other.interleave);
}

std::string PackedLayout::str() const { return llvm::formatv("{0}x{1}x{2}x{3}", bits, tileRows, tileCols, interleave); }

std::optional<PackedLayout> PackedLayout::parse(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, 'x');
  PackedLayout layout;
  if (parts.size() != 4 || parts[0].getAsInteger(10, layout.bits) || parts[1].getAsInteger(10, layout.tileRows) ||
      parts[2].getAsInteger(10, layout.tileCols) || parts[3].getAsInteger(10, layout.interleave) || !layout.isValid())
    return std::nullopt;
  return layout;
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

namespace {

/// The bytes of one row of a packed matrix: `width` bytes a tile, the tiles `stride` bytes apart. The codes of a row
/// pass through a buffer of one byte a trit, so that any layout becomes any other without a division a trit.
struct PackedRow {
  PackedRow(const PackedLayout &layout, int64_t row, int64_t cols)
      : width(layout.tileCols / 4), stride(layout.interleave * layout.tileRows * width),
        tiles(llvm::divideCeil(cols, layout.tileCols)), begin(layout.locate(row, 0, cols).first) {}

  void decode(const uint8_t *bytes, uint8_t *codes) const;
  void encode(const uint8_t *codes, uint8_t *bytes) const;

  int64_t width, stride, tiles, begin;
};

} // namespace

/// Every byte of a word at once. Codes fill two bits of each byte, so that no shift carries into the next one, whatever
/// the byte order.
template <typename Word> static void decodeWords(const uint8_t *bytes, uint8_t *codes, int64_t width) {
  constexpr Word mask = static_cast<Word>(0x0303030303030303);
  for (int64_t j = 0; j < width; j += sizeof(Word)) {
    Word packed;
    std::memcpy(&packed, bytes + j, sizeof(Word));
    for (int p = 0; p < 4; ++p) {
      Word part = (packed >> (2 * p)) & mask;
      std::memcpy(codes + p * width + j, &part, sizeof(Word));
    }
  }
}

template <typename Word> static void encodeWords(const uint8_t *codes, uint8_t *bytes, int64_t width) {
  for (int64_t j = 0; j < width; j += sizeof(Word)) {
    Word packed = 0;
    for (int p = 0; p < 4; ++p) {
      Word part;
      std::memcpy(&part, codes + p * width + j, sizeof(Word));
      packed |= part << (2 * p);
    }
    std::memcpy(bytes + j, &packed, sizeof(Word));
  }
}

void PackedRow::decode(const uint8_t *bytes, uint8_t *codes) const {
  if (tiles == 0)
    return; // no bytes to point into
  bytes += begin;
  for (int64_t tile = 0; tile < tiles; ++tile, bytes += stride, codes += 4 * width) {
    if (width % 8 == 0)
      decodeWords<uint64_t>(bytes, codes, width);
    else if (width % 4 == 0)
      decodeWords<uint32_t>(bytes, codes, width);
    else
      decodeWords<uint8_t>(bytes, codes, width);
  }
}

void PackedRow::encode(const uint8_t *codes, uint8_t *bytes) const {
  if (tiles == 0)
    return; // no bytes to point into
  bytes += begin;
  for (int64_t tile = 0; tile < tiles; ++tile, bytes += stride, codes += 4 * width) {
    if (width % 8 == 0)
      encodeWords<uint64_t>(codes, bytes, width);
    else if (width % 4 == 0)
      encodeWords<uint32_t>(codes, bytes, width);
    else
      encodeWords<uint8_t>(codes, bytes, width);
  }
}

void setun::packTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<int8_t> trits,
                      llvm::MutableArrayRef<uint8_t> bytes) {
  assert(static_cast<int64_t>(bytes.size()) == layout.byteSize(rows, cols));
  std::fill(bytes.begin(), bytes.end(), kZeroTrits);
  std::vector<uint8_t> codes(llvm::alignTo(cols, layout.tileCols), 1);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t col = 0; col < cols; ++col)
      codes[col] = static_cast<uint8_t>(trits[row * cols + col] + 1);
    PackedRow(layout, row, cols).encode(codes.data(), bytes.data());
  }
}

void setun::unpackTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<uint8_t> bytes,
                        llvm::MutableArrayRef<int8_t> trits) {
  std::vector<uint8_t> codes(llvm::alignTo(cols, layout.tileCols));
  for (int64_t row = 0; row < rows; ++row) {
    PackedRow(layout, row, cols).decode(bytes.data(), codes.data());
    for (int64_t col = 0; col < cols; ++col)
      trits[row * cols + col] = static_cast<int8_t>(codes[col] - 1);
  }
}

void setun::repackTrits(const PackedLayout &from, llvm::ArrayRef<uint8_t> source, const PackedLayout &to,
                        llvm::MutableArrayRef<uint8_t> target, int64_t rows, int64_t cols) {
  std::fill(target.begin(), target.end(), kZeroTrits);
  std::vector<uint8_t> codes(std::max(llvm::alignTo(cols, from.tileCols), llvm::alignTo(cols, to.tileCols)), 1);
  for (int64_t row = 0; row < rows; ++row) {
    PackedRow(from, row, cols).decode(source.data(), codes.data());
    std::fill(codes.begin() + cols, codes.end(), 1); // whatever the source's padding holds
    PackedRow(to, row, cols).encode(codes.data(), target.data());
  }
}
