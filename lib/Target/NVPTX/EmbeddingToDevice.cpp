//===- EmbeddingToDevice.cpp - Rows of tables by index --------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block copies a part of one row, 16 bytes a thread and round where both sides are aligned.
//
//===----------------------------------------------------------------------===//

#include "LineBuilder.h"

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Target/NVPTX/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_EMBEDDINGTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

namespace {

constexpr int64_t kThreads = 128;
constexpr int64_t kPieces = 64; // blocks that share a row, at most

struct EmbeddingEmitter {
  LineBuilder &b;
  nn::EmbeddingOp op;
  Values idSizes = {}, rowSizes = {};

  /// This block's part of a row; zeros if there is none.
  void copyRow(const Threads &t, ValueRange id, Value row, Value exists, int64_t lanes, bool aligned) {
    Value table = op.getTable(), y = op.getY();
    Type element = cast<MemRefType>(table.getType()).getElementType();
    Values sizes = rowSizes;
    if (lanes > 1)
      sizes.back() = b.div(sizes.back(), b.index(lanes));
    Value first = b.add(b.mul(t.blockY, kThreads), t.thread), step = b.mul(t.blocksY, kThreads);
    b.rounds(first, b.product(sizes), step, [&](Value linear) {
      Values from{row}, to(id), inner = b.delinearize(linear, sizes);
      if (lanes > 1)
        inner.back() = b.mul(inner.back(), lanes);
      from.append(inner);
      to.append(inner);
      auto read = [&] { return Values{lanes == 1 ? b.read(table, from) : b.readLanes(table, from, lanes, aligned)}; };
      auto zero = [&] { return Values{b.constant(lanes == 1 ? element : b.vec(lanes, element), 0)}; };
      Value value = b.choose(exists, read, zero)[0];
      if (lanes == 1)
        b.write(value, y, to);
      else
        b.writeLanes(value, y, to, aligned);
    });
  }

  void emit() {
    Value ids = op.getIds(), table = op.getTable(), y = op.getY();
    for (int64_t dim = 0; dim < cast<MemRefType>(ids.getType()).getRank(); ++dim)
      idSizes.push_back(b.sizeOf(ids, dim));
    for (int64_t dim = 1; dim < cast<MemRefType>(table.getType()).getRank(); ++dim)
      rowSizes.push_back(b.sizeOf(table, dim));
    Value rows = b.sizeOf(table, 0), count = b.product(idSizes);
    int64_t lanes = rowSizes.empty() ? 1 : std::min(b.vectorOf(table), b.vectorOf(y));
    Value pieces = b.ceilDiv(b.product(rowSizes), kThreads * lanes);
    Values grid{b.max(count, b.index(1)), b.max(b.min(pieces, b.index(kPieces)), b.index(1))};
    b.launch(grid, kThreads, [&](const Threads &t) {
      Value aligned = b.both(b.isAligned(table, lanes), b.isAligned(y, lanes));
      b.rounds(t.block, count, t.blocks, [&](Value linear) {
        Values id = b.delinearize(linear, idSizes);
        Value number = arith::IndexCastOp::create(b, b.getIndexType(), b.read(ids, id));
        Value negative = b.cmp(arith::CmpIPredicate::slt, number, b.index(0));
        Value row = b.select(negative, b.add(number, rows), number);
        Value exists = b.cmp(arith::CmpIPredicate::ult, row, rows);
        cf::AssertOp::create(b, exists, "an index of an embedding is outside its table");
        b.branch(
            aligned, [&] { copyRow(t, id, row, exists, lanes, true); },
            [&] { copyRow(t, id, row, exists, lanes, false); });
      });
    });
  }
};

struct EmbeddingToDevice : nvptx::impl::EmbeddingToDeviceBase<EmbeddingToDevice> {
  void runOnOperation() override {
    SmallVector<nn::EmbeddingOp> ops;
    getOperation().walk([&](nn::EmbeddingOp op) { ops.push_back(op); });
    for (nn::EmbeddingOp op : ops) {
      if (op->getNumResults())
        continue;
      LineBuilder b(op.getLoc(), op);
      EmbeddingEmitter{b, op}.emit();
      op.erase();
    }
  }
};

} // namespace
