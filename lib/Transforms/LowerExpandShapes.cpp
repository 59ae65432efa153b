//===- LowerExpandShapes.cpp - Expanded buffers as reinterpreted ones -----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream's expand-strided-metadata (22.1) crashes on an expand_shape that makes two dynamic sizes of one; the sizes
// stand in the op's output_shape, so nothing has to be computed but strides.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

namespace setun {
#define GEN_PASS_DEF_LOWEREXPANDSHAPES
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;

static void lower(RewriterBase &rewriter, memref::ExpandShapeOp op) {
  rewriter.setInsertionPoint(op);
  Location loc = op.getLoc();
  auto source = memref::ExtractStridedMetadataOp::create(rewriter, loc, op.getSrc());
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape(), sourceStrides = source.getConstifiedMixedStrides();
  SmallVector<OpFoldResult> strides(sizes.size(),
                                    rewriter.getIndexAttr(1)); // all of them if the source has no dimension
  auto [known, knownOffset] = op.getResultType().getStridesAndOffset();
  for (auto [group, stride] : llvm::zip_equal(op.getReassociationIndices(), sourceStrides)) {
    Value running = getValueOrCreateConstantIndexOp(rewriter, loc, stride);
    for (int64_t dim : llvm::reverse(group)) {
      strides[dim] = ShapedType::isDynamic(known[dim]) ? OpFoldResult(running) : rewriter.getIndexAttr(known[dim]);
      Value size = getValueOrCreateConstantIndexOp(rewriter, loc, sizes[dim]);
      running = arith::MulIOp::create(rewriter, loc, running, size);
    }
  }
  OpFoldResult offset =
      ShapedType::isDynamic(knownOffset) ? source.getConstifiedMixedOffset() : rewriter.getIndexAttr(knownOffset);
  rewriter.replaceOpWithNewOp<memref::ReinterpretCastOp>(op, op.getResultType(), source.getBaseBuffer(), offset, sizes,
                                                         strides);
}

namespace {
struct LowerExpandShapes : setun::impl::LowerExpandShapesBase<LowerExpandShapes> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation()->walk([&](memref::ExpandShapeOp op) { lower(rewriter, op); });
  }
};
} // namespace
