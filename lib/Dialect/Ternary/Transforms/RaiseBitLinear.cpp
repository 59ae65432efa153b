//===- RaiseBitLinear.cpp - Products of dequantized weights to ternary ones ===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All products are matched before any is rewritten, because products share
// quantizers and a rewritten quantizer no longer looks like the graph's.
//
//===----------------------------------------------------------------------===//

#include "MatchQuantizer.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Proof.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_RAISEBITLINEAR
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

namespace {
/// A product that becomes ternary.
struct Product {
  linalg::MatmulOp op;
  DequantizeOp weight;
  std::optional<Activation> activation;
};

/// What stands in a product's place, and the op that reads what the product's slice began with.
struct Raised {
  Value result;
  Operation *user;
};

struct Raiser {
  IRRewriter rewriter;
  DominanceInfo dominance;
  SmallVector<std::pair<Quantizer, QuantizeOp>> quantizers;

  explicit Raiser(func::FuncOp func) : rewriter(func.getContext()), dominance(func) {}

  QuantizeOp getQuantize(const Quantizer &quantizer);
  Value reshapeLike(Value value, Operation *reshape, bool dropsLast);
  Value scaleResult(Product &product, Value result, ArrayRef<OpFoldResult> sizes, ArrayRef<Value> levels);
  Raised raise(Product &product);
  void replaceAbsMax(const Quantizer &quantizer, QuantizeOp op);
};
} // namespace

static SmallVector<ReassociationIndices> getGroups(Operation *reshape) {
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(reshape))
    return collapse.getReassociationIndices();
  return cast<tensor::ExpandShapeOp>(reshape).getReassociationIndices();
}

/// Whether the last dimension goes through a reshape by itself, so that a scale of each row goes through it too.
static bool keepsLastDim(Operation *op) {
  Value wide = isa<tensor::CollapseShapeOp>(op) ? op->getOperand(0) : op->getResult(0);
  auto type = cast<RankedTensorType>(wide.getType());
  SmallVector<ReassociationIndices> groups = getGroups(op);
  return !groups.empty() &&
         llvm::all_of(ArrayRef(groups.back()).drop_back(), [&](int64_t dim) { return type.getDimSize(dim) == 1; });
}

/// Why the product can't be ternary; empty if it can.
static StringRef whyNot(Product &product) {
  linalg::MatmulOp op = product.op;
  MLIRContext *context = op.getContext();
  auto map = AffineMap::getMultiDimMapWithTargets(3, {1, 2}, context);
  auto maps = op.getIndexingMapsArray();
  if (maps[1] != map || maps[0] != AffineMap::getMultiDimMapWithTargets(3, {0, 2}, context) ||
      maps[2] != AffineMap::getMultiDimMapWithTargets(3, {0, 1}, context))
    return "its weight is not the [N, K] operand of a plain product";
  if (cast<RankedTensorType>(product.weight.getType()).getDimSize(1) > (1 << 24))
    return "K is more than 16777216";
  Type lhs = getElementTypeOrSelf(op.getDpsInputOperand(0)->get().getType());
  Type result = getElementTypeOrSelf(op.getResultTypes().front());
  bool isFloat = (lhs.isF32() || lhs.isF16() || lhs.isBF16()) && isa<FloatType>(result) && !result.isF64();
  if (!isFloat && !(lhs.isInteger(8) && result.isInteger(32)))
    return "its element types are not those of a ternary product";
  if (!isFloat && product.weight.getScale())
    return "its weight is an integer but has a scale";
  return "";
}

/// The graph's own quantizer as one op where c was computed.
QuantizeOp Raiser::getQuantize(const Quantizer &quantizer) {
  for (auto &[known, op] : quantizers)
    if (known == quantizer)
      return op;
  Operation *place = quantizer.absmax.value.getDefiningOp();
  if (dominance.properlyDominates(quantizer.x, place))
    rewriter.setInsertionPoint(place);
  else
    rewriter.setInsertionPointAfterValue(quantizer.x);
  Location loc = quantizer.loc;
  auto type = cast<RankedTensorType>(quantizer.x.getType());
  SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, quantizer.x);
  Value q = tensor::EmptyOp::create(rewriter, loc, sizes, rewriter.getI8Type());
  ArrayRef<OpFoldResult> leading = quantizer.perTensor ? ArrayRef<OpFoldResult>() : ArrayRef(sizes).drop_back();
  Value c = tensor::EmptyOp::create(rewriter, loc, leading, type.getElementType());
  auto op = QuantizeOp::create(
      rewriter, loc, TypeRange{q.getType(), c.getType()}, quantizer.x, q, c, rewriter.getF32FloatAttr(quantizer.qmax),
      rewriter.getDenseI64ArrayAttr({quantizer.low, quantizer.high}), rewriter.getF32FloatAttr(quantizer.eps),
      SpellingAttr::get(rewriter.getContext(), quantizer.spelling),
      quantizer.perTensor ? rewriter.getUnitAttr() : UnitAttr());
  quantizers.emplace_back(quantizer, op);
  return op;
}

