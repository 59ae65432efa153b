//===- GroupSteps.cpp - What one kernel can do ----------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On tensors, where it is plain who reads what. Memory is planned afterwards, with a group as one step: so that no
// buffer of a group takes the place of another one that some thread still reads.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/FusedProduct.h"
#include "setun/Target/NVPTX/Passes.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Transforms/Entry.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_GROUPSTEPS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

using Group = llvm::SetVector<Operation *>;

SetVector<Value> operandsOf(Operation *op) {
  SetVector<Value> used(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), used);
  return used;
}

bool isElementwise(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && generic.hasPureTensorSemantics() && generic.getNumLoops() == generic.getNumParallelLoops();
}

/// Whether `op` needs a result of the group by way of an operation outside of it, which would then stand both before
/// and after the group.
bool dependsAround(Operation *op, const Group &group, DenseSet<Operation *> &seen, bool inside = true) {
  for (Value value : operandsOf(op)) {
    Operation *source = value.getDefiningOp();
    if (!source || source->getBlock() != group.front()->getBlock())
      continue;
    if (group.contains(source)) {
      if (!inside)
        return true;
      continue;
    }
    if (seen.insert(source).second && dependsAround(source, group, seen, false))
      return true;
  }
  return false;
}

/// Whether `op` computes on each of the quantizer's scales by itself.
bool isOnScales(Operation *op, Value scales) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || !isElementwise(op) || generic.getNumDpsInputs() != 1 || generic.getNumDpsInits() != 1 ||
      generic.hasIndexSemantics() ||
      !llvm::all_of(generic.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return false;
  // Rows of several sequences may be seen as [sequences, positions].
  Value input = generic.getInputs().front();
  if (auto expand = input.getDefiningOp<tensor::ExpandShapeOp>())
    input = expand.getSrc();
  return input == scales;
}

/// The product's activations, quantized for it alone, with what computes on their scales.
void addPrologue(ternary::MatmulOp product, Group &group) {
  Operation *quantize = product.getX().getDefiningOp();
  if (!isa_and_nonnull<ternary::QuantizeOp, ternary::NormQuantizeOp>(quantize) ||
      quantize->getBlock() != product->getBlock() || !llvm::hasSingleElement(quantize->getResult(0).getUses()))
    return;
  Value scales = quantize->getResult(1);
  group.insert(quantize);
  for (Operation *user : scales.getUsers()) {
    auto takes = [&](Operation *other) { return isOnScales(other, scales); };
    if (isa<tensor::ExpandShapeOp>(user) && llvm::all_of(user->getUsers(), takes)) {
      group.insert(user);
      group.insert_range(user->getUsers());
    } else if (takes(user)) {
      group.insert(user);
    }
  }
}

/// Elementwise work on the product's sums.
void addEpilogue(Value sums, Group &group) {
  for (Operation *user : sums.getUsers()) {
    if (user->getBlock() != group.front()->getBlock() || group.contains(user))
      continue;
    bool isView = isa<tensor::ExtractSliceOp, tensor::ExpandShapeOp>(user) && user->getOperand(0) == sums;
    DenseSet<Operation *> seen;
    if (!(isView || isElementwise(user)) || dependsAround(user, group, seen))
      continue;
    group.insert(user);
    if (isView)
      addEpilogue(user->getResult(0), group);
  }
}

/// A kernel in which every block quantizes must not overwrite what it quantizes.
bool readsAgain(const Group &group, ternary::MatmulOp product) {
  Operation *quantize = product.getX().getDefiningOp();
  if (!group.contains(quantize))
    return false;
  return llvm::any_of(group, [&](Operation *op) {
    return op != quantize && llvm::is_contained(operandsOf(op), quantize->getOperand(0));
  });
}

/// Whether `value` is there before `op`.
bool isBefore(Value value, Operation *op) {
  Operation *source = value.getDefiningOp();
  return !source || (source->getBlock() == op->getBlock() && source->isBeforeInBlock(op));
}

