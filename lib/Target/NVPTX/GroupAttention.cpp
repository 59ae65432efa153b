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
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_GROUPATTENTION
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

/// Destinations that nobody else takes the place of: made in the group, or before it for what it yields.
void giveDestinations(Operation *op, Operation *region, Value yielded) {
  auto destination = dyn_cast<DestinationStyleOpInterface>(op);
  if (!destination)
    return;
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

  /// What turns the newest keys and puts them into the cache, from `past` on, of which attention reads all until there:
  /// the rotary embedding, the cache with its result, and the part of it that is read.
  static SmallVector<Operation *> getNewKeys(nn::AttentionOp attention) {
    auto read = attention.getK().getDefiningOp<tensor::ExtractSliceOp>();
    auto cache = read ? read.getSource().getDefiningOp<tensor::InsertSliceOp>() : tensor::InsertSliceOp();
    auto rotary = cache ? cache.getSource().getDefiningOp<nn::RotaryEmbeddingOp>() : nn::RotaryEmbeddingOp();
    if (!rotary || !rotary->hasOneUse() || !read->hasOneUse() || !attention.getPast() ||
        rotary.getX().getType() != rotary->getResult(0).getType() || !read.hasUnitStride() || !cache.hasUnitStride() ||
        read.getSourceType().getRank() != 4 || read.getType().getRank() != 4 || rotary.getX() == attention.getV() ||
        llvm::any_of(ArrayRef<Operation *>{rotary, cache, read},
                     [&](Operation *op) { return op->getBlock() != attention->getBlock(); }))
      return {};
    auto isZero = [](OpFoldResult number) { return isConstantIntValue(number, 0); };
    SmallVector<OpFoldResult> to = cache.getMixedOffsets();
    if (!isEqualConstantIntOrValue(to[2], attention.getPast()) || !isZero(to[0]) || !isZero(to[1]) || !isZero(to[3]) ||
        !llvm::all_of(read.getMixedOffsets(), isZero))
      return {};
    return {rotary, cache, read};
  }

  static void group(nn::AttentionOp attention) {
    Value result = attention->getResult(0);
    linalg::TransposeOp transpose;
    if (result.hasOneUse())
      transpose = dyn_cast<linalg::TransposeOp>(*result.getUsers().begin());
    if (transpose && (transpose->getBlock() != attention->getBlock() || transpose.getInput() != result))
      transpose = {};
    Operation *last = transpose ? transpose : attention.getOperation();
    SmallVector<Operation *> ops = getNewKeys(attention);
    Operation *cache = ops.empty() ? nullptr : ops[1];
    if (cache && llvm::any_of(cache->getUsers(), [&](Operation *user) { // others read what the group leaves
          return user != ops[2] && user->getBlock() == last->getBlock() && user->isBeforeInBlock(last);
        })) {
      cache = nullptr;
      ops.clear();
    }
    if (cache)
      ops.front()->setAttr(nvptx::kNewKeysAttr, UnitAttr::get(attention.getContext()));
    auto rotary = attention.getQ().getDefiningOp<nn::RotaryEmbeddingOp>();
    if (rotary && rotary->getBlock() == attention->getBlock() && rotary->hasOneUse())
      ops.push_back(rotary);
    ops.push_back(attention);
    if (transpose)
      ops.push_back(transpose);
    if (ops.size() == 1)
      return;
    OpBuilder builder(last);
    Value yielded = last->getResult(0);
    SmallVector<Value> results{yielded};
    if (cache)
      results.push_back(cache->getResult(0));
    auto region =
        scf::ExecuteRegionOp::create(builder, last->getLoc(), ValueRange(results).getTypes(), /*no_inline=*/true);
    Block *body = builder.createBlock(&region.getRegion());
    for (auto [old, result] : llvm::zip_equal(results, region.getResults()))
      old.replaceUsesWithIf(result, [&](OpOperand &use) { return !llvm::is_contained(ops, use.getOwner()); });
    for (Operation *op : ops) {
      op->moveBefore(body, body->end());
      giveDestinations(op, region, yielded);
    }
    builder.setInsertionPointToEnd(body);
    scf::YieldOp::create(builder, last->getLoc(), results);
  }
};

} // namespace