/// The graph's reshape applied to the integers, or (`dropsLast`) to something with one element a row.
Value Raiser::reshapeLike(Value value, Operation *reshape, bool dropsLast) {
  Type element = getElementTypeOrSelf(value.getType());
  SmallVector<ReassociationIndices> groups = getGroups(reshape);
  if (dropsLast) {
    ReassociationIndices ones = groups.pop_back_val();
    ones.pop_back();
    if (!groups.empty())
      llvm::append_range(groups.back(), ones);
  }
  auto shape = cast<RankedTensorType>(reshape->getResult(0).getType()).getShape().drop_back(dropsLast);
  auto type = RankedTensorType::get(shape, element);
  Location loc = reshape->getLoc();
  if (isa<tensor::CollapseShapeOp>(reshape))
    return tensor::CollapseShapeOp::create(rewriter, loc, type, value, groups);
  auto expand = cast<tensor::ExpandShapeOp>(reshape);
  SmallVector<OpFoldResult> sizes = expand.getMixedOutputShape();
  sizes.pop_back_n(dropsLast);
  return tensor::ExpandShapeOp::create(rewriter, loc, type, value, groups, sizes);
}

static Value toF32(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getElementType().isF32() ? value
                                       : arith::ExtFOp::create(builder, loc, type.clone(builder.getF32Type()), value);
}

/// The weight's scale and the scales that the graph applied before the product, in f32. `levels` are the integers
/// before the product's reshapes, each of them, and after.
Value Raiser::scaleResult(Product &product, Value result, ArrayRef<OpFoldResult> sizes, ArrayRef<Value> levels) {
  Location loc = product.op.getLoc();
  Value scale = product.weight.getScale();
  auto scaleType = scale ? cast<RankedTensorType>(scale.getType()) : RankedTensorType();
  if (scale && scaleType.getRank() == 1 && getSplat(scale) != 1.0) {
    scale = toF32(rewriter, loc, scale);
    View view{scale, {scaleType.getDimSize(0) == 1 ? -1 : 1}};
    result = arith::MulFOp::create(rewriter, loc, result, reshapeView(rewriter, loc, view, {0, 1}, sizes));
  }
  if (!product.activation)
    return result;
  const Activation &activation = *product.activation;
  // The innermost scale was applied first.
  for (const DeferredScale &deferred : llvm::reverse(activation.scales)) {
    Value level = levels[levels.size() - 1 - deferred.reshapes], by;
    if (llvm::all_of(deferred.by.dims, [](int64_t dim) { return dim == -1; })) {
      by = reshapeView(rewriter, loc, deferred.by, {0, 1}, sizes);
    } else {
      auto dims = View::root(level).dims;
      dims.pop_back();
      by = reshapeView(rewriter, loc, deferred.by, dims, getSizes(rewriter, loc, level));
      for (Operation *reshape : llvm::reverse(ArrayRef(activation.reshapes).take_front(deferred.reshapes)))
        by = reshapeLike(by, reshape, true);
      by = broadcastTo(rewriter, loc, by, sizes, {0});
    }
    by = toF32(rewriter, loc, by);
    result = deferred.divides ? Value(arith::DivFOp::create(rewriter, loc, result, by))
                              : Value(arith::MulFOp::create(rewriter, loc, result, by));
  }
  return result;
}

