//===- AttentionToDevice.cpp - Attention by kernels, and its scratch ------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which form runs is the host's choice, by the number of queries. The position changes neither the form nor a grid: so
// a recorded step stays right while the context grows.
//
//===----------------------------------------------------------------------===//

#include "AttentionKernels.h"

#include "setun/Target/NVPTX/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_ATTENTIONSCRATCH
#define GEN_PASS_DEF_ATTENTIONTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// Rows of queries, of all heads, that give blocks of 32 enough to do; and those of one key head that fill half a
/// block.
constexpr int64_t kManyRows = 4096, kFilledRows = 16;

namespace {

struct AttentionScratch : nvptx::impl::AttentionScratchBase<AttentionScratch> {
  void runOnOperation() override {
    SmallVector<nn::AttentionOp> ops;
    getOperation().walk([&](nn::AttentionOp op) { ops.push_back(op); });
    for (nn::AttentionOp op : ops) {
      int64_t size = DeviceAttention::supports(op) ? splitScratch(op) : 0;
      if (op.getScratch() || op->getNumResults() != 1 || size == 0)
        continue;
      OpBuilder builder(op);
      Value scratch = tensor::EmptyOp::create(builder, op.getLoc(), ArrayRef<int64_t>{size}, builder.getF32Type());
      auto with =
          nn::AttentionOp::create(builder, op.getLoc(), TypeRange{op.getY().getType(), scratch.getType()}, op.getQ(),
                                  op.getK(), op.getV(), op.getMask(), op.getPast(), op.getY(), scratch,
                                  op.getScaleAttr(), op.getCausalAttr(), op.getWindowAttr(), op.getSoftcapAttr());
      with->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      op->getResult(0).replaceAllUsesWith(with->getResult(0));
      op.erase();
    }
  }
};

/// What stands around attention in its step and becomes part of its kernels.
struct Neighbours {
  nn::RotaryEmbeddingOp rotary = {};  // of the queries
  linalg::TransposeOp transpose = {}; // of the result
  nn::RotaryEmbeddingOp newKeys = {}; // of the keys that are new

  explicit Neighbours(nn::AttentionOp op) {
    if (auto before = dyn_cast_or_null<nn::RotaryEmbeddingOp>(otherUser(op.getQ(), op));
        before && before.getY() == op.getQ() && before->isBeforeInBlock(op) && areQuietBetween(before, op))
      rotary = before;
    for (Operation *before = op->getPrevNode(); before; before = before->getPrevNode()) {
      if (auto keys = dyn_cast<nn::RotaryEmbeddingOp>(before); keys && keys->hasAttr(kNewKeysAttr)) {
        newKeys = keys->getNumResults() ? nn::RotaryEmbeddingOp() : keys;
        break;
      }
      if (before != rotary && !isQuiet(before))
        break;
    }
    auto after = dyn_cast_or_null<linalg::TransposeOp>(otherUser(op.getY(), op));
    if (!after || after.getInput() != op.getY() || !op->isBeforeInBlock(after) || !areQuietBetween(op, after))
      return;
    Operation *source = after.getInit().getDefiningOp();
    if (!source || source->getBlock() != op->getBlock() || source->isBeforeInBlock(op))
      transpose = after;
  }

  /// The other user of a buffer that is made in this block, if there is one alone besides `op`.
  static Operation *otherUser(Value buffer, Operation *op) {
    Operation *source = buffer.getDefiningOp(), *other = nullptr;
    if (!isa_and_nonnull<memref::ViewOp, memref::AllocOp>(source) || source->getBlock() != op->getBlock())
      return nullptr;
    for (OpOperand &use : buffer.getUses()) {
      if (use.getOwner() == op)
        continue;
      if (other || use.getOwner()->getBlock() != op->getBlock())
        return nullptr;
      other = use.getOwner();
    }
    return other;
  }

  static bool isQuiet(Operation *op) { return isMemoryEffectFree(op) || isa<memref::AllocOp>(op); }

  static bool areQuietBetween(Operation *first, Operation *last) {
    for (Operation *op = first->getNextNode(); op != last; op = op->getNextNode())
      if (!isQuiet(op))
        return false;
    return true;
  }

  /// What they did is part of the kernels: they go, and with them the buffers that stood between.
  void erase(Value queries, Value result) {
    if (rotary)
      rotary.erase();
    if (transpose)
      transpose.erase();
    if (newKeys)
      newKeys.erase();
    for (Value buffer : {rotary ? queries : Value(), transpose ? result : Value()})
      if (buffer && buffer.use_empty())
        buffer.getDefiningOp()->erase();
  }
};

struct AttentionToDevice : nvptx::impl::AttentionToDeviceBase<AttentionToDevice> {
  using AttentionToDeviceBase::AttentionToDeviceBase;

  void runOnOperation() override {
    SmallVector<nn::AttentionOp> ops;
    getOperation().walk([&](nn::AttentionOp op) { ops.push_back(op); });
    for (nn::AttentionOp op : ops) {
      if (op->getNumResults() || !DeviceAttention::supports(op))
        continue;
      LineBuilder b(op.getLoc(), op);
      Neighbours neighbours(op);
      DeviceAttention a(b, op, neighbours.rotary, neighbours.transpose);
      a.dependent = dependent;
      auto atLeast = [&](Value x, int64_t y) { return b.cmp(arith::CmpIPredicate::sge, x, b.index(y)); };
      Value many = b.both(atLeast(b.mul(a.ratio, a.queries), kFilledRows),
                          atLeast(b.product({a.batches, a.heads, a.queries}), kManyRows));
      auto makeKeys = [&] {
        if (neighbours.newKeys)
          emitRotary(b, neighbours.newKeys);
      };
      auto split = [&] {
        if (!neighbours.newKeys)
          return emitSplitAttention(a, /*forMany=*/false);
        auto one = [&] {
          a.newKeys = neighbours.newKeys;
          emitSplitAttention(a, /*forMany=*/false);
          a.newKeys = {};
        };
        auto several = [&] {
          makeKeys();
          emitSplitAttention(a, /*forMany=*/true);
        };
        b.branch(b.equals(a.queries, 1), one, several);
      };
      auto blocks = [&] {
        makeKeys();
        emitBlockAttention(a);
      };
      b.branch(many, blocks, split);
      Value queries = op.getQ(), result = op.getY();
      op.erase();
      neighbours.erase(queries, result);
    }
  }
};

} // namespace
