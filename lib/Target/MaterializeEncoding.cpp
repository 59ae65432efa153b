//===- MaterializeEncoding.cpp - Repacks ternary weights -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One weight at a time: the new bytes are made, the old ones freed, then the next
// follows, so that a large model never stands in memory twice.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Spill.h"
#include "setun/Target/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/SymbolTable.h"

namespace setun {
#define GEN_PASS_DEF_MATERIALIZEENCODING
#include "setun/Target/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;
using ml_program::GlobalLoadConstOp;
using ml_program::GlobalOp;

static constexpr StringLiteral kEncoding = "setun.encoding";

/// The raw bytes of a constant tensor of i8, or nothing. A splat is spread out into `storage`.
static std::optional<ArrayRef<uint8_t>> getBytes(ElementsAttr value, std::vector<uint8_t> &storage) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return std::nullopt;
    return ArrayRef(reinterpret_cast<const uint8_t *>(blob->getData().data()), blob->getData().size());
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !dense.getElementType().isInteger(8))
    return std::nullopt;
  for (int8_t byte : dense.getValues<int8_t>())
    storage.push_back(static_cast<uint8_t>(byte));
  return ArrayRef<uint8_t>(storage);
}

namespace {

struct MaterializeEncoding : setun::impl::MaterializeEncodingBase<MaterializeEncoding> {
  /// `name`'s trits in the layout of `encoding`, as bytes of one blob.
  FailureOr<ElementsAttr> repack(Operation *op, ternary::TritsAttr trits, RankedTensorType type,
                                 ternary::EncodingAttr encoding, StringRef name) {
    std::vector<uint8_t> storage;
    auto source = getBytes(trits.getBytes(), storage);
    int64_t rows = type.getDimSize(0), cols = type.getDimSize(1);
    if (!source || static_cast<int64_t>(source->size()) != trits.getEncoding().getByteSize(rows, cols))
      return op->emitError("holds no trits of its shape: their bytes are missing or of the wrong size");
    int64_t size = encoding.getByteSize(rows, cols);
    AsmResourceBlob blob = allocateBlob(size);
    auto target = llvm::MutableArrayRef(reinterpret_cast<uint8_t *>(blob.getMutableData().data()), size);
    repackTrits(trits.getEncoding().getLayout(), *source, encoding.getLayout(), target, rows, cols);
    restBlob(blob);
    auto packedType = RankedTensorType::get({size}, IntegerType::get(&getContext(), 8));
    return ElementsAttr(DenseResourceElementsAttr::get(packedType, (name + "_packed").str(), std::move(blob)));
  }

  /// Frees the bytes of a value that no operation holds any longer.
  void release(ternary::TritsAttr trits) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(trits.getBytes());
    if (!resource)
      return;
    bool used = false;
    for (GlobalOp global : getOperation().getOps<GlobalOp>())
      if (auto value = global.getValue())
        value->walk([&](DenseResourceElementsAttr other) { used |= other.getRawHandle() == resource.getRawHandle(); });
    if (!used)
      resource.getRawHandle().getResource()->setBlob(AsmResourceBlob());
  }

  static void usePacked(ternary::MatmulOp op, Value packed, ternary::EncodingAttr encoding) {
    op.getWeightMutable().assign(packed);
    op.setEncodingAttr(encoding);
    op->removeAttr(kEncoding);
  }

  LogicalResult materializeGlobal(GlobalOp global, ArrayRef<GlobalLoadConstOp> loads) {
    ternary::EncodingAttr encoding;
    SmallVector<ternary::MatmulOp> products;
    bool keeps = !global.isPrivate();
    for (GlobalLoadConstOp load : loads)
      for (OpOperand &use : load.getResult().getUses()) {
        auto product = dyn_cast<ternary::MatmulOp>(use.getOwner());
        auto wanted = product ? product->getAttrOfType<ternary::EncodingAttr>(kEncoding) : nullptr;
        if (!wanted || use.getOperandNumber() != 1) {
          keeps = true;
          continue;
        }
        if (encoding && encoding != wanted)
          return product.emitOpError("wants another encoding of its weight than an earlier product of it");
        encoding = wanted;
        products.push_back(product);
      }
    if (products.empty())
      return success();
    auto trits = dyn_cast_or_null<ternary::TritsAttr>(global.getValueAttr());
    if (!trits)
      return products.front().emitOpError("cannot be packed: its weight @")
             << global.getSymName() << " has no value of trits";
    auto packed = repack(global, trits, cast<RankedTensorType>(global.getType()), encoding, global.getSymName());
    if (failed(packed))
      return failure();

    OpBuilder builder(global);
    GlobalOp target = global;
    if (keeps) {
      builder.setInsertionPointAfter(global);
      target = cast<GlobalOp>(builder.clone(*global));
      target.setPrivate();
      SymbolTable(getOperation()).insert(target);
    }
    target.setValueAttr(*packed);
    target.setType((*packed).getType());
    if (!keeps)
      release(trits);
    for (ternary::MatmulOp product : products) {
      auto old = product.getWeight().getDefiningOp<GlobalLoadConstOp>();
      builder.setInsertionPoint(old);
      Value bytes = GlobalLoadConstOp::create(builder, old.getLoc(), (*packed).getType(), SymbolRefAttr::get(target));
      usePacked(product, bytes, encoding);
      if (old.use_empty())
        old.erase();
    }
    return success();
  }

  /// A small weight written in place.
  LogicalResult materializeConstant(ternary::MatmulOp op) {
    auto constant = op.getWeight().getDefiningOp<ternary::ConstantOp>();
    if (!constant)
      return op.emitOpError("cannot be packed: its weight is not a constant");
    auto encoding = op->getAttrOfType<ternary::EncodingAttr>(kEncoding);
    auto type = cast<RankedTensorType>(op.getWeight().getType());
    SmallVector<int8_t> trits(constant.getValue().getValues<int8_t>());
    SmallVector<uint8_t> bytes(encoding.getByteSize(type.getDimSize(0), type.getDimSize(1)));
    packTrits(encoding.getLayout(), type.getDimSize(0), type.getDimSize(1), trits, bytes);
    OpBuilder builder(op);
    auto packedType = RankedTensorType::get({static_cast<int64_t>(bytes.size())}, builder.getI8Type());
    auto value = DenseElementsAttr::getFromRawBuffer(
        packedType, ArrayRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
    usePacked(op, arith::ConstantOp::create(builder, constant.getLoc(), value), encoding);
    if (constant.use_empty())
      constant.erase();
    return success();
  }

  void runOnOperation() override {
    llvm::MapVector<StringAttr, SmallVector<GlobalLoadConstOp>> loads;
    SmallVector<ternary::MatmulOp> others;
    getOperation().walk([&](Operation *op) {
      if (auto load = dyn_cast<GlobalLoadConstOp>(op))
        loads[load.getGlobal().getLeafReference()].push_back(load);
      auto product = dyn_cast<ternary::MatmulOp>(op);
      if (product && product->hasAttr(kEncoding) && !product.getWeight().getDefiningOp<GlobalLoadConstOp>())
        others.push_back(product);
    });
    for (ternary::MatmulOp op : others)
      if (failed(materializeConstant(op)))
        return signalPassFailure();
    SymbolTable symbols(getOperation());
    for (auto &[name, users] : loads)
      if (auto global = symbols.lookup<GlobalOp>(name))
        if (failed(materializeGlobal(global, users)))
          return signalPassFailure();
  }
};

} // namespace
