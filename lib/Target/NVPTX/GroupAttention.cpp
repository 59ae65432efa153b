//===- GroupAttention.cpp - Attention with what stands around it ----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As GroupSteps does with products: one region on tensors, so that memory is planned with the group as one step.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_GROUPATTENTION
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

/// Destinations that nobody else takes the place of: made in the group, or before it for what it yields.
void giveDestinations(Operation *op, Operation *region, Value yielded) {
  auto destination = cast<DestinationStyleOpInterface>(op);
  for (OpOperand &init : destination.getDpsInitsMutable())
    if (auto empty = init.get().getDefiningOp<tensor::EmptyOp>()) {
      OpBuilder builder(destination.getTiedOpResult(&init) == yielded ? region : op);
      init.set(builder.clone(*empty)->getResult(0));
    }
}

struct GroupAttention : nvptx::impl::GroupAttentionBase<GroupAttention> {
  void runOnOperation() override {
    for (auto attention : llvm::to_vector(getOperation().getOps<nn::AttentionOp>()))
      if (attention->getNumResults())
        group(attention);
  }

  static void group(nn::AttentionOp attention) {
    SmallVector<Operation *> ops;
    auto rotary = attention.getQ().getDefiningOp<nn::RotaryEmbeddingOp>();
    if (rotary && rotary->getBlock() == attention->getBlock() && rotary->hasOneUse())
      ops.push_back(rotary);
    ops.push_back(attention);
    Value result = attention->getResult(0);
    if (result.hasOneUse())
      if (auto transpose = dyn_cast<linalg::TransposeOp>(*result.getUsers().begin());
          transpose && transpose->getBlock() == attention->getBlock() && transpose.getInput() == result)
        ops.push_back(transpose);
    if (ops.size() == 1)
      return;
    Operation *last = ops.back();
    OpBuilder builder(last);
    Value yielded = last->getResult(0);
    auto region = scf::ExecuteRegionOp::create(builder, last->getLoc(), yielded.getType(), /*no_inline=*/true);
    Block *body = builder.createBlock(&region.getRegion());
    yielded.replaceAllUsesWith(region.getResult(0));
    for (Operation *op : ops) {
      op->moveBefore(body, body->end());
      giveDestinations(op, region, yielded);
    }
    builder.setInsertionPointToEnd(body);
    scf::YieldOp::create(builder, last->getLoc(), yielded);
  }
};

} // namespace
