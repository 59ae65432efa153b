//===- DecomposeQuantizeWeight.cpp - A weight quantizer, written out -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights are recognised by value, so a quantizer that the graph names becomes
// the arithmetic that an exporter would have written, and folding evaluates it
// with the rest.
//
//===----------------------------------------------------------------------===//

#include "TensorBuilder.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Dialect/Utils/Verification.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

namespace setun {
#define GEN_PASS_DEF_DECOMPOSEQUANTIZEWEIGHT
#include "setun/Dialect/Ternary/Transforms/Passes.h.inc"
} // namespace setun

namespace {

struct DecomposeQuantizeWeight : setun::impl::DecomposeQuantizeWeightBase<DecomposeQuantizeWeight> {
  void runOnOperation() override;
};

/// Takes one quantizer apart. What is measured is either the matrix or each of its rows.
class QuantizerDecomposition {
public:
  QuantizerDecomposition(QuantizeWeightOp op, OpBuilder &builder);
  void run();

private:
  Value measureMean(Value magnitudes);
  Value measureMedian(Value magnitudes);
  Value measureMax(Value magnitudes);
  /// A select that keeps `other` in its place, which lets a loop carry it in one buffer.
  Value selectInto(Value condition, Value value, Value other);
  /// How many elements are measured together, as i64.
  Value countElements();
  /// A scalar as a tensor of one element for each measure.
  Value spread(Value scalar) { return b.fill(measured, scalar); }
  Value constant(Type type, int64_t value) { return b.make<arith::ConstantOp>(b.builder.getIntegerAttr(type, value)); }

  QuantizeWeightOp op;
  TensorBuilder b;
  FloatType element;
  SmallVector<OpFoldResult> sizes, measured; // of the weight; of its measures
  SmallVector<int64_t> reduced, kept;
};

} // namespace

QuantizerDecomposition::QuantizerDecomposition(QuantizeWeightOp op, OpBuilder &builder)
    : op(op), b(builder, op.getLoc()), element(cast<FloatType>(elementOf(op.getWeight()))),
      sizes(getSizes(builder, op.getLoc(), op.getWeight())), reduced({0, 1}) {
  if (op.getPerRow()) {
    measured = {sizes[0]};
    reduced = {1};
    kept = {0};
  }
}

Value QuantizerDecomposition::countElements() {
  Value count;
  for (int64_t dim : reduced) {
    Value size = getValueOrCreateConstantIndexOp(b.builder, b.loc, sizes[dim]);
    count = count ? b.make<arith::MulIOp>(count, size) : size;
  }
  return b.make<arith::IndexCastOp>(b.builder.getI64Type(), count);
}

/// The sum of a half-float matrix is taken in f32, as frameworks do: in its own type it would soon overflow.
Value QuantizerDecomposition::measureMean(Value magnitudes) {
  FloatType wide = element.getWidth() < 32 ? FloatType(b.builder.getF32Type()) : element;
  Value sum = b.reduce<arith::AddFOp>(b.convertFloat(magnitudes, wide), b.splat(measured, wide, 0), reduced);
  Value count = b.make<arith::SIToFPOp>(wide, countElements());
  return b.convertFloat(b.make<arith::DivFOp>(sum, spread(count)), element);
}

Value QuantizerDecomposition::measureMax(Value magnitudes) {
  return b.reduce<arith::MaximumFOp>(magnitudes, b.splat(measured, element, 0), reduced);
}

