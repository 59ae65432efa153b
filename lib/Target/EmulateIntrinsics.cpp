//===- EmulateIntrinsics.cpp - A target's intrinsics as plain arithmetic -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Passes.h"
#include "setun/Target/Registry.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace setun {
#define GEN_PASS_DEF_EMULATEINTRINSICS
#include "setun/Target/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct EmulateIntrinsics : setun::impl::EmulateIntrinsicsBase<EmulateIntrinsics> {
  using EmulateIntrinsicsBase::EmulateIntrinsicsBase;

  void runOnOperation() override {
    const TargetLevel *level = lookupLevel(getOperation(), target);
    if (!level)
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    level->getTarget().populateEmulation(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation()->walk([&](LLVM::CallIntrinsicOp op) {
      op.emitError("the intrinsic ") << op.getIntrin() << " has no emulation on target "
                                     << level->getTarget().getName();
      signalPassFailure();
    });
  }
};

} // namespace
