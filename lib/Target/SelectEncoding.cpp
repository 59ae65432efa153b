//===- SelectEncoding.cpp - A packed layout for each ternary weight -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The costs are the target's own; this pass only adds them up over the products
// that share a weight. Of a family of levels the first decides: all read one
// layout.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Passes.h"
#include "setun/Target/Target.h"

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

  LogicalResult select(const Target &level, MutableArrayRef<ternary::MatmulOp> products) {
    std::vector<EncodingCandidate> total;
    for (ternary::MatmulOp op : products) {
      std::vector<EncodingCandidate> candidates = level.getEncodings(ProductShape::of(op));
      if (op == products.front())
        total = candidates;
      else
        total = addCosts(total, candidates);
    }
    auto best = llvm::min_element(total, [](auto &a, auto &b) { return a.nanoseconds < b.nanoseconds; });
    if (best == total.end())
      return products.front().emitOpError("has no packed layout on target ")
             << level.getInfo().name << " that suits all products of its weight";
    const PackedLayout &layout = best->layout;
    auto encoding =
        ternary::EncodingAttr::get(&getContext(), layout.bits, layout.tileRows, layout.tileCols, layout.interleave);
    for (ternary::MatmulOp op : products)
      op->setAttr("setun.encoding", encoding);
    return success();
  }

  /// The layouts that stand in both lists.
  static std::vector<EncodingCandidate> addCosts(ArrayRef<EncodingCandidate> a, ArrayRef<EncodingCandidate> b) {
    std::vector<EncodingCandidate> both;
    for (const EncodingCandidate &x : a)
      for (const EncodingCandidate &y : b)
        if (std::tie(x.layout.bits, x.layout.tileRows, x.layout.tileCols, x.layout.interleave) ==
            std::tie(y.layout.bits, y.layout.tileRows, y.layout.tileCols, y.layout.interleave))
          both.push_back({x.layout, x.nanoseconds + y.nanoseconds});
    return both;
  }

  void runOnOperation() override {
    std::vector<const Target *> levels = getTargetLevels(target);
    if (levels.empty()) {
      getOperation().emitError("unknown target '") << target << "'; known are " << getTargetNames();
      return signalPassFailure();
    }
    llvm::MapVector<WeightKey, SmallVector<ternary::MatmulOp>> weights;
    getOperation().walk([&](ternary::MatmulOp op) {
      if (op.getEncoding() || !isa<RankedTensorType>(op.getWeight().getType()))
        return;
      auto load = op.getWeight().getDefiningOp<ml_program::GlobalLoadConstOp>();
      weights[load ? WeightKey{load.getGlobal().getLeafReference(), Value()} : WeightKey{{}, op.getWeight()}].push_back(
          op);
    });
    for (auto &[weight, products] : weights)
      if (failed(select(*levels.front(), products)))
        return signalPassFailure();
  }
};

} // namespace
