//===- DecomposeConcat.cpp - Concatenations as insertions -----------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream has the patterns and no pass, and tensor.concat itself cannot be bufferized.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace setun {
#define GEN_PASS_DEF_DECOMPOSECONCAT
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct DecomposeConcat : setun::impl::DecomposeConcatBase<DecomposeConcat> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
