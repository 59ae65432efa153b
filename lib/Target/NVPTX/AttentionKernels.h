//===- AttentionKernels.h - The two forms of attention on CUDA devices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What both forms share: which keys a query sees, and what is done to a score.
// All arithmetic is in f32. Sums have an order of their own, always the same one
// for the same sizes.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_ATTENTIONKERNELS_H
#define SETUN_LIB_TARGET_NVPTX_ATTENTIONKERNELS_H

#include "LineBuilder.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace setun {
namespace nvptx {

/// Blocks among which few queries are shared: about two for each multiprocessor of a large device. More tasks than that
/// are not split.
constexpr int64_t kSplitBlocks = 264;
/// Parts of one context, at most.
constexpr int64_t kMaxSplits = 64;

/// Query heads that share their loads of keys and values in the split form.
int64_t splitRows(nn::AttentionOp op);
/// Elements of the scratch in which parts of contexts are combined; 0 where there are no kernels for the op.
int64_t splitScratch(nn::AttentionOp op);

struct DeviceAttention {
  LineBuilder &b;
  nn::AttentionOp op;
  int64_t depth, columns;                             // D and E
  Value batches, groups, heads, queries, keys, ratio; // ratio: query heads of a key head
  mlir::Type f32;
  nn::RotaryEmbeddingOp rotary;       // what turns the queries while they are read, if anything does
  bool dependent = false;             // kernels of few queries may start before the one in front ends
  nn::RotaryEmbeddingOp newKeys = {}; // what makes the key of the only query, the last one; in its place
  Value q, y;                         // what is read and written in fact: queries to be turned, a transposed result
  llvm::SmallVector<int64_t> order = {0, 1, 2, 3}; // y's dimensions among [b, h, s, e]

  DeviceAttention(LineBuilder &b, nn::AttentionOp op, nn::RotaryEmbeddingOp rotary = {},
                  mlir::linalg::TransposeOp transpose = {});
  /// Whether there are kernels for the op: D and E known and within reason, f32 or narrower.
  static bool supports(nn::AttentionOp op);

  /// Keys [from, to) that `query` may see; from <= to.
  std::pair<Value, Value> visible(Value query);
  /// Scale, soft cap and mask of a sum q.k. `key` is inside the buffer.
  Value score(Value dot, Value batch, Value head, Value query, Value key);
  Value minusInfinity();
  /// `max`, or 0 where no key was seen, so that differences from it are no NaNs.
  Value base(Value max);
  /// Writes value / sum at [b, h, s, e]; a query that saw nothing has zeros.
  void writeResult(Value value, Value sum, llvm::ArrayRef<Value> at);
  /// The elements in which q and k, and v, can be read at once if they are aligned; and whether they are (i1).
  int64_t lanesOfQK();
  int64_t lanesOfV() { return b.vectorOf(op.getV()); }
  Value isAligned(int64_t ofQK, int64_t ofV);
  /// `lanes` elements of a query from `column` as f32; in whole vectors if `aligned`.
  Value readQuery(Value batch, Value head, Value query, Value column, int64_t lanes, bool aligned);
};

/// The rotary embedding as a kernel of its own; or the pair, or the component that stays, of index `at`, where
/// countTurns stand along the last dimension.
void emitRotary(LineBuilder &b, nn::RotaryEmbeddingOp op);
Value countTurns(LineBuilder &b, nn::RotaryEmbeddingOp op);
void turn(LineBuilder &b, nn::RotaryEmbeddingOp op, llvm::ArrayRef<Value> at);

/// Few queries: warps and blocks share the keys. `forMany`: another kernel does it for one query.
void emitSplitAttention(DeviceAttention &a, bool forMany);
/// Many queries: blocks of 32 rows of queries.
void emitBlockAttention(DeviceAttention &a);

} // namespace nvptx
} // namespace setun

#endif // SETUN_LIB_TARGET_NVPTX_ATTENTIONKERNELS_H
