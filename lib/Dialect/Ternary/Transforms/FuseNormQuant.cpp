//===- FuseNormQuant.cpp - Normalization and quantization in one op -------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The normalized token never goes to memory: the fused op writes its int8 form.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Proof.h"

namespace setun {
#define GEN_PASS_DEF_FUSENORMQUANT
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

namespace {
struct FuseNormQuant : setun::impl::FuseNormQuantBase<FuseNormQuant> {
  void runOnOperation() override {
    if (isProof(getOperation()))
      return;
    SmallVector<QuantizeOp> quantizers;
    getOperation().walk([&](QuantizeOp op) { quantizers.push_back(op); });
    for (QuantizeOp op : quantizers) {
      auto norm = op.getX().getDefiningOp<nn::RmsNormOp>();
      if (!norm || !norm->hasOneUse() || op.getPerTensor() || norm->getBlock() != op->getBlock())
        continue;
      OpBuilder builder(op);
      Location loc = builder.getFusedLoc({norm.getLoc(), op.getLoc()});
      auto fused = NormQuantizeOp::create(builder, loc, op->getResultTypes(), norm.getX(), norm.getGamma(), op.getQ(),
                                          op.getAbsmax(), norm.getEpsilonAttr(), op.getQmaxAttr(), op.getClampAttr(),
                                          op.getEpsAttr(), op.getSpellingAttr(), UnitAttr());
      op->replaceAllUsesWith(fused);
      op->erase();
      norm->erase();
    }
  }
};
} // namespace
