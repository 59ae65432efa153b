//===- QuantizeToDevice.cpp - Activation quantizers to kernels ------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A team of threads a row. A tensor with one scale takes two launches: one block finds the largest magnitude, then every
// row is written.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "Steps.h"
#include "setun/Target/NVPTX/RowKernels.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_QUANTIZETODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// Threads of the block that walks a whole tensor.
constexpr int64_t kTensorThreads = 512;

static Value lastSize(DeviceBuilder &b, Value buffer) {
  return b.createOrFold<memref::DimOp>(buffer, cast<MemRefType>(buffer.getType()).getRank() - 1);
}

/// Four codes into a row of int8, as far as they exist.
static void storeCodes(DeviceBuilder &b, Value buffer, ArrayRef<Value> leading, const DeviceRow::Chunk &chunk,
                       Value codes, Value k) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<Value> place(leading);
  place.push_back(chunk.at);
  std::optional<int64_t> known = getConstant(k);
  Value bytes = b.bitcast(b.broadcast(codes, b.i32s(1)), b.i8s(4));
  if (known && *known % 4 == 0 && hasAlignedRows(type, 4)) {
    auto write = [&] { vector::StoreOp::create(b, bytes, buffer, place, /*nontemporal=*/false, llvm::MaybeAlign(4)); };
    return chunk.exists ? b.branch(chunk.exists, write) : write();
  }
  for (int64_t i = 0; i < 4; ++i) {
    Value at = b.add(chunk.at, i);
    b.branch(b.cmp(arith::CmpIPredicate::slt, at, k), [&] {
      place.back() = at;
      memref::StoreOp::create(b, vector::ExtractOp::create(b, bytes, i), buffer, place);
    });
  }
}

/// One thread of the team stores c.
static void storeScale(DeviceBuilder &b, const RowTeam &team, Value c, Value buffer, ArrayRef<Value> at) {
  LoopEmitter e(b, b.getLoc());
  Value narrow = e.convert(c, getElementTypeOrSelf(buffer));
  b.branch(b.equals(team.member, 0), [&] { memref::StoreOp::create(b, narrow, buffer, at); });
}

/// Each row by itself.
static void emitRows(DeviceBuilder &b, Value x, Value q, Value absmax, const RowQuantizer &quantizer) {
  launchRows(b, x, [&](const RowTeam &team, ArrayRef<Value> at) {
    Value k = lastSize(b, x);
    auto store = [&](const DeviceRow::Chunk &chunk, Value codes) { storeCodes(b, q, at, chunk, codes, k); };
    Value c = emitRowQuantize(b, team, quantizer, RowSource::of(b, x, at), k, store);
    storeScale(b, team, c, absmax, at);
  });
}

/// All rows with one scale.
static void emitTensor(DeviceBuilder &b, ternary::QuantizeOp op) {
  Value x = op.getX(), one = b.index(1);
  auto steps = [&](LoopEmitter &e) { return QuantizerSteps::of(e, op); };
  b.launch(one, kTensorThreads, [&](const Threads &t) {
    LoopEmitter e(b, b.getLoc());
    QuantizerSteps quantizer = steps(e);
    RowTeam team = RowTeam::ofBlock(t, kTensorThreads);
    SmallVector<Value> sizes;
    for (int64_t dim = 0, last = cast<MemRefType>(x.getType()).getRank() - 1; dim < last; ++dim)
      sizes.push_back(e.size(x, dim));
    auto larger = [&](Value p, Value q) { return b.max(p, q); };
    Value zero = b.constant(b.getI32Type(), 0), k = lastSize(b, x);
    Value bits = b.loop(b.index(0), e.product(sizes), 1, zero, [&](Value row, ValueRange most) {
      DeviceRow values(b, team, RowSource::of(b, x, e.delinearize(row, sizes)), k);
      auto step = [&](const DeviceRow::Chunk &, Value value, Value so) {
        return larger(so, quantizer.magnitudeBits(value, 4));
      };
      Value ofRow = values.fold(zero, step, larger);
      b.barrier();
      return Values{larger(most[0], ofRow)};
    })[0];
    storeScale(b, team, quantizer.clampedMax(bits), op.getAbsmax(), {});
  });
  launchRows(b, x, [&](const RowTeam &team, ArrayRef<Value> at) {
    LoopEmitter e(b, b.getLoc());
    QuantizerSteps quantizer = steps(e);
    Value c = e.convert(memref::LoadOp::create(b, op.getAbsmax(), ValueRange()), b.getF32Type());
    Value factor = quantizer.factor(c), k = lastSize(b, x);
    DeviceRow row(b, team, RowSource::of(b, x, at), k);
    row.forEach([&](const DeviceRow::Chunk &chunk, Value value) {
      Value codes = quantizer.toInt8(quantizer.scaled(value, factor, 4), 4);
      storeCodes(b, op.getQ(), at, chunk, b.word(b.bitcast(codes, b.i32s(1)), 0), k);
    });
  });
}

namespace {

struct QuantizeToDevice : nvptx::impl::QuantizeToDeviceBase<QuantizeToDevice> {
  void runOnOperation() override {
    for (Operation *op : getSteps(getOperation())) {
      DeviceBuilder b(op->getLoc(), op);
      if (auto quantize = dyn_cast<ternary::QuantizeOp>(op))
        quantize.getPerTensor() ? emitTensor(b, quantize)
                                : emitRows(b, quantize.getX(), quantize.getQ(), quantize.getAbsmax(),
                                           RowQuantizer::of(quantize));
      else if (auto fused = dyn_cast<ternary::NormQuantizeOp>(op))
        emitRowsWithNorm(b, fused);
      else
        continue;
      op->erase();
    }
  }

  static void emitRowsWithNorm(DeviceBuilder &b, ternary::NormQuantizeOp op) {
    emitRows(b, op.getX(), op.getQ(), op.getAbsmax(), RowQuantizer::of(b, op));
  }
};

} // namespace
