//===- SelectEncoding.cpp - A packed layout for each ternary weight -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The costs are those of the target's best level, which most machines run; this
// pass only adds them up over the products that share a weight.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Passes.h"
#include "setun/Target/Registry.h"

#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/ADT/MapVector.h"

namespace setun {
#define GEN_PASS_DEF_SELECTENCODING
#include "setun/Target/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// What products share: the global they read, or the value itself.
using WeightKey = std::pair<StringAttr, Value>;

struct SelectEncoding : setun::impl::SelectEncodingBase<SelectEncoding> {
  using SelectEncodingBase::SelectEncodingBase;

  /// The layouts that every level reads for every product, in the best level's order.
  std::vector<PackedLayout> getCandidates(MutableArrayRef<ternary::MatmulOp> products) {
    std::vector<PackedLayout> common = selection.levels.front()->getLayouts(ProductShape::of(products.front()));
    for (ternary::MatmulOp op : products)
      for (const TargetLevel *level : selection.levels) {
        std::vector<PackedLayout> layouts = level->getLayouts(ProductShape::of(op));
        llvm::erase_if(common, [&](const PackedLayout &layout) { return !llvm::is_contained(layouts, layout); });
      }
    return common;
  }

  LogicalResult select(MutableArrayRef<ternary::MatmulOp> products, Products allowed) {
    std::vector<PackedLayout> candidates = getCandidates(products);
    if (wanted && llvm::is_contained(candidates, *wanted))
      candidates = {*wanted};
    else if (wanted)
      return products.front().emitOpError("cannot take the encoding ")
             << encoding << " on target " << target << listLayouts(candidates);
    if (candidates.empty())
      return products.front().emitOpError("has no packed layout on target ")
             << target << " that suits all products of its weight";
    auto cost = [&](const PackedLayout &layout) {
      double sum = 0;
      for (ternary::MatmulOp op : products)
        sum += selection.levels.front()->getPlan(ProductShape::of(op), layout, allowed).nanoseconds;
      return sum;
    };
    const PackedLayout &layout = *llvm::min_element(candidates, [&](auto &a, auto &b) { return cost(a) < cost(b); });
    auto chosen =
        ternary::EncodingAttr::get(&getContext(), layout.bits, layout.tileRows, layout.tileCols, layout.interleave);
    for (ternary::MatmulOp op : products)
      op->setAttr("setun.encoding", chosen);
    return success();
  }

  static std::string listLayouts(ArrayRef<PackedLayout> layouts) {
    std::string text = layouts.empty() ? "" : "; it can take ";
    llvm::raw_string_ostream os(text);
    llvm::interleaveComma(layouts, os, [&](const PackedLayout &layout) { os << layout.str(); });
    return text;
  }

  void runOnOperation() override {
    llvm::Expected<TargetSelection> selected = selectTarget(target);
    if (!selected) {
      getOperation().emitError() << toString(selected.takeError());
      return signalPassFailure();
    }
    selection = *selected;
    wanted = PackedLayout::parse(encoding);
    if (!wanted && !encoding.empty()) {
      getOperation().emitError("'") << encoding << "' is no encoding: expected BITSxROWSxCOLSxINTERLEAVE";
      return signalPassFailure();
    }
    std::optional<Products> allowed = lookupProducts(getOperation(), this->products);
    if (!allowed)
      return signalPassFailure();
    llvm::MapVector<WeightKey, SmallVector<ternary::MatmulOp>> weights;
    getOperation().walk([&](ternary::MatmulOp op) {
      if (op.getEncoding() || !isa<RankedTensorType>(op.getWeight().getType()))
        return;
      auto load = op.getWeight().getDefiningOp<ml_program::GlobalLoadConstOp>();
      weights[load ? WeightKey{load.getGlobal().getLeafReference(), Value()} : WeightKey{{}, op.getWeight()}].push_back(
          op);
    });
    for (auto &[weight, products] : weights)
      if (failed(select(products, *allowed)))
        return signalPassFailure();
  }

  TargetSelection selection;
  std::optional<PackedLayout> wanted; // by every weight
};

} // namespace
