//===- DenseTile.cpp - Dense products of many rows ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block has 64 x 64 results and 256 threads, each of them 4 x 4. Both operands come through shared memory, widened,
// 16 of k at a time, k outermost; whichever of an operand's dimensions is the last in memory goes along the threads.
//
//===----------------------------------------------------------------------===//

#include "DenseKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 256, kTile = 64, kDepth = 16, kEach = 4;
/// Elements from one k to the next in shared memory: rows of vectors, written without meeting a bank too often.
constexpr int64_t kPitch = kTile + 4;

namespace {

struct TileKernel {
  DeviceBuilder &b;
  const DenseProduct &p;
  SmallVector<Value> ivs = {};

  /// Elements [from, from + 64) x [k, k + 16) of an operand; zeros past its ends.
  void fill(const Threads &t, bool ofRight, Value shared, Value from, Value k) {
    const ProductOperand &operand = ofRight ? p.op.b : p.op.a;
    Value size = ofRight ? p.columns : p.rows, zero = b.constant(p.op.sumType, 0), one = b.index(1);
    auto last = dyn_cast<AffineDimExpr>(operand.map.getResults().back());
    bool alongK = !last || last.getPosition() == p.op.k;
    for (int64_t i = 0; i < kTile * kDepth / kThreads; ++i) {
      Value number = b.add(t.thread, i * kThreads);
      Value line = alongK ? b.shr(number, llvm::Log2_64(kDepth)) : b.bitAnd(number, kTile - 1);
      Value step = alongK ? b.bitAnd(number, kDepth - 1) : b.shr(number, llvm::Log2_64(kTile));
      Value at = b.add(from, line), depth = b.add(k, step);
      auto below = [&](Value x, Value y) { return b.cmp(arith::CmpIPredicate::slt, x, y); };
      Value exists = b.createOrFold<arith::AndIOp>(below(at, size), below(depth, p.depth));
      Value value = p.read(b, ofRight, ivs, b.min(at, b.sub(size, one)), b.min(depth, b.sub(p.depth, one)));
      b.store(b.select(exists, value, zero), shared, b.add(b.mul(step, kPitch), line));
    }
  }

  void emitTile(const Threads &t, Value left, Value right, Value m, Value n) {
    Value down = b.shl(b.shr(t.thread, 4), 2), across = b.shl(b.bitAnd(t.thread, 15), 2);
    VectorType quad = b.vec(kEach, p.op.sumType);
    Values sums(kEach * kEach, b.constant(p.op.sumType, 0));
    sums = b.loop(b.index(0), p.depth, kDepth, sums, [&](Value k, ValueRange carried) {
      fill(t, false, left, m, k);
      fill(t, true, right, n, k);
      b.barrier();
      Values next(carried);
      for (int64_t step = 0; step < kDepth; ++step) {
        Value x = b.loadAligned(left, b.add(down, step * kPitch), quad);
        Value y = b.loadAligned(right, b.add(across, step * kPitch), quad);
        for (int64_t i = 0; i < kEach * kEach; ++i)
          next[i] = p.multiplyAdd(b, b.word(x, i / kEach), b.word(y, i % kEach), next[i]);
      }
      b.barrier();
      return next;
    });
    for (int64_t i = 0; i < kEach * kEach; ++i) {
      Value row = b.add(b.add(m, down), i / kEach), column = b.add(b.add(n, across), i % kEach);
      Value exists = b.createOrFold<arith::AndIOp>(b.cmp(arith::CmpIPredicate::slt, row, p.rows),
                                                   b.cmp(arith::CmpIPredicate::slt, column, p.columns));
      b.branch(exists, [&] { p.add(b, ivs, row, column, sums[i]); });
    }
  }

  /// Blocks along x have the rows of one strip of columns, so that they share its weights while those are in the cache.
  void emit() {
    Value acrossRows = b.max(b.ceilDiv(p.rows, kTile), b.index(1));
    Value acrossColumns = b.max(b.min(b.ceilDiv(p.columns, kTile), b.index(65535)), b.index(1));
    b.launch({acrossRows, acrossColumns, p.blocksZ(b)}, kThreads, [&](const Threads &t) {
      b.forManyTokens();
      Value left = b.shared(kDepth * kPitch, p.op.sumType), right = b.shared(kDepth * kPitch, p.op.sumType);
      Value m = b.mul(t.block, kTile);
      auto batch = [&](SmallVector<Value> at) {
        ivs = at;
        auto loop = scf::ForOp::create(b, b.mul(t.blockY, kTile), p.columns, b.mul(t.blocksY, kTile));
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        emitTile(t, left, right, m, loop.getInductionVar());
      };
      // Without rows there is a block all the same.
      b.branch(b.cmp(arith::CmpIPredicate::slt, m, p.rows), [&] { p.forEachBatch(b, t, batch); });
    });
  }
};

} // namespace

void nvptx::emitDenseTile(DeviceBuilder &b, const DenseProduct &product) { TileKernel{b, product}.emit(); }
