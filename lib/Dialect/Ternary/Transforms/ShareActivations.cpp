//===- ShareActivations.cpp - One product for all weights of an activation ===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// q, k and v read one activation, gate and up another: stacked, their weights
// are one longer stream, and the activation is prepared and read once.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Matchers.h"
#include "setun/Dialect/Utils/Proof.h"
#include "setun/Dialect/Utils/Spill.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"

namespace setun {
#define GEN_PASS_DEF_SHAREACTIVATIONS
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

/// The global of a product's weight, if it holds trits in the canonical layout.
static ml_program::GlobalOp getWeight(MatmulOp op, SymbolTable &symbols) {
  auto load = op.getWeight().getDefiningOp<ml_program::GlobalLoadConstOp>();
  if (!load || op.getScales() || op.getEncoding() || op->getNumResults() == 0)
    return {};
  auto global = symbols.lookup<ml_program::GlobalOp>(load.getGlobal().getLeafReference());
  auto trits = global ? dyn_cast_or_null<TritsAttr>(global.getValueAttr()) : TritsAttr();
  bool isCanonical = trits && trits.getEncoding() == EncodingAttr::getCanonical(op.getContext());
  return isCanonical && !global.getIsMutable() ? global : ml_program::GlobalOp();
}

static void appendBytes(ElementsAttr attr, std::vector<char> &bytes) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
    bytes.insert(bytes.end(), data.begin(), data.end());
    return;
  }
  for (APInt byte : attr.getValues<APInt>())
    bytes.push_back(static_cast<char>(byte.getZExtValue()));
}

namespace {
struct ShareActivations : setun::impl::ShareActivationsBase<ShareActivations> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (isProof(func))
        continue;
      mergeQuantizers(func);
      for (Block &block : func.getBody())
        share(block, symbols);
    }
  }

  /// Equal quantizers of one value become one.
  void mergeQuantizers(func::FuncOp func) {
    SmallVector<QuantizeOp> kept;
    func.walk([&](QuantizeOp op) {
      auto isEqual = [&](QuantizeOp other) {
        return other->getBlock() == op->getBlock() && isSameValue(other.getX(), op.getX()) &&
               other->getAttrDictionary() == op->getAttrDictionary();
      };
      auto *first = llvm::find_if(kept, isEqual);
      if (first == kept.end())
        return kept.push_back(op);
      op->replaceAllUsesWith(*first);
      op->erase();
    });
  }

  void share(Block &block, SymbolTable &symbols) {
    std::vector<SmallVector<MatmulOp>> groups;
    for (auto op : block.getOps<MatmulOp>()) {
      if (!getWeight(op, symbols))
        continue;
      auto reads = [&](ArrayRef<MatmulOp> group) { return isSameValue(MatmulOp(group[0]).getX(), op.getX()); };
      auto group = llvm::find_if(groups, reads);
      group == groups.end() ? groups.push_back({op}) : group->push_back(op);
    }
    for (ArrayRef<MatmulOp> group : groups)
      if (group.size() > 1)
        join(group, symbols);
  }

  void join(ArrayRef<MatmulOp> group, SymbolTable &symbols) {
    MatmulOp first = group.front();
    OpBuilder builder(first);
    std::vector<char> bytes;
    std::string name;
    int64_t rows = 0, columns = 0;
    SmallVector<Location> locations;
    SmallVector<Attribute> parts;
    for (MatmulOp op : group) {
      ml_program::GlobalOp global = getWeight(op, symbols);
      auto type = cast<RankedTensorType>(global.getType());
      appendBytes(cast<TritsAttr>(global.getValueAttr()).getBytes(), bytes);
      name += (name.empty() ? "" : "|") + global.getSymName().str();
      rows += type.getDimSize(0);
      columns = type.getDimSize(1);
      locations.push_back(op.getLoc());
      NamedAttrList part(global->getDiscardableAttrDictionary());
      part.set("name", builder.getStringAttr(global.getSymName()));
      part.set("rows", builder.getI64IntegerAttr(type.getDimSize(0)));
      parts.push_back(part.getDictionary(builder.getContext()));
    }
    Location loc = builder.getFusedLoc(locations);
    auto weightType = RankedTensorType::get({rows, columns}, TritType::get(builder.getContext()));
    auto bytesType = RankedTensorType::get({static_cast<int64_t>(bytes.size())}, builder.getI8Type());
    AsmResourceBlob blob = copyToBlob(bytes);
    auto value = TritsAttr::get(builder.getContext(), EncodingAttr::getCanonical(builder.getContext()),
                                DenseResourceElementsAttr::get(bytesType, name, std::move(blob)));
    ml_program::GlobalOp before = getWeight(first, symbols);
    OpBuilder moduleBuilder(before);
    auto global = ml_program::GlobalOp::create(moduleBuilder, loc, name, weightType, false, value,
                                               builder.getStringAttr("private"));
    global->setAttr("setun.parts", builder.getArrayAttr(parts));
    symbols.insert(global, before->getIterator());

    Value weight = ml_program::GlobalLoadConstOp::create(builder, loc, weightType, FlatSymbolRefAttr::get(global));
    SmallVector<OpFoldResult> sizes = getSizes(builder, loc, first.getAcc());
    sizes[1] = builder.getIndexAttr(rows);
    Type element = getElementTypeOrSelf(first.getAcc().getType());
    Value init = tensor::EmptyOp::create(builder, loc, sizes, element);
    auto product = MatmulOp::create(builder, loc, init.getType(), first.getX(), weight, Value(), init, EncodingAttr());
    int64_t offset = 0;
    for (MatmulOp op : group) {
      auto type = cast<RankedTensorType>(op.getResult(0).getType());
      SmallVector<OpFoldResult> offsets = {builder.getIndexAttr(0), builder.getIndexAttr(offset)};
      SmallVector<OpFoldResult> ones(2, builder.getIndexAttr(1)),
          part = {sizes[0], builder.getIndexAttr(type.getDimSize(1))};
      Value slice =
          tensor::ExtractSliceOp::create(builder, op.getLoc(), type, product.getResult(0), offsets, part, ones);
      op.getResult(0).replaceAllUsesWith(slice);
      offset += type.getDimSize(1);
    }
    llvm::SmallSetVector<ml_program::GlobalOp, 4> weights;
    for (MatmulOp op : group) {
      auto load = op.getWeight().getDefiningOp<ml_program::GlobalLoadConstOp>();
      weights.insert(getWeight(op, symbols));
      op->erase();
      if (load->use_empty())
        load->erase();
    }
    for (ml_program::GlobalOp weight : weights)
      eraseIfUnused(weight, symbols);
  }

  /// A separate weight goes once it is part of a larger one, and its bytes with it: a model is large.
  void eraseIfUnused(ml_program::GlobalOp weight, SymbolTable &symbols) {
    if (!weight.isPrivate() || !SymbolTable::symbolKnownUseEmpty(weight, getOperation()))
      return;
    auto bytes = dyn_cast<DenseResourceElementsAttr>(cast<TritsAttr>(weight.getValueAttr()).getBytes());
    symbols.erase(weight);
    bool isHeld = llvm::any_of(getOperation().getOps<ml_program::GlobalOp>(), [&](ml_program::GlobalOp other) {
      auto trits = dyn_cast_or_null<TritsAttr>(other.getValueAttr());
      return trits && trits.getBytes() == bytes;
    });
    if (bytes && !isHeld)
      bytes.getRawHandle().getResource()->setBlob(AsmResourceBlob());
  }
};
} // namespace
