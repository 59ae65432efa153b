//===- QuantizeToLoops.cpp - Activation quantizers to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row is walked once for its largest magnitude and once to be written.
//
//===----------------------------------------------------------------------===//

#include "../Utils/RowEmitter.h"
#include "setun/Conversion/Passes.h"
#include "setun/Conversion/QuantizerSteps.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTQUANTIZETOLOOPS
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

/// Rows up to this long are normalized once and kept on the stack (32 KiB); longer ones are normalized twice.
constexpr int64_t kKeptRow = 8192;

namespace {
using RowReader = llvm::function_ref<Value(Value at, Lanes)>;

/// A quantizer that walks rows of buffers.
struct Quantizer : QuantizerSteps {
  /// The largest |x| of a row and of `start`, as bits.
  Value maxBits(Value size, Value start, RowReader read) {
    Value lanes = e.steps(size, kSumLanes, {e.splat(start, kSumLanes)}, [&](Value at, Lanes step, ValueRange max) {
      Value bits = magnitudeBits(read(at, step), kSumLanes);
      return SmallVector<Value>{arith::MaxSIOp::create(e.b, e.loc, max[0], bits)};
    })[0];
    return e.tree(lanes, [&](Value x, Value y) { return arith::MaxSIOp::create(e.b, e.loc, x, y).getResult(); });
  }

  void writeRow(Value size, Value factor, const Line &out, RowReader read) {
    e.steps(size, kSumLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
      e.write(out, at, toInt8(scaled(read(at, lanes), factor, kSumLanes), kSumLanes), lanes);
      return SmallVector<Value>();
    });
  }

  void store(Value c, Value buffer, ArrayRef<Value> at) {
    memref::StoreOp::create(e.b, e.loc, e.convert(c, element), buffer, at);
  }
};
} // namespace

static void lower(LoopEmitter &e, ternary::QuantizeOp op) {
  Quantizer quantizer{QuantizerSteps::of(e, op)};
  auto reader = [&](const Line &row) {
    return [&e, row](Value at, Lanes lanes) { return e.convert(e.read(row, at, lanes), e.b.getF32Type()); };
  };
  Value zero = e.constant(e.b.getI32Type(), 0);
  SmallVector<Value> rows = leadingSizes(e, op.getX());
  Value size = e.size(op.getX(), rows.size()), shared;
  if (op.getPerTensor()) {
    Value bits = e.loop(e.index(0), e.product(rows), 1, {zero}, [&](Value row, ValueRange max) {
      return SmallVector<Value>{quantizer.maxBits(size, max[0], reader(rowOf(e, op.getX(), e.delinearize(row, rows))))};
    })[0];
    Value c = quantizer.clampedMax(bits);
    quantizer.store(c, op.getAbsmax(), {});
    shared = quantizer.factor(c);
  }
  forEachRow(e, op.getX(), 4, [&](ArrayRef<Value> at) {
    auto read = reader(rowOf(e, op.getX(), at));
    Value factor = shared;
    if (!factor) {
      Value c = quantizer.clampedMax(quantizer.maxBits(size, zero, read));
      quantizer.store(c, op.getAbsmax(), at);
      factor = quantizer.factor(c);
    }
    quantizer.writeRow(size, factor, rowOf(e, op.getQ(), at), read);
  });
}

static void lower(LoopEmitter &e, ternary::NormQuantizeOp op) {
  Quantizer quantizer{QuantizerSteps::of(e, op)};
  Value zero = e.constant(e.b.getI32Type(), 0);
  forEachRow(e, op.getX(), 8, [&](ArrayRef<Value> at) {
    RmsRow norm(e, rowOf(e, op.getX(), at), op.getGamma(), op.getNormEps().convertToDouble());
    std::optional<int64_t> known = getConstantIntValue(norm.size);
    std::optional<Line> kept;
    if (known && *known <= kKeptRow)
      kept = rowOf(e, e.scratch(llvm::alignTo(*known, kSumLanes), e.b.getF32Type()), {});
    Value bits = quantizer.maxBits(norm.size, zero, [&](Value i, Lanes lanes) {
      Value value = norm.read(e, i, lanes);
      if (kept)
        e.write(*kept, i, value, Lanes{lanes.width});
      return value;
    });
    Value c = quantizer.clampedMax(bits);
    quantizer.store(c, op.getAbsmax(), at);
    quantizer.writeRow(norm.size, quantizer.factor(c), rowOf(e, op.getQ(), at), [&](Value i, Lanes lanes) {
      return kept ? e.read(*kept, i, Lanes{lanes.width}) : norm.read(e, i, lanes);
    });
  });
}

namespace {
struct ConvertQuantizeToLoops : setun::impl::ConvertQuantizeToLoopsBase<ConvertQuantizeToLoops> {
  using ConvertQuantizeToLoopsBase::ConvertQuantizeToLoopsBase;
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      OpBuilder builder(op);
      LoopEmitter emitter(builder, op->getLoc(), vectorBits);
      if (!isa<ternary::QuantizeOp, ternary::NormQuantizeOp>(op) || op->getNumResults() > 0)
        return;
      if (auto quantize = dyn_cast<ternary::QuantizeOp>(op))
        lower(emitter, quantize);
      else
        lower(emitter, cast<ternary::NormQuantizeOp>(op));
      op->erase();
    });
  }
};
} // namespace