/// What elementwise work makes only to be put into a slice, with dimensions of 1 added, it makes there: values on their
/// way into a cache.
void writeInPlace(tensor::InsertSliceOp insert) {
  auto expand = insert.getSource().getDefiningOp<tensor::ExpandShapeOp>();
  if (!expand || !expand->hasOneUse())
    return;
  auto work = expand.getSrc().getDefiningOp<linalg::GenericOp>();
  auto narrow = cast<RankedTensorType>(expand.getSrc().getType());
  if (!work || !isElementwise(work) || work.getNumDpsInits() != 1 || !work->hasOneUse() ||
      work->getBlock() != insert->getBlock() || work.payloadUsesValueFromOperand(work.getDpsInitOperand(0)) ||
      !work.getDpsInitOperand(0)->get().getDefiningOp<tensor::EmptyOp>() ||
      !computeRankReductionMask(cast<RankedTensorType>(expand.getType()).getShape(), narrow.getShape()) ||
      !llvm::all_of(insert->getOperands().drop_front(), [&](Value value) { return isBefore(value, work); }))
    return;
  OpBuilder builder(work);
  Value slice =
      tensor::ExtractSliceOp::create(builder, insert.getLoc(), narrow, insert.getDest(), insert.getMixedOffsets(),
                                     insert.getMixedSizes(), insert.getMixedStrides());
  work.getDpsInitOperand(0)->set(slice);
  builder.setInsertionPoint(insert);
  Value whole =
      tensor::InsertSliceOp::create(builder, insert.getLoc(), work.getResult(0), insert.getDest(),
                                    insert.getMixedOffsets(), insert.getMixedSizes(), insert.getMixedStrides());
  insert.replaceAllUsesWith(whole);
  insert.erase();
  expand.erase();
}

struct GroupSteps : nvptx::impl::GroupStepsBase<GroupSteps> {
  void runOnOperation() override {
    func::FuncOp entry = entry::find(getOperation());
    if (!entry || !entry.getBody().hasOneBlock())
      return;
    for (auto insert : llvm::make_early_inc_range(entry.getBody().getOps<tensor::InsertSliceOp>()))
      writeInPlace(insert);
    SmallVector<ternary::MatmulOp> products(entry.getBody().getOps<ternary::MatmulOp>());
    for (ternary::MatmulOp product : products) {
      Group group;
      group.insert(product);
      addPrologue(product, group);
      addEpilogue(product->getResult(0), group);
      if (readsAgain(group, product))
        dropPrologue(product, group);
      markLocal(product, group);
      if (group.size() > 1)
        wrap(group);
    }
    sortTopologically(&entry.front());
  }

  /// A buffer of its own for each result: made outside where the result is needed there, so that the region hands out
  /// no memory that it made.
  static void giveDestinations(Operation *op, scf::ExecuteRegionOp region, ArrayRef<Value> results) {
    auto destination = dyn_cast<DestinationStyleOpInterface>(op);
    if (!destination)
      return;
    for (OpOperand &init : destination.getDpsInitsMutable()) {
      auto empty = init.get().getDefiningOp<tensor::EmptyOp>();
      if (!empty)
        continue;
      bool escapes = llvm::is_contained(results, destination.getTiedOpResult(&init));
      OpBuilder builder(escapes ? region.getOperation() : op);
      init.set(builder.clone(*empty)->getResult(0));
    }
  }

  static void dropPrologue(ternary::MatmulOp product, Group &group) {
    Operation *quantize = product.getX().getDefiningOp();
    Value scales = quantize->getResult(1);
    group.remove_if([&](Operation *op) {
      return op == quantize || isOnScales(op, scales) ||
             (isa<tensor::ExpandShapeOp>(op) && op->getOperand(0) == scales);
    });
  }

  static void markLocal(ternary::MatmulOp product, const Group &group) {
    Operation *quantize = product.getX().getDefiningOp();
    for (Operation *op : group)
      if (group.contains(quantize) && isOnScales(op, quantize->getResult(1)) &&
          llvm::all_of(op->getUsers(), [&](Operation *user) { return group.contains(user); }))
        op->setAttr(nvptx::kLocalAttr, UnitAttr::get(op->getContext()));
  }

  /// Moves the group into a region at the place of its last operation; what stands between is sorted at the end.
  static void wrap(Group &group) {
    SmallVector<Operation *> ops(group.begin(), group.end());
    llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    SmallVector<Value> results;
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !group.contains(user); }))
          results.push_back(result);
    OpBuilder builder(ops.back());
    Location loc = ops.back()->getLoc();
    auto region = scf::ExecuteRegionOp::create(builder, loc, ValueRange(results).getTypes(), /*no_inline=*/true);
    Block *body = builder.createBlock(&region.getRegion());
    for (auto [old, result] : llvm::zip_equal(results, region.getResults()))
      old.replaceUsesWithIf(result, [&](OpOperand &use) { return !group.contains(use.getOwner()); });
    for (Operation *op : ops) {
      op->moveBefore(body, body->end());
      giveDestinations(op, region, results);
    }
    builder.setInsertionPointToEnd(body);
    scf::YieldOp::create(builder, loc, results);
  }
};

} // namespace