Value QuantizerDecomposition::selectInto(Value condition, Value value, Value other) {
  unsigned rank = measured.size();
  SmallVector<AffineMap> maps(3, b.builder.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  return b.make<linalg::GenericOp>(other.getType(), ValueRange{condition, value}, other, maps, loops,
                                   [](OpBuilder &nested, Location loc, ValueRange args) {
                                     Value selected = arith::SelectOp::create(nested, loc, args[0], args[1], args[2]);
                                     linalg::YieldOp::create(nested, loc, selected);
                                   });
}

/// The lower median without sorting: the bits of magnitudes order as the magnitudes do, so the answer is found bit by
/// bit, from the highest, by counting how many elements are below the prefix with the next bit set.
Value QuantizerDecomposition::measureMedian(Value magnitudes) {
  OpBuilder &builder = b.builder;
  Type bits = builder.getIntegerType(element.getWidth()), i64 = builder.getI64Type();
  Value keys = b.make<arith::BitcastOp>(b.typeOf(magnitudes).clone(bits), magnitudes);
  Value one = constant(i64, 1), two = constant(i64, 2);
  // With `rank` elements below it, and equal ones besides, an element is the lower median.
  Value rank = spread(b.make<arith::DivSIOp>(b.make<arith::SubIOp>(countElements(), one), two));
  Value zeros = b.splat(measured, builder.getI64IntegerAttr(0));
  auto loop = scf::ForOp::create(builder, b.loc, b.make<arith::ConstantIndexOp>(0),
                                 b.make<arith::ConstantIndexOp>(element.getWidth() - 1),
                                 b.make<arith::ConstantIndexOp>(1), b.splat(measured, builder.getIntegerAttr(bits, 0)));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value prefix = loop.getRegionIterArg(0);
  Value place = b.make<arith::SubIOp>(b.make<arith::ConstantIndexOp>(element.getWidth() - 2), loop.getInductionVar());
  Value bit = b.make<arith::ShLIOp>(constant(bits, 1), b.make<arith::IndexCastOp>(bits, place));
  Value candidate = b.make<arith::OrIOp>(prefix, spread(bit));
  Value below = b.make<arith::CmpIOp>(arith::CmpIPredicate::ult, keys, b.broadcast(candidate, sizes, kept));
  Value count = b.reduce<arith::AddIOp>(b.make<arith::ExtUIOp>(b.typeOf(below).clone(i64), below), zeros, reduced);
  Value fits = b.make<arith::CmpIOp>(arith::CmpIPredicate::sle, count, rank);
  scf::YieldOp::create(builder, b.loc, selectInto(fits, candidate, prefix));
  builder.setInsertionPointAfter(loop);
  return b.make<arith::BitcastOp>(b.typeOf(prefix).clone(element), loop.getResult(0));
}

void QuantizerDecomposition::run() {
  OpBuilder &builder = b.builder;
  Value weight = op.getWeight(), magnitudes = b.make<math::AbsFOp>(weight), scale;
  switch (op.getMethod()) {
  case WeightMethod::AbsMean:
    scale = measureMean(magnitudes);
    break;
  case WeightMethod::AbsMedian:
    scale = measureMedian(magnitudes);
    break;
  case WeightMethod::AbsMax:
    scale = measureMax(magnitudes);
    break;
  }
  scale = b.make<arith::MaximumFOp>(scale, b.splat(measured, element, op.getEps().convertToFloat()));
  Value inverse = b.make<arith::DivFOp>(b.splat(measured, element, 1), scale);
  Value value = b.make<arith::MulFOp>(weight, b.broadcast(inverse, sizes, kept));
  value = b.make<math::RoundEvenOp>(value);
  value = b.make<arith::MaximumFOp>(value, b.splat(sizes, element, -1));
  value = b.make<arith::MinimumFOp>(value, b.splat(sizes, element, 1));
  value = b.make<arith::FPToSIOp>(b.typeOf(value).clone(builder.getI8Type()), value);
  Value trits = b.make<FromIntOp>(b.typeOf(value).clone(TritType::get(builder.getContext())), value);
  if (!op.getPerRow()) {
    SmallVector<ReassociationIndices> none;
    scale = b.make<tensor::ExpandShapeOp>(b.typeOf(scale).clone(ArrayRef<int64_t>{1}), scale, none);
  }
  Value results[] = {b.cast(trits, shapeOf(op.getTrits())), b.cast(scale, shapeOf(op.getScale()))};
  op->replaceAllUsesWith(ValueRange(results));
  op->erase();
}

/// A product with trits that are still computed is a plain product with their integers, which folding understands.
static void writeAsPlainProduct(MatmulOp op, FromIntOp trits) {
  OpBuilder builder(op);
  TensorBuilder b(builder, op.getLoc());
  AffineExpr m = builder.getAffineDimExpr(0), n = builder.getAffineDimExpr(1), k = builder.getAffineDimExpr(2);
  AffineMap maps[] = {AffineMap::get(3, 0, {m, k}, builder.getContext()),
                      AffineMap::get(3, 0, {n, k}, builder.getContext()),
                      AffineMap::get(3, 0, {m, n}, builder.getContext())};
  Value weight = trits.getValues();
  if (auto element = dyn_cast<FloatType>(elementOf(op.getX())))
    weight = b.make<arith::SIToFPOp>(b.typeOf(weight).clone(element), weight);
  Value zero =
      b.splat(getSizes(builder, b.loc, op.getAcc()), cast<TypedAttr>(builder.getZeroAttr(elementOf(op.getAcc()))));
  auto product = linalg::MatmulOp::create(builder, b.loc, op.getAcc().getType(), ValueRange{op.getX(), weight}, zero);
  product.setIndexingMapsAttr(builder.getAffineMapArrayAttr(maps));
  op->replaceAllUsesWith(product);
  op->erase();
}

void DecomposeQuantizeWeight::runOnOperation() {
  SmallVector<QuantizeWeightOp> quantizers;
  SmallVector<MatmulOp> products;
  getOperation()->walk([&](QuantizeWeightOp op) { quantizers.push_back(op); });
  getOperation()->walk([&](MatmulOp op) {
    if (op.getWeight().getDefiningOp<QuantizeWeightOp>() && !op.getScales())
      products.push_back(op);
  });
  for (QuantizeWeightOp op : quantizers) {
    OpBuilder builder(op);
    QuantizerDecomposition(op, builder).run();
  }
  for (MatmulOp op : products)
    if (auto trits = op.getWeight().getDefiningOp<FromIntOp>())
      writeAsPlainProduct(op, trits);
}
