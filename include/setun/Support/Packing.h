//===- Packing.h - Layouts of packed trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_SUPPORT_PACKING_H
#define SETUN_SUPPORT_PACKING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace setun {

/// Where each trit of an N x K matrix lies in its packed bytes. A trit t is the code t + 1 in `bits` bits; the order is
/// that of `#ternary.encoding` (docs/dialects/ternary.md). Rows and columns past the matrix hold code 1, the zero trit.
struct PackedLayout {
  unsigned bits = 2;
  int64_t tileRows = 1;
  int64_t tileCols = 4;
  int64_t interleave = 1;

  /// Two bits a trit, positive sizes, whole bytes a tile row. Sizes are at most 4096, so that no product overflows.
  bool isValid() const;
  bool operator==(const PackedLayout &other) const;
  /// "2x16x16x2": bits, rows and columns of a tile, interleave.
  std::string str() const;
  /// The layout that str() writes so; none if the text is not of that form or the layout not valid.
  static std::optional<PackedLayout> parse(llvm::StringRef text);
  /// Bytes of a packed rows x cols matrix; the largest int64_t where that is more.
  int64_t byteSize(int64_t rows, int64_t cols) const;
  /// Byte offset and shift of the code of (row, col) in a matrix of `cols` columns.
  std::pair<int64_t, unsigned> locate(int64_t row, int64_t col, int64_t cols) const;
};

/// Packs rows x cols trits in row-major order (each -1, 0 or 1) into `bytes`, whose size is `layout.byteSize`.
void packTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<int8_t> trits,
               llvm::MutableArrayRef<uint8_t> bytes);

/// The inverse of packTrits.
void unpackTrits(const PackedLayout &layout, int64_t rows, int64_t cols, llvm::ArrayRef<uint8_t> bytes,
                 llvm::MutableArrayRef<int8_t> trits);

/// Moves a packed matrix from one layout to another without unpacking it whole.
void repackTrits(const PackedLayout &from, llvm::ArrayRef<uint8_t> source, const PackedLayout &to,
                 llvm::MutableArrayRef<uint8_t> target, int64_t rows, int64_t cols);

} // namespace setun

#endif // SETUN_SUPPORT_PACKING_H
