//===- NNToLoops.cpp - The nn dialect to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NNToLoops.h"
#include "setun/Conversion/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"

#include "llvm/ADT/TypeSwitch.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTNNTOLOOPS
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

void setun::emitNorm(LoopEmitter &e, nn::RmsNormOp op) {
  forEachRow(e, op.getX(), 4, [&](ArrayRef<Value> at) {
    RmsRow norm(e, rowOf(e, op.getX(), at), op.getGamma(), op.getEpsilon().convertToDouble());
    Line out = rowOf(e, op.getY(), at);
    e.steps(norm.size, e.freeLanes, {}, [&](Value i, Lanes lanes, ValueRange) {
      e.write(out, i, e.convert(norm.read(e, i, lanes), out.getElementType()), lanes);
      return SmallVector<Value>();
    });
  });
}

void setun::emitNorm(LoopEmitter &e, nn::LayerNormOp op) {
  forEachRow(e, op.getX(), 6, [&](ArrayRef<Value> at) {
    Line x = rowOf(e, op.getX(), at), gamma = rowOf(e, op.getGamma(), {}), out = rowOf(e, op.getY(), at);
    Type element = x.getElementType(), type = LoopEmitter::sumType(element);
    Value size = e.size(x.buffer, *x.dim), count = countAsFloat(e, size, type);
    Value zero = e.constant(e.lanesOf(type, kSumLanes), 0);
    auto sum = [&](function_ref<Value(Value, Lanes)> term) {
      return e.treeSum(e.steps(size, kSumLanes, {zero}, [&](Value i, Lanes lanes, ValueRange sums) {
        return SmallVector<Value>{e.addf(sums[0], term(i, lanes))};
      })[0]);
    };
    auto read = [&](const Line &line, Value i, Lanes lanes) { return e.convert(e.read(line, i, lanes), type); };
    Value mean = e.divf(sum([&](Value i, Lanes lanes) { return read(x, i, lanes); }), count);
    auto centred = [&](Value i, Lanes lanes) -> Value {
      return arith::SubFOp::create(e.b, e.loc, read(x, i, lanes), e.splat(mean, lanes.width));
    };
    Value squares = sum([&](Value i, Lanes lanes) {
      Value value = centred(i, lanes);
      value = e.mulf(value, value);
      // Lanes that do not exist are not at the mean.
      return lanes.count ? arith::SelectOp::create(e.b, e.loc, e.mask(lanes), value, zero).getResult() : value;
    });
    Value epsilon = e.constant(type, op.getEpsilon().convertToDouble());
    Value deviation = math::SqrtOp::create(e.b, e.loc, e.addf(e.divf(squares, count), epsilon));
    e.steps(size, e.freeLanes, {}, [&](Value i, Lanes lanes, ValueRange) {
      Value value = roundTo(e, e.divf(centred(i, lanes), e.splat(deviation, lanes.width)), element);
      value = e.mulf(value, read(gamma, i, lanes));
      if (op.getBeta())
        value = e.addf(roundTo(e, value, element), read(rowOf(e, op.getBeta(), {}), i, lanes));
      e.write(out, i, e.convert(value, element), lanes);
      return SmallVector<Value>();
    });
  });
}

namespace {
struct ConvertNNToLoops : setun::impl::ConvertNNToLoopsBase<ConvertNNToLoops> {
  using ConvertNNToLoopsBase::ConvertNNToLoopsBase;
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      if (!isa<nn::NNDialect>(op->getDialect()) || op->getNumResults() > 0)
        return;
      OpBuilder builder(op);
      LoopEmitter e(builder, op->getLoc(), vectorBits);
      bool lowered = TypeSwitch<Operation *, bool>(op)
                         .Case<nn::RmsNormOp, nn::LayerNormOp>([&](auto norm) { return emitNorm(e, norm), true; })
                         .Case([&](nn::EmbeddingOp table) { return emitEmbedding(e, table), true; })
                         .Case([&](nn::RotaryEmbeddingOp rotary) { return emitRotaryEmbedding(e, rotary), true; })
                         .Case([&](nn::AttentionOp attention) { return emitAttention(e, attention), true; })
                         .Default(false);
      if (lowered)
        op->erase();
    });
  }
};
} // namespace
