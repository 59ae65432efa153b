//===- Neon.h - Products of AArch64 by its multiplying instructions -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of 16 rows x 16 columns is four registers of 4 rows x 4 bytes; a byte
// holds a column of each of four planes. A code is its trit plus one, so the sum
// of a token's activations is taken off where codes are multiplied.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_AARCH64_NEON_H
#define SETUN_LIB_TARGET_AARCH64_NEON_H

#include "setun/Target/Kernels/Kernels.h"

namespace setun::aarch64 {

/// acc[i] + a[4i..] . b[4i..]: four dot products of four signed bytes.
Value sdot(KernelBuilder &b, Value acc, Value x, Value y);
/// acc + x y^T for 2 x 8 signed bytes: a 2 x 2 matrix of int32.
Value smmla(KernelBuilder &b, Value acc, Value x, Value y);
/// Eight products of signed bytes, as int16.
Value smull(KernelBuilder &b, Value x, Value y);
/// Neighbours added: 8 x int16 to 4 x int32.
Value saddlp(KernelBuilder &b, Value words);
/// Byte i is table[index[i]], or 0 where an index is 16 or more.
Value tbl(KernelBuilder &b, Value table, Value index);
void populateEmulation(mlir::RewritePatternSet &patterns);

/// Sums of 2 or 4 vectors as one.
Value concat(KernelBuilder &b, mlir::ArrayRef<Value> parts);

/// The 16 activations of a tile of the row that begins at `row`, zeros past K; `part` is scratch for that.
Value loadColumns(KernelBuilder &b, const Product &p, Value row, Value tile, Value part);

/// The last columns of a few tokens, fewer than `tiles` whole tiles are long, filled up with zeros; and minus the sum
/// of each token's activations. Both are made once, before the parallel loop. Tokens past the last repeat it.
struct Tokens {
  mlir::SmallVector<Value> rows; // where each one's columns begin in x
  mlir::SmallVector<Value> accRows;
  Value biases;     // [token] int32
  Value tails;      // [token][16 tiles] bytes; columns of the tiles [wholeTiles, colTiles)
  Value wholeTiles; // a multiple of `tiles`
};
Tokens prepareTokens(KernelBuilder &b, const Product &p, Value from, Value to, int64_t count, int64_t tiles);

/// A few tokens at once, at most eight: weights are streamed and unpacked in registers. `count` is known when the code
/// is made: 1, or an even number of at least to - from. With `pairs` two tokens share an smmla.
void emitDotStream(KernelBuilder &b, const Product &p, Value from, Value to, int64_t count, bool pairs);

/// Any number of tokens: 64 rows x 256 columns are unpacked once for up to 64 tokens, in tiles of 8 rows x 8 tokens.
void emitDotTile(KernelBuilder &b, const Product &p, Value from, Value to, bool pairs);

/// One token after another without dot instructions: smlal into int16.
void emitSmlalDecode(KernelBuilder &b, const Product &p, Value from, Value to);

/// A few tokens by additions: tables of pairs of activations, looked up for 16 rows at a time.
void emitLookup(KernelBuilder &b, const Product &p, Value from, Value to);

} // namespace setun::aarch64

#endif // SETUN_LIB_TARGET_AARCH64_NEON_H
