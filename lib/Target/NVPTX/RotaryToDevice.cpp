//===- RotaryToDevice.cpp - Rotary position embedding ---------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread turns one pair, or copies one component that is not turned. Lanes of a warp are neighbours in memory. The
// arithmetic is that of processors, bit for bit. Each thread reads what it writes, so x may be y.
//
//===----------------------------------------------------------------------===//

#include "AttentionKernels.h"

#include "setun/Target/NVPTX/Passes.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_ROTARYTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 128;

/// The pair of the components that index `at` stands for.
static void turnPair(LineBuilder &b, nn::RotaryEmbeddingOp op, ArrayRef<Value> at, Value half) {
  Value x = op.getX(), y = op.getY(), i = at[3];
  Type element = cast<MemRefType>(x.getType()).getElementType();
  Type type = element.isF64() ? element : b.getF32Type();
  auto read = [&](Value buffer, ValueRange where) { return b.convert(b.read(buffer, where), type); };
  auto readTable = [&](Value table) {
    Value last = b.sub(b.sizeOf(table, 0), b.index(1)); // one table for all batches, or one for each
    return read(table, {b.min(at[0], last), at[2], i});
  };
  Value first = op.getInterleaved() ? b.shl(i, 1) : i;
  Value second = op.getInterleaved() ? b.add(first, 1) : b.add(i, half);
  Values low{at[0], at[1], at[2], first}, high{at[0], at[1], at[2], second};
  Value p = read(x, low), q = read(x, high), c = readTable(op.getCos()), s = readTable(op.getSin());
  b.write(b.convert(b.subf(b.mulf(p, c), b.mulf(q, s)), element), y, low);
  b.write(b.convert(b.addf(b.mulf(q, c), b.mulf(p, s)), element), y, high);
}

Value nvptx::countTurns(LineBuilder &b, nn::RotaryEmbeddingOp op) {
  return b.sub(b.sizeOf(op.getX(), 3), b.sizeOf(op.getCos(), 2));
}

void nvptx::turn(LineBuilder &b, nn::RotaryEmbeddingOp op, ArrayRef<Value> at) {
  Value x = op.getX(), y = op.getY(), half = b.sizeOf(op.getCos(), 2), i = at[3];
  auto knownHalf = getConstant(half), knownSize = getConstant(b.sizeOf(x, 3));
  bool turnsAll = knownHalf && knownSize && 2 * *knownHalf == *knownSize;
  Value isPair = b.cmp(arith::CmpIPredicate::ult, i, half);
  b.branch(
      turnsAll ? b.constant(b.getI1Type(), 1) : isPair, [&] { turnPair(b, op, at, half); },
      [&] {
        Value where = b.add(i, half);
        b.write(b.read(x, {at[0], at[1], at[2], where}), y, {at[0], at[1], at[2], where});
      });
}

void nvptx::emitRotary(LineBuilder &b, nn::RotaryEmbeddingOp op) {
  Value x = op.getX();
  // Pairs, then what stays as it is.
  Values sizes{b.sizeOf(x, 0), b.sizeOf(x, 1), b.sizeOf(x, 2), countTurns(b, op)};
  Value count = b.product(sizes);
  b.launch({b.max(b.ceilDiv(count, kThreads), b.index(1))}, kThreads, [&](const Threads &t) {
    b.rounds(b.add(b.mul(t.block, kThreads), t.thread), count, b.mul(t.blocks, kThreads),
             [&](Value linear) { turn(b, op, b.delinearize(linear, sizes)); });
  });
}

namespace {

struct RotaryToDevice : nvptx::impl::RotaryToDeviceBase<RotaryToDevice> {
  void runOnOperation() override {
    SmallVector<nn::RotaryEmbeddingOp> ops;
    getOperation().walk([&](nn::RotaryEmbeddingOp op) { ops.push_back(op); });
    for (nn::RotaryEmbeddingOp op : ops) {
      if (op->getNumResults())
        continue;
      LineBuilder b(op.getLoc(), op);
      emitRotary(b, op);
      op.erase();
    }
  }
};

} // namespace
