//===- RaiseRotaryEmbedding.cpp - Find rotary position embedding ----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// x * cos + concat(-x2, x1) * sin, where cos and sin hold each angle twice. The
// op takes each once, so that equal halves must be seen in how they were made.
//
//===----------------------------------------------------------------------===//

#include "EqualHalves.h"
#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_RAISEROTARYEMBEDDING
#include "setun/Dialect/NN/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
struct Rotary {
  Value x;
  View cos, sin; // over the whole last dimension
};
} // namespace

/// x if `value` is its half that begins at `offset` along the last dimension.
static Value getHalfSource(Value value, int64_t offset, int64_t half) {
  auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice.getSourceType().getRank() != 4 || !slice.hasUnitStride() || slice.getType().getRank() != 4)
    return {};
  ArrayRef<int64_t> offsets = slice.getStaticOffsets();
  bool isWhole = offsets.take_front(3) == ArrayRef<int64_t>({0, 0, 0}) && offsets[3] == offset &&
                 slice.getStaticSizes()[3] == half && slice.getSourceType().getDimSize(3) == 2 * half;
  // Dynamic sizes must be the source's own.
  for (int64_t i = 0; i < 3; ++i) {
    OpFoldResult size = slice.getMixedSizes()[i];
    if (slice.getSourceType().isDynamicDim(i)) {
      OpBuilder builder(slice);
      SmallVector<OpFoldResult> sizes = getSizes(builder, slice.getLoc(), slice.getSource());
      auto dim = dyn_cast<Value>(size) ? dyn_cast<Value>(size).getDefiningOp<tensor::DimOp>() : tensor::DimOp();
      bool isDim = dim && dim.getSource() == slice.getSource() && dim.getConstantIndex() == i;
      isWhole &= isDim || isEqualConstantIntOrValue(size, sizes[i]);
    } else {
      isWhole &= isConstantIntValue(size, slice.getSourceType().getDimSize(i));
    }
  }
  return isWhole ? slice.getSource() : Value();
}

static Value getNegated(Value value) {
  if (auto neg = value.getDefiningOp<arith::NegFOp>())
    return neg.getOperand();
  Value inner;
  matchCommutative<arith::MulFOp>(value,
                                  [&](Value operand, Value factor) {
                                    inner = operand;
                                    return getSplat(factor) == -1.0;
                                  }) ||
      (inner = Value());
  return inner;
}

/// x if `value` is concat(-x2, x1).
static Value matchRotated(Value value) {
  auto concat = value.getDefiningOp<tensor::ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 || concat.getResultType().getRank() != 4 || concat.getDim() != 3)
    return {};
  int64_t half = concat.getResultType().getDimSize(3) / 2;
  Value second = getNegated(concat.getInputs()[0]);
  Value fromSecond = second ? getHalfSource(second, half, half) : Value();
  Value fromFirst = getHalfSource(concat.getInputs()[1], 0, half);
  return fromFirst && fromSecond && isSameValue(fromFirst, fromSecond) ? fromFirst : Value();
}

/// A table for all heads whose halves along the last dimension are equal.
static bool isTable(const View &view) {
  return llvm::is_contained(view.dims, 3) && !llvm::is_contained(view.dims, 1) && view.dims.back() == 3 &&
         hasEqualHalves(view.value);
}

static std::optional<Rotary> match(arith::AddFOp op) {
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!type || type.getRank() != 4 || type.isDynamicDim(3) || type.getDimSize(3) % 2)
    return std::nullopt;
  Rotary rotary;
  View root = View::root(op);
  bool found = matchCommutative<arith::AddFOp>(op, [&](Value straight, Value turned) {
    return matchCommutative<arith::MulFOp>(turned, [&](Value rotated, Value sin) {
      rotary.x = matchRotated(rotated);
      rotary.sin = root.operand(sin);
      return rotary.x && isTable(rotary.sin) && matchCommutative<arith::MulFOp>(straight, [&](Value x, Value cos) {
               rotary.cos = root.operand(cos);
               return isSameValue(x, rotary.x) && isTable(rotary.cos);
             });
    });
  });
  return found ? std::optional(rotary) : std::nullopt;
}

/// The first half of a table as [B or 1, S, D / 2].
static Value makeTable(OpBuilder &builder, Location loc, const View &view, RankedTensorType type,
                       SmallVector<OpFoldResult> sizes) {
  View half{makeHalf(builder, view.value), view.dims};
  sizes[3] = builder.getIndexAttr(type.getDimSize(3) / 2);
  int64_t batch = llvm::is_contained(view.dims, 0) ? 0 : -1, sequence = type.getDimSize(2) == 1 ? -1 : 2;
  return reshapeView(builder, loc, half, {batch, sequence, 3}, sizes);
}

namespace {
struct RaiseRotaryEmbedding : setun::impl::RaiseRotaryEmbeddingBase<RaiseRotaryEmbedding> {
  using Base::Base;

  void runOnOperation() override {
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!isProof(func))
        raise(func);
  }

  void raise(func::FuncOp func) {
    SmallVector<arith::AddFOp> candidates;
    func.walk([&](arith::AddFOp op) { candidates.push_back(op); });
    IRRewriter rewriter(func.getContext());
    for (arith::AddFOp op : candidates) {
      std::optional<Rotary> rotary = match(op);
      if (!rotary)
        continue;
      std::optional<Proof> proof;
      if (keepProofs)
        proof.emplace(op, ArrayRef<Value>{rotary->x}); // equal halves are part of what is proven
      rewriter.setInsertionPoint(op);
      Location loc = op.getLoc();
      auto type = cast<RankedTensorType>(op.getType());
      SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, rotary->x);
      Value cos = makeTable(rewriter, loc, rotary->cos, type, sizes);
      Value sin = makeTable(rewriter, loc, rotary->sin, type, sizes);
      Value init = tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
      auto raised = nn::RotaryEmbeddingOp::create(rewriter, loc, type, rotary->x, cos, sin, init, UnitAttr());
      rewriter.replaceOp(op, raised.getResult(0));
      if (proof)
        proof->finish(raised.getResult(0), raised.getX(), "rotary_embedding");
    }
    (void)runRegionDCE(rewriter, func.getBody());
  }
};
} // namespace
