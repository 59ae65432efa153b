//===- DenseToLoops.cpp - Dense products to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Cuts the result of a dense product into blocks that threads share: of rows of
// the result and of its columns, the columns outermost, so that neighbouring
// tasks read the same weights. What a block does stands in DotBlock.cpp and
// ColumnBlock.cpp.
//
//===----------------------------------------------------------------------===//

#include "ProductBlock.h"
#include "setun/Conversion/Passes.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTDENSETOLOOPS
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

/// Columns of a block of a [K, N] weight. For one row, strips are as long as leaves eight for the threads: the longer,
/// the less often does memory jump.
constexpr int64_t kStripColumns = 2048;
constexpr int64_t kPanelColumns = 256;

/// The largest count that divides every block when `size` is cut into blocks of `block`.
static int64_t blockMultiple(Value size, int64_t block) {
  std::optional<int64_t> known = getConstantIntValue(size);
  return known ? std::gcd(*known, block) : 1;
}

static int64_t columnsOfBlock(const Contraction &op, Value rows, Value columns) {
  if (op.isDot())
    return kDotColumns;
  int64_t known = std::max<int64_t>(1, getConstantIntValue(columns).value_or(8 * 1024));
  if (getConstantIntValue(rows) != 1)
    return std::min(known, kPanelColumns);
  int64_t eighth = llvm::alignTo(llvm::divideCeil(known, 8), 64);
  return std::min(known, std::clamp<int64_t>(eighth, 256, kStripColumns));
}

/// The whole product, which has `rows` rows.
static void emitBlocks(LoopEmitter &e, const Contraction &op, Value rows) {
  Value columns = op.n ? op.size(e, *op.n) : e.index(1);
  int64_t blockColumns = columnsOfBlock(op, rows, columns);
  SmallVector<Value> counts;
  for (unsigned loop : op.batch)
    counts.push_back(op.size(e, loop));
  counts.push_back(e.ceilDiv(columns, blockColumns));
  counts.push_back(e.ceilDiv(rows, kBlockRows));
  Value work = e.mul(e.min(rows, e.index(kBlockRows)), e.min(columns, e.index(blockColumns)));
  work = e.mul(work, op.size(e, op.k));
  e.parallel(e.product(counts), work, [&](Value task) {
    SmallVector<Value> at = e.delinearize(task, counts);
    ProductBlock block;
    block.ivs.resize(op.numLoops);
    for (auto [loop, index] : llvm::zip(op.batch, at))
      block.ivs[loop] = index;
    block.nFrom = e.mul(at[op.batch.size()], e.index(blockColumns));
    block.mFrom = e.mul(at[op.batch.size() + 1], e.index(kBlockRows));
    block.nMultiple = blockMultiple(columns, blockColumns);
    block.mMultiple = blockMultiple(rows, kBlockRows);
    Value nEnd = e.add(block.nFrom, e.index(blockColumns)), mEnd = e.add(block.mFrom, e.index(kBlockRows));
    block.nTo = block.nMultiple == blockColumns ? nEnd : e.min(nEnd, columns);
    block.mTo = block.mMultiple == kBlockRows ? mEnd : e.min(mEnd, rows);
    if (op.isDot())
      emitDotBlock(e, op, block);
    else
      emitColumnBlock(e, op, block, blockColumns);
  });
}

/// One row is done apart: its blocks have other shapes, which decide nothing but the pace.
static void emitProduct(LoopEmitter &e, const Contraction &op) {
  Value rows = op.m ? op.size(e, *op.m) : e.index(1);
  e.branch(arith::CmpIPredicate::eq, rows, e.index(1),
           [&](bool single) { emitBlocks(e, op, single ? e.index(1) : rows); });
}

namespace {
struct ConvertDenseToLoops : setun::impl::ConvertDenseToLoopsBase<ConvertDenseToLoops> {
  using ConvertDenseToLoopsBase::ConvertDenseToLoopsBase;
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      std::optional<Contraction> contraction = Contraction::match(op);
      if (!contraction)
        continue;
      OpBuilder builder(op);
      LoopEmitter emitter(builder, op.getLoc(), vectorBits);
      emitProduct(emitter, *contraction);
      op->erase();
    }
  }
};
} // namespace