/// Builds the ternary product and what follows it, up to the dense product's result.
Raised Raiser::raise(Product &product) {
  linalg::MatmulOp op = product.op;
  Location loc = op.getLoc();
  Value x = op.getDpsInputOperand(0)->get();
  SmallVector<Value> levels;
  Operation *user = nullptr;
  if (product.activation) {
    const Activation &activation = *product.activation;
    if (activation.quantizer)
      user = getQuantize(*activation.quantizer);
    x = user ? user->getResult(0) : activation.integers;
    rewriter.setInsertionPoint(op);
    levels.push_back(x);
    for (Operation *reshape : llvm::reverse(activation.reshapes))
      levels.push_back(x = reshapeLike(x, reshape, false));
  }
  rewriter.setInsertionPoint(op);
  auto resultType = cast<RankedTensorType>(op.getResultTypes().front());
  Value scale = product.weight.getScale();
  bool isGrouped = scale && cast<RankedTensorType>(scale.getType()).getRank() == 2;
  Value groups = isGrouped ? toF32(rewriter, loc, scale) : Value();
  Type accType = rewriter.getF32Type();
  if (product.activation && !groups)
    accType = rewriter.getI32Type();
  SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, op.getDpsInitOperand(0)->get());
  Value acc = tensor::EmptyOp::create(rewriter, loc, sizes, accType);
  auto matmul =
      MatmulOp::create(rewriter, loc, acc.getType(), x, product.weight.getTrits(), groups, acc, EncodingAttr());
  Value result = matmul.getResult(0);
  if (isa<FloatType>(resultType.getElementType())) {
    auto floatType = cast<RankedTensorType>(acc.getType()).clone(rewriter.getF32Type());
    if (accType.isInteger())
      result = arith::SIToFPOp::create(rewriter, loc, floatType, result);
    result = scaleResult(product, result, sizes, levels);
    if (!resultType.getElementType().isF32())
      result = arith::TruncFOp::create(rewriter, loc, floatType.clone(resultType.getElementType()), result);
  }
  if (result.getType() != resultType)
    result = tensor::CastOp::create(rewriter, loc, resultType, result);
  Value init = op.getDpsInitOperand(0)->get();
  auto fill = init.getDefiningOp<linalg::FillOp>();
  bool isZero = getSplat(init) == 0.0 || (fill && matchPattern(fill.getInputs().front(), m_Zero())) ||
                matchPattern(init, m_Zero());
  if (!isZero)
    result = isa<FloatType>(resultType.getElementType()) ? Value(arith::AddFOp::create(rewriter, loc, result, init))
                                                         : Value(arith::AddIOp::create(rewriter, loc, result, init));
  return {result, user ? user : levels.size() > 1 ? levels[1].getDefiningOp() : matmul.getOperation()};
}

/// Lets the graph derive its scales from the quantizer's c, so that the reduction is not computed twice.
void Raiser::replaceAbsMax(const Quantizer &quantizer, QuantizeOp op) {
  Value old = quantizer.absmax.value;
  rewriter.setInsertionPointAfter(op);
  View c{op.getResult(1), {}};
  if (!quantizer.perTensor) {
    c.dims = View::root(op.getX()).dims; // the op's own operand: the quantizer's may be a product that is gone
    c.dims.pop_back();
  }
  Value value =
      reshapeView(rewriter, op.getLoc(), c, quantizer.absmax.dims, getSizes(rewriter, op.getLoc(), op.getResult(0)));
  rewriter.replaceUsesWithIf(old, value,
                             [&](OpOperand &use) { return dominance.properlyDominates(op, use.getOwner()); });
}

namespace {
struct RaiseBitLinear : setun::impl::RaiseBitLinearBase<RaiseBitLinear> {
  using Base::Base;

  void runOnOperation() override {
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!isProof(func))
        raise(func);
  }

  void raise(func::FuncOp func) {
    std::vector<Product> products;
    func.walk([&](linalg::MatmulOp op) {
      auto weight = op.getDpsInputOperand(1)->get().getDefiningOp<DequantizeOp>();
      if (!weight)
        return;
      std::string reason;
      Product product{op, weight, {}};
      if (StringRef why = whyNot(product); !why.empty()) {
        op.emitRemark("stays dense: ") << why;
        return;
      }
      product.activation = matchActivation(op.getDpsInputOperand(0)->get(), reason);
      if (product.activation && !product.activation->scales.empty() &&
          !llvm::all_of(product.activation->reshapes, keepsLastDim)) {
        product.activation.reset();
        reason = "a reshape between the quantizer and the product mixes tokens";
      }
      if (!product.activation)
        op.emitRemark("takes its activations as floats: ") << reason;
      products.push_back(product);
    });
    Raiser raiser(func);
    SmallVector<Proof> proofs;
    if (keepProofs)
      for (Product &product : products)
        proofs.emplace_back(product.op.getResult(0), getInput(product));
    SmallVector<Raised> raised;
    for (Product &product : products)
      raised.push_back(raiser.raise(product));
    for (auto [product, now] : llvm::zip_equal(products, raised))
      raiser.rewriter.replaceOp(product.op, now.result);
    for (auto &[quantizer, op] : raiser.quantizers)
      raiser.replaceAbsMax(quantizer, op);
    for (auto [proof, now] : llvm::zip(proofs, raised))
      proof.finish(now.result, now.user->getOperand(0), "bit_linear");
    (void)runRegionDCE(raiser.rewriter, func.getBody());
  }

  /// The value from which a proof computes the product, in both forms.
  static Value getInput(Product &product) {
    if (!product.activation)
      return product.op.getDpsInputOperand(0)->get();
    const auto &quantizer = product.activation->quantizer;
    return quantizer ? quantizer->x : product.activation->integers;
  }
};
} // namespace
