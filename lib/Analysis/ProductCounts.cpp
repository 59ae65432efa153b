//===- ProductCounts.cpp - What each product costs, before and after -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Analysis/ProductCounts.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Locations.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"

using namespace mlir;
using namespace setun;

ProductCost &ProductCost::operator+=(const ProductCost &other) {
  additions += other.additions;
  multiplications += other.multiplications;
  bytes += other.bytes;
  for (size_t i = 0; i < energy.size(); ++i)
    energy[i] += other.energy[i];
  return *this;
}

namespace {
/// Picojoules of one operation at 45 and 7 nm (the energy table of arXiv 2310.11453).
struct OperationEnergy {
  std::array<double, 2> add, multiply;
};
} // namespace

static OperationEnergy energyOf(Type type) {
  if (type.isInteger(8))
    return {{0.03, 0.007}, {0.2, 0.07}};
  if (type.isF16() || type.isBF16())
    return {{0.4, 0.16}, {1.1, 0.34}};
  return {{0.9, 0.38}, {3.7, 1.31}};
}

static ProductCost costOf(int64_t additions, Type addType, int64_t multiplications, Type multiplyType, int64_t bytes) {
  ProductCost cost{additions, multiplications, bytes};
  OperationEnergy add = energyOf(addType), multiply = energyOf(multiplyType);
  for (size_t i = 0; i < cost.energy.size(); ++i)
    cost.energy[i] = additions * add.add[i] + multiplications * multiply.multiply[i];
  return cost;
}

/// The parameter an operand is read from, through reshapes and transposes.
static ml_program::GlobalOp findParameter(Value value, SymbolTable &symbols) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(op))
      return symbols.lookup<ml_program::GlobalOp>(load.getGlobal().getLeafReference());
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, linalg::TransposeOp>(op))
      return {};
    value = op->getOperand(0);
  }
  return {};
}

static ProductFacts factsOf(ternary::MatmulOp op, SymbolTable &symbols) {
  ProductFacts facts;
  auto type = cast<ShapedType>(op.getWeight().getType());
  Type activation = getElementTypeOrSelf(op.getX()), f32 = Float32Type::get(op.getContext());
  facts.ternary = true;
  facts.layer = getSourceName(op.getLoc()).str();
  facts.rows = type.getDimSize(0);
  facts.columns = type.getDimSize(1);
  facts.activation = activation;
  if (ml_program::GlobalOp weight = findParameter(op.getWeight(), symbols)) {
    if (auto zeros = weight->getAttrOfType<FloatAttr>("setun.zeros"))
      facts.zeros = zeros.getValueAsDouble();
    if (auto deviation = weight->getAttrOfType<FloatAttr>("setun.deviation"))
      facts.deviation = deviation.getValueAsDouble();
    if (auto count = weight->getAttrOfType<IntegerAttr>("setun.scale_count"))
      facts.scales = count.getInt();
    if (auto range = weight->getAttrOfType<DenseF64ArrayAttr>("setun.scale_range"))
      facts.scaleRange = {range[0], range[1]};
  }
  int64_t n = facts.rows, k = facts.columns, perRow = std::max<int64_t>(1, facts.scales / n);
  facts.before = costOf(n * (k - 1), f32, n * k, f32, n * k * 4);
  facts.after = costOf(n * (k - 1), activation, n * perRow, f32,
                       ternary::EncodingAttr::getCanonical(op.getContext()).getByteSize(n, k));
  return facts;
}

static std::optional<ProductFacts> factsOf(linalg::MatmulOp op, SymbolTable &symbols) {
  ml_program::GlobalOp weight = findParameter(op.getInputs()[1], symbols);
  if (!weight)
    return std::nullopt;
  ProductFacts facts;
  facts.layer = getSourceName(op.getLoc()).str();
  auto result = cast<ShapedType>(op.getOutputs()[0].getType());
  Type activation = getElementTypeOrSelf(op.getInputs()[0]);
  int64_t k = cast<ShapedType>(op.getInputs()[0].getType()).getDimSize(1);
  facts.rows = result.getDimSize(1);
  facts.columns = k;
  if (ShapedType::isDynamic(facts.rows) || ShapedType::isDynamic(k))
    return std::nullopt;
  facts.activation = activation;
  if (auto reason = op->getAttrOfType<StringAttr>("setun.reason"))
    facts.reason = reason.str();
  int64_t bytes = facts.rows * k * llvm::divideCeil(getElementTypeOrSelf(weight.getType()).getIntOrFloatBitWidth(), 8);
  facts.before = facts.after = costOf(facts.rows * (k - 1), activation, facts.rows * k, activation, bytes);
  return facts;
}

std::vector<ProductFacts> setun::collectProducts(ModuleOp module) {
  SymbolTable symbols(module);
  std::vector<ProductFacts> products;
  module.walk([&](Operation *op) {
    if (auto product = dyn_cast<ternary::MatmulOp>(op))
      products.push_back(factsOf(product, symbols));
    else if (auto dense = dyn_cast<linalg::MatmulOp>(op))
      if (std::optional<ProductFacts> facts = factsOf(dense, symbols))
        products.push_back(*facts);
  });
  return products;
}
