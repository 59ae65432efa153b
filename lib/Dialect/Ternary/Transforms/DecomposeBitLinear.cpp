//===- DecomposeBitLinear.cpp - A BitLinear layer, written out -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layer is one op for people; everything after this pass knows only the
// quantizer, the product and arithmetic, which fusion gathers again.
//
//===----------------------------------------------------------------------===//

#include "TensorBuilder.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

namespace setun {
#define GEN_PASS_DEF_DECOMPOSEBITLINEAR
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

namespace {
struct DecomposeBitLinear : setun::impl::DecomposeBitLinearBase<DecomposeBitLinear> {
  void runOnOperation() override;
};
} // namespace

/// What one of several equal sizes tells.
static int64_t meet(std::initializer_list<int64_t> sizes) {
  for (int64_t size : sizes)
    if (!ShapedType::isDynamic(size))
      return size;
  return ShapedType::kDynamic;
}

static void decompose(BitLinearOp op) {
  OpBuilder builder(op);
  TensorBuilder b(builder, op.getLoc());
  FloatType f32 = builder.getF32Type();
  ArrayRef<int64_t> xs = shapeOf(op.getX()), ws = shapeOf(op.getWeight()), ys = shapeOf(op.getY());
  int64_t m = meet({xs[0], ys[0]}), n = meet({ys[1], ws[0]}), k = meet({xs[1], ws[1]});

  // Sizes come from `x` and `y`, so that nothing depends on a value that this makes.
  SmallVector<OpFoldResult> xSizes = getSizes(builder, b.loc, op.getX()), ySizes = getSizes(builder, b.loc, op.getY());
  auto known = [&](int64_t size, OpFoldResult otherwise) {
    return ShapedType::isDynamic(size) ? otherwise : OpFoldResult(builder.getIndexAttr(size));
  };
  OpFoldResult mSize = known(m, xSizes[0]), nSize = known(n, ySizes[1]), kSize = known(k, xSizes[1]);
  SmallVector<OpFoldResult> out = {mSize, nSize};

  Value q = b.empty({mSize, kSize}, builder.getI8Type());
  Value absmax = b.empty(mSize, elementOf(op.getX()));
  auto quantize =
      QuantizeOp::create(builder, b.loc, TypeRange{q.getType(), absmax.getType()}, b.cast(op.getX(), {m, k}), q, absmax,
                         op.getQmaxAttr(), op.getClampAttr(), op.getEpsAttr(), SpellingAttr(), UnitAttr());

  Value weight = b.cast(op.getWeight(), {n, k}), scale = op.getScale();
  bool grouped = hasRank(scale, 2);
  Value groups = grouped ? b.convertFloat(b.cast(scale, {n, shapeOf(scale)[1]}), f32) : Value();
  Value acc = b.empty(out, grouped ? Type(f32) : builder.getI32Type());
  Value y = b.make<MatmulOp>(acc.getType(), quantize.getResult(0), weight, groups, acc, EncodingAttr());
  if (!grouped) {
    y = b.make<arith::SIToFPOp>(b.typeOf(y).clone(f32), y);
    Value wide = b.convertFloat(scale, f32);
    wide = shapeOf(scale)[0] == 1 && n != 1 ? b.broadcast(b.asScalar(wide), out, {})
                                            : b.broadcast(b.cast(wide, {n}), out, {1});
    y = b.make<arith::MulFOp>(y, wide);
  }
  Value step = b.convertFloat(quantize.getResult(1), f32);
  step = b.make<arith::DivFOp>(step, b.splat(mSize, FloatAttr::get(f32, op.getQmax())));
  y = b.make<arith::MulFOp>(y, b.broadcast(step, out, {0}));
  if (Value bias = op.getBias())
    y = b.make<arith::AddFOp>(y, b.broadcast(b.convertFloat(b.cast(bias, {n}), f32), out, {1}));
  y = b.cast(b.convertFloat(y, cast<FloatType>(elementOf(op.getY()))), ys);
  op->replaceAllUsesWith(ValueRange(y));
  op->erase();
}

void DecomposeBitLinear::runOnOperation() {
  SmallVector<BitLinearOp> layers;
  getOperation()->walk([&](BitLinearOp op) { layers.push_back(op); });
  for (BitLinearOp op : layers) {
    if (isa<MemRefType>(op.getX().getType())) {
      op.emitOpError("is taken apart on tensors, before bufferization");
      return signalPassFailure();
    }
    decompose(op);
  }
}
