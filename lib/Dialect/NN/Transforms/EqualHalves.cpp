//===- EqualHalves.cpp - Tensors that hold everything twice ---------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EqualHalves.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace setun;

static bool hasEqualHalves(ElementsAttr data) {
  auto type = dyn_cast<RankedTensorType>(data.getType());
  if (!type || !type.getElementType().isIntOrFloat() || type.getElementTypeBitWidth() % 8)
    return false;
  ArrayRef<char> bytes;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(data)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    bytes = blob ? blob->getData() : ArrayRef<char>();
  } else if (auto dense = dyn_cast<DenseElementsAttr>(data)) {
    if (dense.isSplat())
      return true;
    bytes = dense.getRawData();
  }
  size_t half = type.getShape().back() / 2 * (type.getElementTypeBitWidth() / 8);
  if (bytes.size() != static_cast<size_t>(type.getNumElements()) * (type.getElementTypeBitWidth() / 8) || half == 0)
    return false;
  for (size_t row = 0; row < bytes.size(); row += 2 * half)
    if (bytes.slice(row, half) != bytes.slice(row + half, half))
      return false;
  return true;
}

/// Whether the last dimension is alone in its group but for sizes of 1.
static bool keepsLast(ArrayRef<ReassociationIndices> groups, RankedTensorType wide) {
  return !groups.empty() &&
         llvm::all_of(ArrayRef(groups.back()).drop_back(), [&](int64_t dim) { return wide.getDimSize(dim) == 1; });
}

bool setun::hasEqualHalves(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  Operation *op = value.getDefiningOp();
  if (!op || !type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1) || type.getShape().back() % 2)
    return false;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return static_cast<int64_t>(concat.getDim()) == type.getRank() - 1 && concat.getInputs().size() == 2 &&
           isSameValue(concat.getInputs()[0], concat.getInputs()[1]);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return keepsLast(expand.getReassociationIndices(), type) && hasEqualHalves(expand.getSrc());
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return keepsLast(collapse.getReassociationIndices(), collapse.getSrcType()) && hasEqualHalves(collapse.getSrc());
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op))
    return !llvm::is_contained(broadcast.getDimensions(), type.getRank() - 1) && hasEqualHalves(broadcast.getInput());
  if (ElementsAttr data = getConstantData(value))
    return ::hasEqualHalves(data);
  return op->hasTrait<OpTrait::Elementwise>() && op->getNumOperands() > 0 && isPure(op) &&
         llvm::all_of(op->getOperands(),
                      [](Value operand) { return getSplat(operand).has_value() || hasEqualHalves(operand); });
}

Value setun::makeHalf(OpBuilder &builder, Value value) {
  Operation *op = value.getDefiningOp();
  Location loc = op->getLoc();
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= 2;
  RankedTensorType halfType = type.clone(shape);
  OpFoldResult last = builder.getIndexAttr(shape.back());
  auto getHalfSizes = [&] {
    SmallVector<OpFoldResult> sizes = getSizes(builder, loc, value);
    sizes.back() = last;
    return sizes;
  };
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return concat.getInputs()[0];
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return tensor::ExpandShapeOp::create(builder, loc, halfType, makeHalf(builder, expand.getSrc()),
                                         expand.getReassociationIndices(), getHalfSizes());
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return tensor::CollapseShapeOp::create(builder, loc, halfType, makeHalf(builder, collapse.getSrc()),
                                           collapse.getReassociationIndices());
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
    Value init = tensor::EmptyOp::create(builder, loc, getHalfSizes(), type.getElementType());
    return linalg::BroadcastOp::create(builder, loc, makeHalf(builder, broadcast.getInput()), init,
                                       broadcast.getDimensions())
        .getResult()[0];
  }
  if (getConstantData(value)) {
    SmallVector<OpFoldResult> zeros(type.getRank(), builder.getIndexAttr(0)),
        ones(type.getRank(), builder.getIndexAttr(1));
    return tensor::ExtractSliceOp::create(builder, loc, value, zeros, getHalfSizes(), ones);
  }
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (hasEqualHalves(operand)) {
      operands.push_back(makeHalf(builder, operand));
      continue;
    }
    auto element = cast<FloatType>(getElementTypeOrSelf(operand.getType()));
    Value number = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, *getSplat(operand)));
    Value init = tensor::EmptyOp::create(builder, loc, getHalfSizes(), element);
    operands.push_back(linalg::FillOp::create(builder, loc, number, init).getResult(0));
  }
  Operation *half = clone(builder, op, halfType, operands);
  return half->getResult(0);
}
