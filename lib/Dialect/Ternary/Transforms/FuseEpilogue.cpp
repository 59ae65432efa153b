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
#include "setun/Dialect/Utils/Matchers.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"

namespace setun {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
/// Broadcasts become generic ops that fuse, and so do transposes beside elementwise work; other named ops (products,
/// reductions) keep their names.
struct GeneralizeMovement : RewritePattern {
  GeneralizeMovement(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    auto isGeneric = [](Operation *other) { return isa_and_nonnull<linalg::GenericOp>(other); };
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
      // A reshape goes through a generic op, so that what lies behind it counts.
      Operation *source = transpose.getInput().getDefiningOp();
      while (isa_and_nonnull<tensor::ExpandShapeOp>(source))
        source = source->getOperand(0).getDefiningOp();
      if (!isGeneric(source) && !llvm::all_of(op->getUsers(), isGeneric))
        return failure();
    } else if (!isa<linalg::BroadcastOp>(op)) {
      return failure();
    }
    return linalg::generalizeNamedOp(rewriter, cast<linalg::LinalgOp>(op));
  }
};
} // namespace

namespace {
/// Upstream does not fold reshapes there and back over several dynamic sizes, because it does not compare them.
struct FoldExpandOfCollapse : OpRewritePattern<tensor::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExpandShapeOp op, PatternRewriter &rewriter) const override {
    auto collapse = op.getSrc().getDefiningOp<tensor::CollapseShapeOp>();
    if (!collapse || collapse.getSrcType() != op.getType() ||
        collapse.getReassociationIndices() != op.getReassociationIndices() ||
        getSizes(rewriter, op.getLoc(), collapse.getSrc()) != op.getMixedOutputShape())
      return failure();
    rewriter.replaceOp(op, collapse.getSrc());
    return success();
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

/// Whether a reshape does more than to add or drop sizes of 1.
static bool isProperReshape(Operation *op) {
  bool expands = isa<tensor::ExpandShapeOp>(op);
  auto wide = cast<RankedTensorType>((expands ? op->getResult(0) : op->getOperand(0)).getType());
  auto groups = expands ? cast<tensor::ExpandShapeOp>(op).getReassociationIndices()
                        : cast<tensor::CollapseShapeOp>(op).getReassociationIndices();
  return llvm::any_of(groups, [&](const ReassociationIndices &group) {
    return llvm::count_if(group, [&](int64_t dim) { return wide.getDimSize(dim) != 1; }) > 1;
  });
}

/// Whether the reshape that reads or makes `operand` goes through the generic op on its other side.
static bool shouldFoldReshape(OpOperand *operand) {
  Operation *producer = operand->get().getDefiningOp(), *consumer = operand->getOwner();
  bool expands = isa<tensor::ExpandShapeOp>(consumer);
  auto generic = dyn_cast_or_null<linalg::GenericOp>(expands ? producer : consumer);
  Operation *reshape = expands ? consumer : producer;
  // A producer that is read elsewhere would stay, and its reshape with it. Named ops would lose their names.
  return isParallel(generic) && isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(reshape) &&
         isProperReshape(reshape) && (!expands || generic->hasOneUse());
}

namespace {
struct FuseEpilogue : setun::impl::FuseEpilogueBase<FuseEpilogue> {
  void runOnOperation() override {
    if (isProof(getOperation()) || getOperation().isExternal())
      return;
    auto toLinalg = [&](RewritePatternSet &patterns) {
      linalg::populateElementwiseToLinalgConversionPatterns(patterns);
      patterns.add<GeneralizeMovement>(&getContext());
    };
    auto fuse = [&](RewritePatternSet &patterns) {
      linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
      patterns.add<GeneralizeMovement>(&getContext());
      addCleanup(patterns);
    };
    auto foldReshapes = [&](RewritePatternSet &patterns) {
      linalg::populateFoldReshapeOpsByExpansionPatterns(patterns, shouldFoldReshape);
      fuse(patterns);
    };
    // Elementwise work fuses before reshapes are moved: a reshape that went through half of it would divide it. Then
    // sizes of 1 are dropped, because only proper reshapes are moved.
    if (failed(apply(toLinalg)) || failed(apply(fuse)))
      return signalPassFailure();
    dropUnitSizes();
    if (failed(apply(foldReshapes)) || failed(apply(foldReshapes)))
      return signalPassFailure();
    dropUnitSizes();
    if (failed(apply([&](RewritePatternSet &patterns) { addCleanup(patterns); })))
      signalPassFailure();
  }

  LogicalResult apply(function_ref<void(RewritePatternSet &)> populate) {
    RewritePatternSet patterns(&getContext());
    populate(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return failure();
    IRRewriter rewriter(&getContext());
    DominanceInfo dominance(getOperation());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    return success();
  }

  void addCleanup(RewritePatternSet &patterns) {
    MLIRContext *context = &getContext();
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    linalg::FillOp::getCanonicalizationPatterns(patterns, context);
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::DimOp::getCanonicalizationPatterns(patterns, context);
    tensor::populateFoldTensorEmptyPatterns(patterns);
    patterns.add<FoldExpandOfCollapse>(context);
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
  }

  void dropUnitSizes() {
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (linalg::GenericOp op : ops) {
      rewriter.setInsertionPoint(op);
      FailureOr<linalg::DropUnitDimsResult> result = linalg::dropUnitDims(rewriter, op, linalg::ControlDropUnitDims());
      if (succeeded(result))
        rewriter.replaceOp(op, result->replacements);
    }
  }
};
} // namespace
