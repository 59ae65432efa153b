//===- FuseEpilogue.cpp - Elementwise work in few loops -------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands between a product and the next op that is not elementwise (the
// conversion of its integers, scales, bias, gate, residual) becomes one loop
// nest. The rules keep it from doing anything twice.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"

namespace setun {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
/// Broadcasts become generic ops that fuse; other named ops (products, reductions, transposes) keep their names.
struct GeneralizeBroadcast : OpRewritePattern<linalg::BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::BroadcastOp op, PatternRewriter &rewriter) const override {
    return linalg::generalizeNamedOp(rewriter, op);
  }
};
} // namespace

/// Whether a body only passes its input on, perhaps in another type: free to do again.
static bool isFree(linalg::GenericOp op) {
  return llvm::all_of(op.getBody()->without_terminator(), [](Operation &inner) {
    return isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncFOp, arith::TruncIOp, arith::SIToFPOp,
               arith::UIToFPOp, arith::NegFOp>(inner);
  });
}

static bool isParallel(linalg::GenericOp op) { return op && op.getNumLoops() == op.getNumParallelLoops(); }

/// Whether the producer of `operand` goes into its consumer.
static bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!isParallel(producer) || !isParallel(consumer) || producer->getBlock() != consumer->getBlock())
    return false;
  if (isFree(producer))
    return true;
  // Each element must be computed once: by one consumer, which reads it once.
  bool hasOneUser = llvm::all_of(producer->getUsers(), [&](Operation *user) { return user == consumer; });
  return hasOneUser && consumer.getMatchingIndexingMap(operand).isPermutation();
}

/// Whether a reshape next to a generic op goes through it.
static bool shouldFoldReshape(OpOperand *operand) {
  // Upstream would turn named ops into generic ones for this.
  auto isGood = [](Operation *op) {
    return !isa_and_nonnull<linalg::LinalgOp>(op) || isParallel(dyn_cast<linalg::GenericOp>(op));
  };
  // A producer that is read elsewhere would stay, and its reshape with it.
  if (auto producer = operand->get().getDefiningOp<linalg::GenericOp>(); producer && !producer->hasOneUse())
    return false;
  return isGood(operand->get().getDefiningOp()) && isGood(operand->getOwner());
}

namespace {
struct FuseEpilogue : setun::impl::FuseEpilogueBase<FuseEpilogue> {
  void runOnOperation() override {
    if (isProof(getOperation()) || getOperation().isExternal())
      return;
    MLIRContext *context = &getContext();
    auto apply = [&](auto populate) {
      RewritePatternSet patterns(context);
      populate(patterns);
      return applyPatternsGreedily(getOperation(), std::move(patterns));
    };
    auto toLinalg = [&](RewritePatternSet &patterns) {
      linalg::populateElementwiseToLinalgConversionPatterns(patterns);
      patterns.add<GeneralizeBroadcast>(context);
    };
    auto fuse = [&](RewritePatternSet &patterns) {
      linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
      linalg::populateFoldReshapeOpsByExpansionPatterns(patterns, shouldFoldReshape);
      linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
      linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
      tensor::populateFoldTensorEmptyPatterns(patterns);
      for (StringRef name : {"tensor.collapse_shape", "tensor.expand_shape", "tensor.dim", "tensor.extract_slice"})
        RegisteredOperationName::lookup(name, context)->getCanonicalizationPatterns(patterns, context);
    };
    if (failed(apply(toLinalg)) || failed(apply(fuse)))
      signalPassFailure();
  }
};
} // namespace
