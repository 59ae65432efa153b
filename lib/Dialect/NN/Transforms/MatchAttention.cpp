//===- MatchAttention.cpp - Attention as exporters take it apart ----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the second product up: probabilities, softmax, mask, scale, first product,
// and for each operand of a product through reshapes of its leading dimensions,
// a transpose of its matrices, a scale and the repetition of heads.
//
//===----------------------------------------------------------------------===//

#include "MatchAttention.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun;

static int64_t getRank(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// A product or quotient with one number: what it is applied to, or null.
static Value getScaled(Value value, double &scale) {
  Value inner;
  auto multiply = [&](Value operand, Value factor) {
    std::optional<double> number = getSplat(factor);
    if (!number)
      return false;
    scale *= *number;
    inner = operand;
    return true;
  };
  if (auto div = value.getDefiningOp<arith::DivFOp>()) {
    std::optional<double> number = getSplat(div.getRhs());
    if (!number || *number == 0.0)
      return {};
    scale /= *number;
    return div.getLhs();
  }
  matchCommutative<arith::MulFOp>(value, multiply);
  return inner;
}

/// The source of a reshape that leaves the last two dimensions alone.
static Value getReshaped(Operation *op) {
  SmallVector<ReassociationIndices> groups;
  if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(op))
    groups = collapse.getReassociationIndices();
  else if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(op))
    groups = expand.getReassociationIndices();
  bool keepsMatrices = groups.size() >= 2 && groups.back().size() == 1 && groups[groups.size() - 2].size() == 1;
  return keepsMatrices ? op->getOperand(0) : Value();
}

namespace {
/// An operand of a batch of products, [B, H, X, Y], and how its matrices are used.
struct Operand {
  Value value;
  bool transposed = false;
  double scale = 1.0;
};
} // namespace

/// Walks up from [B * H, X, Y] to the topmost value that still has the heads as a dimension.
static Operand peel(Value value) {
  Operand best, current{value};
  while (true) {
    if (getRank(current.value) == 4)
      best = current;
    Operation *op = current.value.getDefiningOp();
    if (Value source = getReshaped(op)) {
      current.value = source;
      continue;
    }
    if (auto transpose = dyn_cast_or_null<linalg::TransposeOp>(op)) {
      auto order = llvm::to_vector(llvm::seq<int64_t>(0, getRank(current.value)));
      std::swap(order[order.size() - 1], order[order.size() - 2]);
      if (transpose.getPermutation() != ArrayRef<int64_t>(order))
        return best;
      current.value = transpose.getInput();
      current.transposed = !current.transposed;
      continue;
    }
    Value scaled = getScaled(current.value, current.scale);
    if (!scaled)
      break;
    current.value = scaled;
  }
  // [B, G, T, D] repeated as [B, G, H / G, T, D].
  auto broadcast = current.value.getDefiningOp<linalg::BroadcastOp>();
  if (broadcast && getRank(current.value) == 5 && broadcast.getDimensions() == ArrayRef<int64_t>{2}) {
    current.value = broadcast.getInput();
    return current;
  }
  return best;
}

Value setun::stripRepeatedHeads(Value value) {
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  auto broadcast = collapse ? collapse.getSrc().getDefiningOp<linalg::BroadcastOp>() : linalg::BroadcastOp();
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}, {3}, {4}};
  bool repeats = broadcast && getRank(value) == 4 && collapse.getReassociationIndices() == groups &&
                 broadcast.getDimensions() == ArrayRef<int64_t>{2};
  return repeats ? broadcast.getInput() : value;
}

/// exp(s - max(s)) / sum of the same, over the last dimension: s.
static Value matchSoftmax(Value value) {
  View root = View::root(value);
  Value exponential;
  auto isSum = [&](Value numerator, View sum) {
    linalg::ReduceOp reduce = getRowReduction<arith::AddFOp>(sum);
    exponential = numerator;
    return reduce && getSplat(reduce.getInits().front()) == 0.0 && isSameValue(reduce.getInputs().front(), numerator);
  };
  bool divides = false;
  if (auto div = value.getDefiningOp<arith::DivFOp>())
    divides = isSum(div.getLhs(), root.operand(div.getRhs()));
  else
    divides = matchCommutative<arith::MulFOp>(value, [&](Value numerator, Value factor) {
      View reciprocal = root.operand(factor);
      auto inverse = reciprocal.value.getDefiningOp<arith::DivFOp>();
      return inverse && getSplat(inverse.getLhs()) == 1.0 && isSum(numerator, reciprocal.operand(inverse.getRhs()));
    });
  auto exp = divides ? exponential.getDefiningOp<math::ExpOp>() : math::ExpOp();
  auto sub = exp ? exp.getOperand().getDefiningOp<arith::SubFOp>() : arith::SubFOp();
  if (!sub)
    return {};
  linalg::ReduceOp max = getRowReduction<arith::MaximumFOp>(View::root(sub).operand(sub.getRhs()));
  return max && isSameValue(max.getInputs().front(), sub.getLhs()) ? sub.getLhs() : Value();
}

