//===- SplitPackedProducts.cpp - One product for each slice of a packed one -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Exporters pack q|k|v or gate|up into one product and split its result. Each part has a scale of its own, and its own
// consumer: as products of their own they are folded and fused like any others.

#include "setun/Analysis/ConstantValues.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace setun;

namespace setun {
#define GEN_PASS_DEF_SPLITPACKEDPRODUCTS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

namespace {

/// Columns [offset, offset + size) of the last dimension.
struct Columns {
  int64_t offset, size;
};

/// A packed product, what stands between it and its slices, and the slices.
struct Packed {
  linalg::MatmulOp product;
  SmallVector<Operation *> path;
  SmallVector<tensor::ExtractSliceOp> slices;
};

} // namespace

static Columns getColumns(tensor::ExtractSliceOp slice) {
  return {slice.getStaticOffsets().back(), slice.getStaticSizes().back()};
}

static RankedTensorType withColumns(Value value, int64_t size) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = size;
  return type.clone(shape);
}

/// Whether the columns of the operation's result are computed from the same columns of its tensors.
static bool keepsColumns(Operation *op) {
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getReassociationIndices().back().size() == 1;
  auto hasShape = [&](Value operand) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    return type && type.getShape() == cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  };
  return OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 &&
         llvm::all_of(op->getOperands(), hasShape);
}

/// The packed product that ends in slices along its columns which do not overlap, if this is one.
static std::optional<Packed> match(linalg::MatmulOp product, const ConstantValues &constants) {
  if (!product.hasPureTensorSemantics() || !constants.contains(product.getInputs()[1]) ||
      constants.contains(product.getInputs()[0]))
    return std::nullopt;
  Packed packed{product, {}, {}};
  Value value = product.getResult(0);
  while (value.hasOneUse() && keepsColumns(*value.user_begin())) {
    packed.path.push_back(*value.user_begin());
    value = packed.path.back()->getResult(0);
  }
  auto isStatic = [](int64_t size) { return !ShapedType::isDynamic(size); };
  for (Operation *user : value.getUsers()) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    if (!slice || slice.getDroppedDims().any() || !slice.hasUnitStride() ||
        !isStatic(slice.getStaticOffsets().back()) || !isStatic(slice.getStaticSizes().back()))
      return std::nullopt;
    packed.slices.push_back(slice);
  }
  llvm::sort(packed.slices, [](auto a, auto b) { return getColumns(a).offset < getColumns(b).offset; });
  for (unsigned i = 1; i < packed.slices.size(); ++i)
    if (getColumns(packed.slices[i - 1]).offset + getColumns(packed.slices[i - 1]).size >
        getColumns(packed.slices[i]).offset)
      return std::nullopt;
  if (packed.slices.size() < 2)
    return std::nullopt;
  return packed;
}

/// A slice of `value` along dimension `dim`.
static Value makeSlice(OpBuilder &builder, Location loc, Value value, int64_t dim, Columns columns) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, value);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0)),
      strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = builder.getIndexAttr(columns.offset);
  sizes[dim] = builder.getIndexAttr(columns.size);
  return tensor::ExtractSliceOp::create(builder, loc, value, offsets, sizes, strides);
}

/// The columns of an operand: of a repeated or filled one without a slice.
static Value takeColumns(OpBuilder &builder, Location loc, Value value, Columns columns) {
  int64_t last = cast<RankedTensorType>(value.getType()).getRank() - 1;
  Operation *op = value.getDefiningOp();
  DenseElementsAttr splat;
  if (matchPattern(value, m_Constant(&splat)) && splat.isSplat())
    return arith::ConstantOp::create(builder, loc, splat.resizeSplat(withColumns(value, columns.size)));
  if (isa_and_nonnull<tensor::EmptyOp>(op)) {
    SmallVector<OpFoldResult> sizes = cast<tensor::EmptyOp>(op).getMixedSizes();
    sizes.back() = builder.getIndexAttr(columns.size);
    return tensor::EmptyOp::create(builder, loc, sizes, getElementTypeOrSelf(value.getType()));
  }
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op)) {
    Value init = takeColumns(builder, loc, fill.getOutputs()[0], columns);
    return linalg::FillOp::create(builder, loc, fill.getInputs(), init).getResult(0);
  }
  if (auto broadcast = dyn_cast_or_null<linalg::BroadcastOp>(op)) {
    bool repeatsColumns = llvm::is_contained(broadcast.getDimensions(), last);
    Value input = broadcast.getInput();
    if (!repeatsColumns)
      input = takeColumns(builder, loc, input, columns);
    Value init = takeColumns(builder, loc, broadcast.getInit(), columns);
    return linalg::BroadcastOp::create(builder, loc, input, init, broadcast.getDimensions())->getResult(0);
  }
  return makeSlice(builder, loc, value, last, columns);
}

