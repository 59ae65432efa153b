//===- NormToDevice.cpp - Normalization to kernels ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A team of threads a row, which stays in their registers.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "Steps.h"
#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Target/NVPTX/RowKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_NORMTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// A launch with a row of `x` for each team, stored to `y` after `change`.
static void emitRows(DeviceBuilder &b, Value x, Value y, function_ref<void(DeviceRow &)> change) {
  launchRows(b, x, [&](const RowTeam &team, ArrayRef<Value> at) {
    Value k = b.createOrFold<memref::DimOp>(x, cast<MemRefType>(x.getType()).getRank() - 1);
    DeviceRow row(b, team, RowSource::of(b, x, at), k);
    change(row);
    row.forEach([&](const DeviceRow::Chunk &chunk, Value value) { row.store(y, at, chunk, value); });
  });
}

static void emitNorm(DeviceBuilder &b, nn::RmsNormOp op) {
  emitRows(b, op.getX(), op.getY(), [&](DeviceRow &row) {
    emitRowNorm(b, row, RowSource::of(b, op.getGamma(), {}), op.getEpsilon().convertToDouble(),
                getElementTypeOrSelf(op.getX().getType()));
  });
}

static void emitNorm(DeviceBuilder &b, nn::LayerNormOp op) {
  Type element = getElementTypeOrSelf(op.getX().getType()), f32 = b.getF32Type();
  emitRows(b, op.getX(), op.getY(), [&](DeviceRow &row) {
    LoopEmitter e(b, b.getLoc());
    Value integer = arith::IndexCastOp::create(b, b.getI64Type(), row.size());
    Value count = arith::SIToFPOp::create(b, f32, integer);
    Value mean = e.divf(row.sum([](const DeviceRow::Chunk &, Value x) { return x; }), count);
    row.transform([&b, mean](const DeviceRow::Chunk &, Value x) -> Value {
      return arith::SubFOp::create(b, x, vector::BroadcastOp::create(b, x.getType(), mean));
    });
    Value squares = row.sum([&](const DeviceRow::Chunk &, Value x) { return e.mulf(x, x); });
    Value variance = e.addf(e.divf(squares, count), e.constant(f32, op.getEpsilon().convertToDouble()));
    Value deviation = math::SqrtOp::create(b, variance);
    RowSource gamma = RowSource::of(b, op.getGamma(), {});
    std::optional<RowSource> beta;
    if (op.getBeta())
      beta = RowSource::of(b, op.getBeta(), {});
    row.transform([&b, &row, deviation, gamma, beta, element](const DeviceRow::Chunk &chunk, Value x) {
      LoopEmitter e(b, b.getLoc());
      auto rounded = [&](Value value) { return e.convert(e.convert(value, element), b.getF32Type()); };
      Value value = e.mulf(rounded(e.divf(x, e.splat(deviation, 4))), row.read(gamma, chunk));
      return beta ? e.addf(rounded(value), row.read(*beta, chunk)) : value;
    });
  });
}

namespace {

struct NormToDevice : nvptx::impl::NormToDeviceBase<NormToDevice> {
  void runOnOperation() override {
    for (Operation *op : getSteps(getOperation())) {
      if (!isa<nn::RmsNormOp, nn::LayerNormOp>(op) || !isFloat32OrNarrower(getElementTypeOrSelf(op->getOperand(0))))
        continue;
      DeviceBuilder b(op->getLoc(), op);
      if (auto norm = dyn_cast<nn::RmsNormOp>(op))
        emitNorm(b, norm);
      else
        emitNorm(b, cast<nn::LayerNormOp>(op));
      op->erase();
    }
  }
};

} // namespace