/// Probabilities without the guard that turns rows without a key to zeros, as the op does by itself.
static Value stripGuard(Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  bool isGuard = compare && compare.getPredicate() == arith::CmpFPredicate::UNO &&
                 compare.getLhs() == compare.getRhs() && compare.getLhs() == select.getFalseValue() &&
                 getSplat(select.getTrueValue()) == 0.0;
  return isGuard ? select.getFalseValue() : value;
}

static bool isZero(Value init) { return getSplat(init) == 0.0; }

/// The product of queries and keys, scaled and perhaps capped, behind the scores.
static linalg::BatchMatmulOp matchScores(Value value, Attention &attention) {
  attention.scale = 1.0, attention.softcap = 0.0;
  while (Operation *op = value.getDefiningOp()) {
    if (auto product = dyn_cast<linalg::BatchMatmulOp>(op))
      return isZero(product.getDpsInitOperand(0)->get()) && !product.hasUserDefinedMaps() ? product
                                                                                          : linalg::BatchMatmulOp();
    if (auto tanh = dyn_cast<math::TanhOp>(op)) {
      // c * tanh(z / c); the division by c is undone by the scale that stands here.
      if (attention.softcap != 0.0 || !(attention.scale > 0.0))
        return {};
      attention.softcap = attention.scale;
      value = tanh.getOperand();
    } else if (isa<arith::ExtFOp, arith::TruncFOp>(op)) {
      value = op->getOperand(0);
    } else if (Value source = getReshaped(op)) {
      value = source;
    } else if (!(value = getScaled(value, attention.scale))) {
      return {};
    }
  }
  return {};
}

/// Scores with a mask added or selected, or none.
static linalg::BatchMatmulOp matchMasked(Value scores, Attention &attention) {
  linalg::BatchMatmulOp product;
  View root = View::root(scores);
  auto added = [&](Value plain, Value mask) {
    product = matchScores(plain, attention);
    attention.mask = root.operand(mask);
    return static_cast<bool>(product);
  };
  if (matchCommutative<arith::AddFOp>(scores, added))
    return product;
  attention.mask.reset();
  auto select = scores.getDefiningOp<arith::SelectOp>();
  if (select && getSplat(select.getFalseValue()).value_or(0.0) <= -6.0e4 &&
      isa<RankedTensorType>(select.getCondition().getType())) {
    attention.mask = root.operand(select.getCondition());
    return matchScores(select.getTrueValue(), attention);
  }
  return matchScores(scores, attention);
}

std::optional<Attention> setun::matchAttention(linalg::BatchMatmulOp op) {
  if (op.hasUserDefinedMaps() || !isZero(op.getDpsInitOperand(0)->get()))
    return std::nullopt;
  Value probabilities = op.getDpsInputOperand(0)->get();
  auto stripOutside = [](Value value) {
    while (Value source = getReshaped(value.getDefiningOp()))
      value = source;
    return stripFloatCasts(value, true);
  };
  Value scores = matchSoftmax(stripFloatCasts(stripGuard(stripOutside(probabilities)), true));
  if (!scores)
    return std::nullopt;
  Attention attention;
  scores = stripFloatCasts(scores, true);
  linalg::BatchMatmulOp product = matchMasked(scores, attention);
  if (!product || (attention.mask && getRank(scores) != 4))
    return std::nullopt;
  Operand q = peel(product.getDpsInputOperand(0)->get()), k = peel(product.getDpsInputOperand(1)->get());
  Operand v = peel(op.getDpsInputOperand(1)->get());
  if (!q.value || !k.value || !v.value || q.transposed || !k.transposed || v.transposed || v.scale != 1.0)
    return std::nullopt;
  attention.q = q.value, attention.k = k.value, attention.v = v.value;
  attention.scale *= q.scale * k.scale;
  auto qType = cast<RankedTensorType>(q.value.getType()), kType = cast<RankedTensorType>(k.value.getType()),
       vType = cast<RankedTensorType>(v.value.getType());
  int64_t heads = qType.getDimSize(1), groups = kType.getDimSize(1);
  bool isGood = !qType.isDynamicDim(1) && !kType.isDynamicDim(1) && heads % groups == 0 &&
                vType.getDimSize(1) == groups && qType.getDimSize(0) == kType.getDimSize(0) &&
                kType.getDimSize(0) == vType.getDimSize(0) && qType.getElementType() == kType.getElementType() &&
                kType.getElementType() == vType.getElementType() && qType.getDimSize(3) == kType.getDimSize(3);
  return isGood ? std::optional(attention) : std::nullopt;
}
