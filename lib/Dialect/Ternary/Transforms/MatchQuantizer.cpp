//===- MatchQuantizer.cpp - Finding the activation side of a BitLinear ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks from a product's operand up to the rounding, and from the rounded value
// to the largest magnitude, whatever the exporter put on the way: reshapes,
// casts, a straight-through estimator, an int8 round trip, scales.
//
//===----------------------------------------------------------------------===//

#include "MatchQuantizer.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

/// Finds c = max(absmax(x), eps) behind a value seen from x; the quantizer gets c, eps and perTensor.
static bool matchAbsMax(View c, Quantizer &quantizer) {
  c = c.strip();
  Type element = getElementTypeOrSelf(quantizer.x.getType());
  if (!(element.isF32() || element.isF16() || element.isBF16()) || getElementTypeOrSelf(c.value.getType()) != element)
    return false;
  quantizer.absmax = c;
  quantizer.eps = 0.0;
  View max = c;
  matchCommutative<arith::MaximumFOp>(c.value, [&](Value value, Value bound) {
    std::optional<double> eps = getSplat(bound);
    if (!eps || *eps < 0.0)
      return false;
    quantizer.eps = *eps;
    max = c.operand(value);
    return true;
  });
  // A maximum is exact in any type that holds the elements, so casts around it change nothing.
  for (Value inner = stripFloatCasts(max.value, true); inner != max.value; inner = stripFloatCasts(max.value, true))
    max = View{inner, max.dims}.strip();
  linalg::ReduceOp reduce = getReduction<arith::MaximumFOp>(max.value);
  if (!reduce || !(getSplat(reduce.getInits().front()).value_or(1.0) <= 0.0))
    return false;
  Value input = stripFloatCasts(reduce.getInputs().front(), true);
  auto abs = input.getDefiningOp<math::AbsFOp>();
  if (!abs || !isSameValue(stripFloatCasts(abs.getOperand()), stripFloatCasts(quantizer.x)))
    return false;
  if (abs.getType() == quantizer.x.getType())
    quantizer.x = abs.getOperand(); // of equal values the one that is there first
  quantizer.perTensor = cast<RankedTensorType>(max.value.getType()).getRank() == 0 && reduce.getDimensions().size() > 1;
  return quantizer.perTensor || getRowReduction<arith::MaximumFOp>(max);
}

/// S = qmax / c or qmax * (1 / c), which multiplies x.
static bool matchFactor(View s, Quantizer &quantizer) {
  s = s.strip();
  if (auto div = s.value.getDefiningOp<arith::DivFOp>()) {
    std::optional<double> qmax = getSplat(div.getLhs());
    quantizer.qmax = qmax.value_or(0.0);
    quantizer.spelling = Spelling::Divide;
    return qmax && matchAbsMax(s.operand(div.getRhs()), quantizer);
  }
  return matchCommutative<arith::MulFOp>(s.value, [&](Value value, Value constant) {
    std::optional<double> qmax = getSplat(constant);
    View reciprocal = s.operand(value);
    auto div = reciprocal.value.getDefiningOp<arith::DivFOp>();
    if (!qmax || !div || getSplat(div.getLhs()) != 1.0)
      return false;
    quantizer.qmax = *qmax;
    quantizer.spelling = Spelling::Reciprocal;
    return matchAbsMax(reciprocal.operand(div.getRhs()), quantizer);
  });
}

/// The value that is rounded, in one of the five spellings.
static bool matchScaled(Value scaled, Quantizer &quantizer) {
  View root = View::root(scaled);
  auto mul = [&](Value x, Value factor) {
    quantizer.x = x;
    if (matchFactor(root.operand(factor), quantizer))
      return true;
    auto div = x.getDefiningOp<arith::DivFOp>();
    std::optional<double> qmax = getSplat(factor);
    if (!div || !qmax)
      return false;
    quantizer.x = div.getLhs();
    quantizer.qmax = *qmax;
    quantizer.spelling = Spelling::Normalize;
    return matchAbsMax(root.operand(div.getRhs()), quantizer);
  };
  if (matchCommutative<arith::MulFOp>(scaled, mul))
    return true;
  auto div = scaled.getDefiningOp<arith::DivFOp>();
  if (!div)
    return false;
  View divisor = root.operand(div.getRhs());
  quantizer.x = div.getLhs();
  if (auto step = divisor.value.getDefiningOp<arith::DivFOp>()) {
    std::optional<double> qmax = getSplat(step.getRhs());
    quantizer.qmax = qmax.value_or(0.0);
    quantizer.spelling = Spelling::Step;
    return qmax && matchAbsMax(divisor.operand(step.getLhs()), quantizer);
  }
  return matchCommutative<arith::MulFOp>(div.getLhs(), [&](Value x, Value constant) {
    std::optional<double> qmax = getSplat(constant);
    quantizer.x = x;
    quantizer.qmax = qmax.value_or(0.0);
    quantizer.spelling = Spelling::ScaleFirst;
    return qmax && matchAbsMax(divisor, quantizer);
  });
}

