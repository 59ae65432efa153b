//===- SplitInits.cpp - Each op its own destination -----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On tensors two equal fills are one value, and CSE makes them one op. On buffers that one must be copied for every op
// that accumulates into it: a copy of the whole destination instead of a fill.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace setun {
#define GEN_PASS_DEF_SPLITINITS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// Leaves `op` one use and gives every other a clone of its own, right before the user.
void cloneForEachUse(Operation *op) {
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : op->getResult(0).getUses())
    uses.push_back(&use);
  for (OpOperand *use : ArrayRef(uses).drop_back()) {
    OpBuilder builder(use->getOwner());
    use->set(builder.clone(*op)->getResult(0));
  }
}

struct SplitInits : setun::impl::SplitInitsBase<SplitInits> {
  void runOnOperation() override {
    SmallVector<Operation *> fills, empties;
    getOperation()->walk([&](linalg::FillOp fill) {
      if (fill.hasPureTensorSemantics() && fill.getOutputs().front().getDefiningOp<tensor::EmptyOp>())
        fills.push_back(fill);
    });
    llvm::for_each(fills, cloneForEachUse);
    getOperation()->walk([&](tensor::EmptyOp empty) { empties.push_back(empty); });
    llvm::for_each(empties, cloneForEachUse);
  }
};

} // namespace
