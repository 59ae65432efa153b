//===- DenseColumns.cpp - Dense products of few rows, columns side by side ===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The right operand is [K, N]. Lanes go along n, as many columns each as leave blocks enough for the device; the warps
// of a block take turns along k, four of its rows at a time, and add up what they have at the end, in order.
//
//===----------------------------------------------------------------------===//

#include "DenseKernels.h"

#include "setun/Target/NVPTX/RowKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 256, kWarps = kThreads / kWarp, kRows = 4, kLoadBytes = 16, kEnoughBlocks = 128;

namespace {

struct ColumnKernel {
  DeviceBuilder &b;
  const DenseProduct &p;
  int64_t tokens;
  int64_t width = 1; // columns of a lane
  DenseStage stage;
  Value partial = {}; // sums of the warps for one token
  SmallVector<Value> ivs = {};

  ColumnKernel(DeviceBuilder &b, const DenseProduct &p, int64_t tokens)
      : b(b), p(p), tokens(tokens), stage{p, tokens, 0, 1, p.op.sumType} {
    stage.size = DenseStage::pickSize(p, tokens, kWarps * kRows, stage.element) / 2;
    stage.size = std::max<int64_t>(stage.size / (kWarps * kRows), 1) * kWarps * kRows;
    std::optional<int64_t> n = getConstant(p.columns);
    auto type = cast<MemRefType>(p.op.b.buffer.getType());
    auto last = dyn_cast<AffineDimExpr>(p.op.b.map.getResults().back());
    if (!n || !last || !p.op.n || last.getPosition() != *p.op.n)
      return;
    while (width * 2 * tokens <= 32 && width * 2 * p.right().getIntOrFloatBitWidth() <= kLoadBytes * 8 &&
           *n % (width * 2) == 0 && *n / (kWarp * width * 2) >= kEnoughBlocks && hasAlignedRows(type, width * 2))
      width *= 2;
  }

  /// Elements [n, n + width) of row k of the right operand, zeros where `exists` is false.
  Values readRow(Value k, Value n, Value exists) {
    Value value = p.widen(b, p.readVector(b, true, ivs, n, k, width), true);
    value = b.select(exists, value, b.constant(value.getType(), 0));
    Values elements;
    for (int64_t i = 0; i < width; ++i)
      elements.push_back(width == 1 ? value : vector::ExtractOp::create(b, value, i).getResult());
    return elements;
  }

  /// The steps of this warp in the stage that begins at `from`.
  Values walkStage(const Threads &t, Value from, Value count, Value n, ValueRange sums) {
    return b.loop(b.mul(t.warp, kRows), count, kWarps * kRows, sums, [&](Value at, ValueRange carried) {
      SmallVector<Values> rows;
      for (int64_t i = 0; i < kRows; ++i) {
        Value k = b.add(b.add(from, at), i), exists = b.cmp(arith::CmpIPredicate::slt, k, p.depth);
        rows.push_back(readRow(b.min(k, b.sub(p.depth, b.index(1))), n, exists));
      }
      Values next(carried);
      for (int64_t token = 0; token < tokens; ++token) {
        Value x = b.loadAligned(stage.shared, b.add(at, token * stage.size), b.vec(kRows, stage.element));
        for (int64_t i = 0; i < kRows; ++i)
          for (int64_t j = 0; j < width; ++j)
            next[token * width + j] = p.multiplyAdd(b, b.word(x, i), rows[i][j], next[token * width + j]);
      }
      return next;
    });
  }

  void finish(const Threads &t, Value m, Value first, ValueRange sums) {
    LoopEmitter e(b, b.getLoc());
    int64_t columns = kWarp * width;
    for (int64_t token = 0; token < tokens; ++token) {
      b.barrier();
      for (int64_t j = 0; j < width; ++j)
        b.store(sums[token * width + j], partial, b.add(b.mul(t.thread, width), j));
      b.barrier();
      Value row = b.add(m, token);
      b.branch(b.cmp(arith::CmpIPredicate::slt, row, p.rows), [&] {
        b.loop(t.thread, b.index(columns), kThreads, [&](Value at) {
          Value column = b.add(first, at), sum = b.load(partial, at);
          for (int64_t warp = 1; warp < kWarps; ++warp)
            sum = e.addAny(sum, b.load(partial, b.add(at, warp * columns)));
          b.branch(b.cmp(arith::CmpIPredicate::slt, column, p.columns), [&] { p.add(b, ivs, row, column, sum); });
        });
      });
    }
  }

  void emitTokens(const Threads &t, Value m, Value first) {
    Value n = b.min(b.add(first, b.mul(t.lane, width)), b.sub(p.columns, b.index(width)));
    Values sums(tokens * width, b.constant(p.op.sumType, 0));
    sums = b.loop(b.index(0), p.depth, stage.size, sums, [&](Value k, ValueRange carried) {
      Value left = b.min(b.sub(p.depth, k), b.index(stage.size));
      b.barrier();
      stage.fill(b, t, kThreads, ivs, m, k, b.mul(b.ceilDiv(left, kRows), kRows));
      b.barrier();
      return walkStage(t, k, left, n, carried);
    });
    finish(t, m, first, sums);
  }

  void emit() {
    Value blocks = b.max(b.ceilDiv(p.columns, kWarp * width), b.index(1));
    b.launch({blocks, b.index(1), p.blocksZ(b)}, kThreads, [&](const Threads &t) {
      if (tokens > 1)
        b.forManyTokens();
      stage.allocate(b);
      partial = b.shared(kThreads * width, p.op.sumType);
      Value first = b.mul(t.block, kWarp * width);
      auto batch = [&](SmallVector<Value> at) {
        ivs = at;
        b.loop(b.index(0), p.rows, tokens, [&](Value m) { emitTokens(t, m, first); });
      };
      b.branch(b.cmp(arith::CmpIPredicate::slt, first, p.columns), [&] { p.forEachBatch(b, t, batch); });
    });
  }
};

} // namespace

void nvptx::emitDenseColumns(DeviceBuilder &b, const DenseProduct &product, int64_t tokens) {
  ColumnKernel(b, product, tokens).emit();
}