/// clamp(roundeven(v)), the bounds in either order or absent.
static bool matchRounded(Value value, Quantizer &quantizer, std::string &reason) {
  double low = -INFINITY, high = INFINITY;
  for (bool more = true; more;) {
    auto upper = [&](Value clamped, Value bound) {
      std::optional<double> splat = getSplat(bound);
      high = std::min(high, splat.value_or(high));
      value = splat ? clamped : value;
      return splat.has_value();
    };
    auto lower = [&](Value clamped, Value bound) {
      std::optional<double> splat = getSplat(bound);
      low = std::max(low, splat.value_or(low));
      value = splat ? clamped : value;
      return splat.has_value();
    };
    more = matchCommutative<arith::MinimumFOp>(value, upper) || matchCommutative<arith::MaximumFOp>(value, lower);
  }
  auto round = value.getDefiningOp<math::RoundEvenOp>();
  if (!round)
    return false;
  quantizer.scaled = round.getOperand();
  quantizer.loc = round.getLoc();
  if (!matchScaled(quantizer.scaled, quantizer) || !(quantizer.qmax > 0.0)) {
    reason = "they are rounded, but not after a division by their largest magnitude";
    return false;
  }
  // Without a bound, |v| <= qmax up to two roundings, which do not reach the next integer.
  low = low < -128.0 ? std::max(low, -std::nearbyint(quantizer.qmax)) : low;
  high = high > 127.0 ? std::min(high, std::nearbyint(quantizer.qmax)) : high;
  if (!(low >= -128.0 && high <= 127.0 && low < high) || low != std::floor(low) || high != std::floor(high)) {
    llvm::raw_string_ostream(reason) << "they are rounded to the range [" << low << ", " << high
                                     << "], which int8 does not hold";
    return false;
  }
  quantizer.low = static_cast<int64_t>(low);
  quantizer.high = static_cast<int64_t>(high);
  return true;
}

namespace {
/// The walk up from the product's operand; `activation` holds what has been passed.
struct Walk {
  Activation activation;
  SmallVector<Value> straightThrough; // b of each (a - b) + b
  std::string &reason;

  bool visit(Value value) {
    if (auto type = dyn_cast<RankedTensorType>(value.getType()); !type || type.getRank() == 0)
      return false;
    Operation *op = value.getDefiningOp();
    if (!op)
      return false;
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      activation.reshapes.push_back(op);
      return visit(op->getOperand(0)) || (activation.reshapes.pop_back(), false);
    }
    if (isa<arith::ExtFOp, arith::TruncFOp>(op))
      return visit(op->getOperand(0));
    if (isa<arith::SIToFPOp, arith::FPToSIOp>(op))
      return visitInteger(isa<arith::SIToFPOp>(op) ? op->getOperand(0) : value);
    if (isa<math::RoundEvenOp, arith::MinimumFOp, arith::MaximumFOp>(op)) {
      Quantizer quantizer{.x = {},
                          .scaled = {},
                          .absmax = {},
                          .qmax = 0,
                          .eps = 0,
                          .low = 0,
                          .high = 0,
                          .spelling = Spelling::Divide,
                          .perTensor = false,
                          .loc = op->getLoc()};
      if (!matchRounded(value, quantizer, reason))
        return false;
      activation.quantizer = quantizer;
      return true;
    }
    auto scale = [&](Value scaled, Value factor) { return visitScale(value, scaled, factor, isa<arith::DivFOp>(op)); };
    if (isa<arith::DivFOp>(op))
      return scale(op->getOperand(0), op->getOperand(1));
    auto estimator = [&](Value difference, Value base) {
      auto sub = difference.getDefiningOp<arith::SubFOp>();
      if (!sub || !isSameValue(sub.getRhs(), base))
        return false;
      straightThrough.push_back(base);
      return visit(sub.getLhs()) || (straightThrough.pop_back(), false);
    };
    return matchCommutative<arith::MulFOp>(value, scale) || matchCommutative<arith::AddFOp>(value, estimator);
  }

  bool visitScale(Value product, Value scaled, Value factor, bool divides) {
    View view = View::root(product).operand(factor);
    int64_t last = cast<RankedTensorType>(product.getType()).getRank() - 1;
    if (!view.isConstantAlong(last))
      return false;
    activation.scales.push_back({divides, view, static_cast<unsigned>(activation.reshapes.size())});
    return visit(scaled) || (activation.scales.pop_back(), false);
  }

  /// An int8 tensor: the quantizer's integers, or whatever else is int8 already.
  bool visitInteger(Value value) {
    if (!getElementTypeOrSelf(value.getType()).isInteger(8))
      return false;
    // The cast truncates, so that nothing but reshapes may stand between it and the rounding.
    size_t scales = activation.scales.size(), reshapes = activation.reshapes.size(), sums = straightThrough.size();
    Value inner = value;
    while (inner.getDefiningOp<tensor::CollapseShapeOp>() || inner.getDefiningOp<tensor::ExpandShapeOp>()) {
      activation.reshapes.push_back(inner.getDefiningOp());
      inner = inner.getDefiningOp()->getOperand(0);
    }
    auto cast = inner.getDefiningOp<arith::FPToSIOp>();
    if (cast && visit(cast.getIn()) && activation.quantizer && activation.scales.size() == scales &&
        straightThrough.size() == sums)
      return true;
    activation.scales.resize(scales);
    activation.reshapes.resize(reshapes);
    straightThrough.resize(sums);
    activation.quantizer.reset();
    activation.integers = value;
    return straightThrough.empty();
  }
};
} // namespace

std::optional<Activation> setun::ternary::matchActivation(Value operand, std::string &reason) {
  reason = "they are not rounded to integers";
  Walk walk{{}, {}, reason};
  bool isInteger = getElementTypeOrSelf(operand.getType()).isInteger(8);
  if (!(isInteger ? walk.visitInteger(operand) : walk.visit(operand)))
    return std::nullopt;
  // (a - b) + b is a only for the estimator's b; other sums of this form round on purpose.
  for (Value base : walk.straightThrough) {
    Value plain = stripFloatCasts(stripReshapes(base), true);
    const Quantizer &quantizer = *walk.activation.quantizer;
    if (!isSameValue(plain, stripFloatCasts(quantizer.x, true)) && !isSameValue(plain, quantizer.scaled)) {
      reason = "a sum of the form (a - b) + b stands between the quantizer and the product, and b is not its input";
      return std::nullopt;
    }
  }
  return walk.activation;
}
