//===- RaiseAttention.cpp - Find attention, and what its mask says --------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decomposed attention materializes all scores, repeats keys and values for
// their heads and reads a mask; the op does none of that.
//
//===----------------------------------------------------------------------===//

#include "CausalMask.h"
#include "MatchAttention.h"
#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_RAISEATTENTION
#include "setun/Dialect/NN/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

/// The attention with its mask as an attribute where it is causal, else as an operand.
static nn::AttentionOp build(RewriterBase &rewriter, Location loc, const Attention &attention) {
  SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, attention.q);
  SmallVector<OpFoldResult> scores = sizes;
  scores[3] = getSizes(rewriter, loc, attention.k)[2];
  sizes[3] = getSizes(rewriter, loc, attention.v)[3];
  auto type = cast<RankedTensorType>(attention.q.getType());
  Value mask, past;
  std::optional<CausalMask> causal;
  if (attention.mask) {
    causal = matchCausalMask(*attention.mask, type.getDimSize(2) == 1);
    SmallVector<int64_t> dims(4, -1);
    for (int64_t dim : attention.mask->dims)
      if (dim != -1)
        dims[dim] = dim;
    auto keys = cast<RankedTensorType>(attention.k.getType()).getDimSize(2);
    dims[3] = keys == 1 ? -1 : 3;
    if (!causal)
      mask = reshapeView(rewriter, loc, *attention.mask, dims, scores);
  }
  if (causal)
    past = getValueOrCreateConstantIndexOp(
        rewriter, loc, affine::makeComposedFoldedAffineApply(rewriter, loc, causal->past, causal->symbols));
  Value init = tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
  return nn::AttentionOp::create(
      rewriter, loc, init.getType(), attention.q, attention.k, attention.v, mask, past, init, Value(),
      rewriter.getF32FloatAttr(attention.scale), causal ? rewriter.getUnitAttr() : UnitAttr(),
      rewriter.getI64IntegerAttr(causal ? causal->window : 0), rewriter.getF32FloatAttr(attention.softcap));
}

namespace {
struct RaiseAttention : setun::impl::RaiseAttentionBase<RaiseAttention> {
  using Base::Base;

  void runOnOperation() override {
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (isProof(func))
        continue;
      IRRewriter rewriter(func.getContext());
      SmallVector<linalg::BatchMatmulOp> products;
      SmallVector<nn::AttentionOp> fused;
      func.walk([&](linalg::BatchMatmulOp op) { products.push_back(op); });
      func.walk([&](nn::AttentionOp op) { fused.push_back(op); });
      for (linalg::BatchMatmulOp op : products)
        if (std::optional<Attention> attention = matchAttention(op))
          raise(rewriter, op, *attention);
      for (nn::AttentionOp op : fused)
        simplify(rewriter, op);
      (void)runRegionDCE(rewriter, func.getBody());
    }
  }

  void raise(RewriterBase &rewriter, linalg::BatchMatmulOp op, const Attention &attention) {
    std::optional<Proof> proof;
    SmallVector<Value> boundary = {attention.q, attention.k, attention.v};
    if (keepProofs)
      proof.emplace(op.getResult(0), boundary);
    rewriter.setInsertionPoint(op);
    nn::AttentionOp raised = build(rewriter, op.getLoc(), attention);
    SmallVector<ReassociationIndices> groups = {{0, 1}, {2}, {3}};
    Value result = tensor::CollapseShapeOp::create(rewriter, op.getLoc(), raised.getResult(0), groups);
    if (result.getType() != op.getResult(0).getType())
      result = tensor::CastOp::create(rewriter, op.getLoc(), op.getResult(0).getType(), result);
    if (proof)
      proof->finish(result, boundary, "attention");
    rewriter.replaceOp(op, result);
  }

  /// What a fused operator of the source leaves to find: repeated heads and a causal mask.
  void simplify(RewriterBase &rewriter, nn::AttentionOp op) {
    Attention attention;
    attention.q = op.getQ();
    attention.k = stripRepeatedHeads(op.getK()), attention.v = stripRepeatedHeads(op.getV());
    // A query head reads key head h / (H / G) either way, if both are repeated alike.
    bool repeats = attention.k != op.getK() && attention.v != op.getV() &&
                   cast<RankedTensorType>(attention.k.getType()).getDimSize(1) ==
                       cast<RankedTensorType>(attention.v.getType()).getDimSize(1);
    if (!repeats)
      attention.k = op.getK(), attention.v = op.getV();
    attention.scale = op.getScale().convertToDouble(), attention.softcap = op.getSoftcap().convertToDouble();
    rewriter.setInsertionPoint(op);
    if (op.getMask() && !op.getCausal() && op.getWindow() == 0) {
      attention.mask = View{op.getMask(), {0, 1, 2, 3}};
      for (auto [i, dim] : llvm::enumerate(attention.mask->dims))
        dim = cast<RankedTensorType>(op.getMask().getType()).getDimSize(i) == 1 ? -1 : dim;
      bool isSingle = cast<RankedTensorType>(op.getQ().getType()).getDimSize(2) == 1;
      if (matchCausalMask(*attention.mask, isSingle)) {
        rewriter.replaceOp(op, build(rewriter, op.getLoc(), attention));
        return;
      }
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.getKMutable().assign(attention.k);
      op.getVMutable().assign(attention.v);
    });
  }
};
} // namespace
