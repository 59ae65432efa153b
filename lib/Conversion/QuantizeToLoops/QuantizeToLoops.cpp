//===- QuantizeToLoops.cpp - Activation quantizers to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps of a spelling are written as they are: their roundings decide which
// way a value near .5 goes.
//
//===----------------------------------------------------------------------===//

#include "../Utils/RowEmitter.h"
#include "setun/Conversion/Passes.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"

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

/// The quantizer's attributes and its arithmetic, in f32 rounded to `element` after each step.
struct Quantizer {
  LoopEmitter &e;
  Type element;
  ternary::Spelling spelling;
  double qmax, eps;
  ArrayRef<int64_t> clamp;

  Type bitsOf(int64_t width) { return e.lanesOf(e.b.getI32Type(), width); }
  Value rounded(Value value) { return roundTo(e, value, element); }
  Value number(double value) { return rounded(e.constant(e.b.getF32Type(), value)); }

  /// The largest |x| of a row and of `start`, as bits: magnitudes order as their bits do, and a NaN above infinity.
  Value maxBits(Value size, Value start, RowReader read) {
    Value mask = e.constant(bitsOf(kSumLanes), 0x7fffffff);
    Value lanes = e.steps(size, kSumLanes, {e.splat(start, kSumLanes)}, [&](Value at, Lanes step, ValueRange max) {
      Value bits = arith::BitcastOp::create(e.b, e.loc, bitsOf(kSumLanes), read(at, step));
      bits = arith::AndIOp::create(e.b, e.loc, bits, mask);
      return SmallVector<Value>{arith::MaxSIOp::create(e.b, e.loc, max[0], bits)};
    })[0];
    return e.tree(lanes, [&](Value x, Value y) { return arith::MaxSIOp::create(e.b, e.loc, x, y).getResult(); });
  }

  /// c = max(absmax, eps).
  Value clampedMax(Value bits) {
    Value max = arith::BitcastOp::create(e.b, e.loc, e.b.getF32Type(), bits);
    return arith::MaximumFOp::create(e.b, e.loc, max, number(eps));
  }

  /// The one number that all elements of a row are multiplied with or divided by.
  Value factor(Value c) {
    switch (spelling) {
    case ternary::Spelling::Reciprocal:
      return rounded(e.mulf(number(qmax), rounded(e.divf(number(1), c))));
    case ternary::Spelling::Divide:
      return rounded(e.divf(number(qmax), c));
    case ternary::Spelling::Step:
      return rounded(e.divf(c, number(qmax)));
    case ternary::Spelling::Normalize:
    case ternary::Spelling::ScaleFirst:
      return c;
    }
    llvm_unreachable("every spelling is handled");
  }

  Value scaled(Value x, Value factor, int64_t width) {
    factor = e.splat(factor, width);
    Value max = e.splat(number(qmax), width);
    switch (spelling) {
    case ternary::Spelling::Reciprocal:
    case ternary::Spelling::Divide:
      return rounded(e.mulf(x, factor));
    case ternary::Spelling::Step:
      return rounded(e.divf(x, factor));
    case ternary::Spelling::Normalize:
      return rounded(e.mulf(rounded(e.divf(x, factor)), max));
    case ternary::Spelling::ScaleFirst:
      return rounded(e.divf(rounded(e.mulf(x, max)), factor));
    }
    llvm_unreachable("every spelling is handled");
  }

  /// clamp(roundeven(v)) as i8. The comparisons are those of one SSE instruction each, and send a NaN to clamp[0].
  /// Adding 1.5 * 2^23 rounds v to an integer, half to even, and leaves it in the low bits.
  Value toInt8(Value v, int64_t width) {
    Type type = e.lanesOf(e.b.getF32Type(), width);
    auto bounded = [&](Value x, arith::CmpFPredicate keep, int64_t bound) -> Value {
      Value limit = e.constant(type, static_cast<double>(bound));
      Value kept = arith::CmpFOp::create(e.b, e.loc, keep, x, limit);
      return arith::SelectOp::create(e.b, e.loc, kept, x, limit);
    };
    v = bounded(v, arith::CmpFPredicate::OGT, clamp[0]);
    v = bounded(v, arith::CmpFPredicate::OLT, clamp[1]);
    v = e.addf(v, e.constant(type, 12582912.0));
    Value bits = arith::BitcastOp::create(e.b, e.loc, bitsOf(width), v);
    return arith::TruncIOp::create(e.b, e.loc, e.lanesOf(e.b.getI8Type(), width), bits);
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

template <typename OpTy> static Quantizer quantizerOf(LoopEmitter &e, OpTy op) {
  return {e,
          getElementTypeOrSelf(op.getX().getType()),
          op.getSpelling(),
          op.getQmax().convertToDouble(),
          op.getEps().convertToDouble(),
          op.getClamp()};
}

static void lower(LoopEmitter &e, ternary::QuantizeOp op) {
  Quantizer quantizer = quantizerOf(e, op);
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
  Quantizer quantizer = quantizerOf(e, op);
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