/// Recomputes `packed` for the columns of one slice. Built before the slice, where all its operands are known.
static Value buildPart(OpBuilder &builder, const Packed &packed, Columns columns) {
  linalg::MatmulOp product = packed.product;
  Location loc = product.getLoc();
  AffineMap weightMap = product.getIndexingMapsArray()[1];
  int64_t dim = cast<AffineDimExpr>(weightMap.getResult(0)).getPosition() == 1 ? 0 : 1; // of (m, n, k)
  IRMapping mapping;
  mapping.map(product.getInputs()[1], makeSlice(builder, loc, product.getInputs()[1], dim, columns));
  mapping.map(product.getOutputs()[0], takeColumns(builder, loc, product.getOutputs()[0], columns));
  Operation *part = builder.clone(*product, mapping);
  part->getResult(0).setType(part->getOperands().back().getType());
  Value value = part->getResult(0), whole = product.getResult(0);
  for (Operation *op : packed.path) {
    Value result = op->getResult(0);
    if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
      SmallVector<OpFoldResult> sizes = expand.getMixedOutputShape();
      sizes.back() = builder.getIndexAttr(columns.size);
      value = tensor::ExpandShapeOp::create(builder, op->getLoc(), withColumns(result, columns.size), value,
                                            expand.getReassociationIndices(), sizes);
    } else {
      IRMapping operands;
      for (Value operand : op->getOperands())
        operands.map(operand, operand == whole ? value : takeColumns(builder, op->getLoc(), operand, columns));
      Operation *clone = builder.clone(*op, operands);
      clone->getResult(0).setType(withColumns(result, columns.size));
      value = clone->getResult(0);
    }
    whole = result;
  }
  return value;
}

/// Whether `size` is seen to be that of dimension `dim`, without asking a tensor.
static bool isKnownSize(const Packed &packed, Value value, int64_t dim, OpFoldResult size) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.isDynamicDim(dim))
    return getConstantIntValue(size) == type.getDimSize(dim);
  for (Operation *op : llvm::reverse(packed.path))
    if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
      return isEqualConstantIntOrValue(expand.getMixedOutputShape()[dim], size);
  linalg::MatmulOp product = packed.product;
  Value init = product.getOutputs()[0];
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    init = fill.getOutputs()[0];
  auto empty = init.getDefiningOp<tensor::EmptyOp>();
  return empty && isEqualConstantIntOrValue(empty.getMixedSizes()[dim], size);
}

static void split(const Packed &packed) {
  for (tensor::ExtractSliceOp slice : packed.slices) {
    OpBuilder builder(slice);
    Columns columns = getColumns(slice);
    Value part = buildPart(builder, packed, columns);
    SmallVector<OpFoldResult> offsets = slice.getMixedOffsets(), sizes = slice.getMixedSizes();
    offsets.back() = builder.getIndexAttr(0);
    bool isWhole = true;
    for (int64_t dim = 0, rank = sizes.size(); dim < rank - 1; ++dim)
      isWhole &= isZeroInteger(offsets[dim]) && isKnownSize(packed, slice.getSource(), dim, sizes[dim]);
    if (!isWhole)
      part = tensor::ExtractSliceOp::create(builder, slice.getLoc(), slice.getType(), part, offsets, sizes,
                                            slice.getMixedStrides());
    slice.replaceAllUsesWith(part);
    slice.erase();
  }
  for (Operation *op : llvm::reverse(packed.path))
    op->erase();
  packed.product->erase();
}

namespace {

struct SplitPackedProducts : setun::impl::SplitPackedProductsBase<SplitPackedProducts> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      ConstantValues constants(function);
      for (Block &block : function.getBody())
        for (auto product : llvm::make_early_inc_range(block.getOps<linalg::MatmulOp>()))
          if (auto packed = match(product, constants))
            split(*packed);
    }
  }
};

} // namespace
