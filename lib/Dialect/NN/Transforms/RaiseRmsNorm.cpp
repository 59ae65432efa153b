//===- RaiseRmsNorm.cpp - Find root-mean-square normalization -------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters write the norm as eight steps, some as a fused operator: after this
// pass both arrive at the same op.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Utils/Matchers.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_RAISERMSNORM
#include "setun/Dialect/NN/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
struct Norm {
  Value x;    // in the type of the result
  Value wide; // the same in the type of the computation
  View gamma;
  double epsilon = 0.0;
};
} // namespace

static bool isSquare(Value square, Value x) {
  if (auto mul = square.getDefiningOp<arith::MulFOp>())
    return isSameValue(mul.getLhs(), x) && isSameValue(mul.getRhs(), x);
  if (auto power = square.getDefiningOp<math::PowFOp>())
    return isSameValue(power.getLhs(), x) && getSplat(power.getRhs()) == 2.0;
  return false;
}

/// mean(x^2) + epsilon, seen from x.
static bool matchVariance(View view, Norm &norm) {
  auto type = cast<RankedTensorType>(norm.wide.getType());
  double count = type.getShape().back();
  auto matchMean = [&](View mean) {
    View sum = mean;
    if (auto div = mean.value.getDefiningOp<arith::DivFOp>(); div && getSplat(div.getRhs()) == count)
      sum = mean.operand(div.getLhs());
    else if (!matchCommutative<arith::MulFOp>(mean.value, [&](Value value, Value factor) {
               sum = mean.operand(value);
               return getSplat(factor) == (type.getElementType().isF32() ? double(float(1.0 / count)) : 1.0 / count);
             }))
      return false;
    linalg::ReduceOp reduce = getRowReduction<arith::AddFOp>(sum);
    return reduce && getSplat(reduce.getInits().front()) == 0.0 && isSquare(reduce.getInputs().front(), norm.wide);
  };
  return matchCommutative<arith::AddFOp>(view.value, [&](Value mean, Value epsilon) {
    std::optional<double> value = getSplat(epsilon);
    norm.epsilon = value.value_or(0.0);
    return value && *value >= 0.0 && matchMean(view.operand(mean));
  });
}

/// x times the reciprocal of the root, or x divided by the root.
static bool matchNormalized(Value normalized, Norm &norm) {
  View root = View::root(normalized);
  auto matchRoot = [&](View view) {
    auto sqrt = view.value.getDefiningOp<math::SqrtOp>();
    return sqrt && matchVariance(view.operand(sqrt.getOperand()), norm);
  };
  if (auto div = normalized.getDefiningOp<arith::DivFOp>()) {
    norm.wide = div.getLhs();
    return matchRoot(root.operand(div.getRhs()));
  }
  return matchCommutative<arith::MulFOp>(normalized, [&](Value x, Value factor) {
    norm.wide = x;
    View reciprocal = root.operand(factor);
    if (auto rsqrt = reciprocal.value.getDefiningOp<math::RsqrtOp>())
      return matchVariance(reciprocal.operand(rsqrt.getOperand()), norm);
    auto div = reciprocal.value.getDefiningOp<arith::DivFOp>();
    return div && getSplat(div.getLhs()) == 1.0 && matchRoot(reciprocal.operand(div.getRhs()));
  });
}

/// Whether `operand` is gamma in a product of `product`'s shape: it changes along the last dimension only.
static bool matchGamma(Value product, Value operand, View &gamma) {
  gamma = View::root(product).operand(operand);
  int64_t last = cast<RankedTensorType>(product.getType()).getRank() - 1;
  return llvm::all_of(gamma.dims, [&](int64_t dim) { return dim == -1 || dim == last; }) &&
         llvm::is_contained(gamma.dims, last);
}

static std::optional<Norm> match(arith::MulFOp product) {
  Value output = product.getResult();
  auto type = dyn_cast<RankedTensorType>(output.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1) || type.getElementType().isF64())
    return std::nullopt;
  Norm norm;
  bool found = matchCommutative<arith::MulFOp>(output, [&](Value normalized, Value gamma) {
    if (!matchGamma(output, gamma, norm.gamma))
      return false;
    // Another use needs the normalized value itself.
    if (!llvm::all_of(normalized.getUsers(), [&](Operation *user) {
          View other;
          auto mul = dyn_cast<arith::MulFOp>(user);
          return mul && (matchGamma(mul, mul.getLhs(), other) || matchGamma(mul, mul.getRhs(), other));
        }))
      return false;
    auto narrow = normalized.getDefiningOp<arith::TruncFOp>();
    if (!matchNormalized(narrow ? narrow.getIn() : normalized, norm))
      return false;
    norm.x = norm.wide;
    if (auto extend = norm.wide.getDefiningOp<arith::ExtFOp>(); narrow && extend)
      norm.x = extend.getIn();
    return norm.x.getType() == type && getElementTypeOrSelf(norm.wide.getType()).isF32();
  });
  return found ? std::optional(norm) : std::nullopt;
}

namespace {
struct RaiseRmsNorm : setun::impl::RaiseRmsNormBase<RaiseRmsNorm> {
  using Base::Base;

  void runOnOperation() override {
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!isProof(func))
        raise(func);
  }

  void raise(func::FuncOp func) {
    std::vector<std::pair<arith::MulFOp, Norm>> found;
    func.walk([&](arith::MulFOp op) {
      if (std::optional<Norm> norm = match(op))
        found.emplace_back(op, *norm);
    });
    if (found.empty())
      return;
    IRRewriter rewriter(func.getContext());
    SmallVector<Proof> proofs;
    if (keepProofs)
      for (auto &[op, norm] : found)
        proofs.emplace_back(op, ArrayRef<Value>{norm.x, norm.gamma.value});
    SmallVector<nn::RmsNormOp> raised;
    for (auto &[op, norm] : found) {
      rewriter.setInsertionPoint(op);
      Location loc = op.getLoc();
      auto type = cast<RankedTensorType>(op.getType());
      SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, norm.x);
      Value gamma = reshapeView(rewriter, loc, norm.gamma, {type.getRank() - 1}, sizes);
      Value init = tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
      raised.push_back(
          nn::RmsNormOp::create(rewriter, loc, type, norm.x, gamma, init, rewriter.getF32FloatAttr(norm.epsilon)));
    }
    // Norms may be chained: each result goes into place only when all are matched and built.
    for (auto [pair, now] : llvm::zip_equal(found, raised))
      rewriter.replaceOp(pair.first, now.getResult(0));
    for (auto [proof, pair, now] : llvm::zip(proofs, found, raised))
      proof.finish(now.getResult(0), {now.getX(), pair.second.gamma.value}, "rms_norm");
    (void)runRegionDCE(rewriter, func.getBody());
  }
};
} // namespace
