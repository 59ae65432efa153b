//===- ConvertTernaryToLoops.cpp - Ternary products to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Passes.h"
#include "setun/Target/Registry.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTTERNARYTOLOOPS
#include "setun/Target/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct ConvertTernaryToLoops : setun::impl::ConvertTernaryToLoopsBase<ConvertTernaryToLoops> {
  using ConvertTernaryToLoopsBase::ConvertTernaryToLoopsBase;

  void runOnOperation() override {
    const TargetLevel *level = lookupLevel(getOperation(), target);
    std::optional<Products> allowed = lookupProducts(getOperation(), products);
    if (!level || !allowed)
      return signalPassFailure();
    SmallVector<ternary::MatmulOp> matmuls;
    getOperation().walk([&](ternary::MatmulOp op) { matmuls.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (ternary::MatmulOp op : matmuls) {
      rewriter.setInsertionPoint(op);
      if (failed(level->lowerProduct(rewriter, op, *allowed)))
        return signalPassFailure();
    }
  }
};

} // namespace
