//===- FoldWeights.cpp - Weights of products to trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Weights are recognised by value: whatever a graph does to its parameters is done here, once, and the result is looked
// at. No list of weight quantizers to keep.

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Proof.h"
#include "setun/Evaluate/ConstantSlice.h"
#include "setun/Evaluate/MatrixProducts.h"
#include "setun/Evaluate/ParameterBuilder.h"
#include "setun/Evaluate/Passes.h"
#include "setun/Evaluate/TernaryTest.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace setun;

namespace setun {
#define GEN_PASS_DEF_FOLDWEIGHTS
#include "setun/Evaluate/Passes.h.inc"
} // namespace setun

static std::optional<ElementKind> getKind(Type type) {
  if (type.isF32())
    return ElementKind::F32;
  if (type.isF16())
    return ElementKind::F16;
  if (type.isBF16())
    return ElementKind::BF16;
  if (type.isF64())
    return ElementKind::F64;
  if (type.isInteger(8))
    return ElementKind::I8;
  return std::nullopt;
}

namespace {

/// A product whose weight is constant. `weight` is the operand without transposes; `isNK` tells its layout. `leaf` is
/// the parameter or constant that holds the weight's bytes as they are, if nothing is computed.
struct Product {
  linalg::MatmulOp op;
  Value weight;
  bool isNK;
  Operation *leaf;

  static std::optional<Product> match(linalg::MatmulOp op, const ConstantValues &constants);
  /// Makes `value` the weight; it is [N, K] or [K, N].
  void setWeight(Value value, bool isNK);
  RankedTensorType getType() const { return cast<RankedTensorType>(weight.getType()); }
};

/// What became of a weight, for the next product that has the same.
struct Folded {
  ml_program::GlobalOp trits;
  DenseElementsAttr smallScale;
  ml_program::GlobalOp largeScale;
  /// Of a weight that was computed and is not ternary.
  Value dense;
  std::string reason;
};

class WeightFolder {
public:
  explicit WeightFolder(ModuleOp module);
  LogicalResult run();

private:
  LogicalResult fold(Product &product);
  LogicalResult computeFolded(Product &product, ConstantSlice *slice, Folded &folded);
  void keepTernary(Product &product, TernaryWeight &&weight, StringRef name, Folded &folded);
  void replace(Product &product, const Folded &folded);

  ModuleOp module;
  MLIRContext *context;
  ParameterBuilder parameters;
  Evaluator evaluator;
  llvm::StringMap<Folded> done;
  llvm::StringSet<> embeddings;
};

struct FoldWeights : setun::impl::FoldWeightsBase<FoldWeights> {
  void runOnOperation() override {
    if (failed(WeightFolder(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace

std::optional<Product> Product::match(linalg::MatmulOp op, const ConstantValues &constants) {
  Value weight = op.getInputs()[1];
  if (!constants.contains(weight) || constants.contains(op.getInputs()[0]) || !op.hasPureTensorSemantics())
    return std::nullopt;
  MLIRContext *context = op.getContext();
  AffineExpr n = getAffineDimExpr(1, context), k = getAffineDimExpr(2, context);
  AffineMap map = op.getIndexingMapsArray()[1];
  bool isNK = map == AffineMap::get(3, 0, {n, k}, context);
  if (!isNK && map != AffineMap::get(3, 0, {k, n}, context))
    return std::nullopt;
  while (auto transpose = weight.getDefiningOp<linalg::TransposeOp>()) {
    isNK ^= transpose.getPermutation() == ArrayRef<int64_t>{1, 0};
    weight = transpose.getInput();
  }
  Operation *source = weight.getDefiningOp();
  while (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(source))
    source = source->getOperand(0).getDefiningOp();
  return Product{op, weight, isNK, isa<ml_program::GlobalLoadConstOp, arith::ConstantOp>(source) ? source : nullptr};
}

void Product::setWeight(Value value, bool isNK) {
  MLIRContext *context = op.getContext();
  AffineExpr n = getAffineDimExpr(1, context), k = getAffineDimExpr(2, context);
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  maps[1] = AffineMap::get(3, 0, isNK ? ArrayRef{n, k} : ArrayRef{k, n}, context);
  op->setOperand(1, value);
  op.setIndexingMapsAttr(Builder(context).getAffineMapArrayAttr(maps));
}

static ml_program::GlobalLoadConstOp getLoad(Operation *op) { return dyn_cast<ml_program::GlobalLoadConstOp>(op); }

/// The largest parameter behind a weight gives its name, unless an exporter made it up (`val_123`): then the node does.
static std::string chooseName(Product &product, ArrayRef<Operation *> leaves) {
  StringRef name, path = getSourceName(product.op.getLoc());
  int64_t largest = 0;
  for (Operation *leaf : leaves) {
    auto type = cast<RankedTensorType>(leaf->getResult(0).getType());
    if (auto load = getLoad(leaf); load && type.getNumElements() > largest) {
      name = load.getGlobal().getLeafReference();
      largest = type.getNumElements();
    }
  }
  bool isMadeUp = name.empty() || name.starts_with("val_") || name.contains("::");
  if (isMadeUp && !path.empty())
    return (path + ".weight").str();
  return name.empty() ? "weight" : name.str();
}

static std::string describe(const NotTernary &why, Product &product, ElementKind kind) {
  std::string text;
  llvm::raw_string_ostream os(text);
  int64_t first = product.isNK ? why.row : why.col, second = product.isNK ? why.col : why.row;
  os << "w[" << first << "," << second << "] = " << llvm::format("%.6g", why.value) << " is none of "
     << llvm::format("%.6g, 0, %.6g", -why.scale, why.scale);
  return text;
}

void WeightFolder::keepTernary(Product &product, TernaryWeight &&weight, StringRef name, Folded &folded) {
  RankedTensorType type = product.getType();
  Location loc = product.op.getLoc();
  Builder builder(context);
  int64_t rows = type.getDimSize(product.isNK ? 0 : 1), cols = type.getDimSize(product.isNK ? 1 : 0);
  auto tritType = RankedTensorType::get({rows, cols}, ternary::TritType::get(context));
  auto byteType = RankedTensorType::get({static_cast<int64_t>(weight.packed.size())}, builder.getI8Type());
  ArrayRef<char> bytes(reinterpret_cast<const char *>(weight.packed.data()), weight.packed.size());
  auto value = ternary::TritsAttr::get(context, ternary::EncodingAttr::getCanonical(context),
                                       parameters.makeResource(name, byteType, bytes));
  folded.trits = parameters.add(name, loc, tritType, value);
  folded.trits->setAttr("setun.zeros", builder.getF64FloatAttr(weight.zeros));
  folded.trits->setAttr("setun.deviation", builder.getF64FloatAttr(weight.deviation));
  folded.trits->setAttr("setun.source", builder.getStringAttr(getSourceName(loc)));
  if (!weight.scales.empty()) {
    auto [least, largest] = std::minmax_element(weight.scales.begin(), weight.scales.end());
    folded.trits->setAttr("setun.scale_count", builder.getI64IntegerAttr(weight.scales.size()));
    folded.trits->setAttr("setun.scale_range", builder.getDenseF64ArrayAttr({*least, *largest}));
  }

  int64_t scales = weight.scales.size();
  std::string kind = scales == 1          ? "one scale"
                     : weight.groups == 1 ? "a scale a row"
                                          : "a scale a group of " + std::to_string(cols / weight.groups);
  if (!type.getElementType().isInteger()) {
    auto element = cast<FloatType>(type.getElementType());
    SmallVector<APFloat> values;
    for (double scale : weight.scales) {
      bool losesInfo;
      values.emplace_back(scale);
      values.back().convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    }
    auto shape = weight.groups == 1 ? SmallVector<int64_t>{scales} : SmallVector<int64_t>{rows, weight.groups};
    auto dense = DenseElementsAttr::get(RankedTensorType::get(shape, element), values);
    if (scales <= 64 || dense.isSplat()) {
      folded.smallScale = dense;
    } else {
      std::string scaleName = (name + ".scale").str();
      auto resource = parameters.makeResource(scaleName, dense.getType(), dense.getRawData());
      folded.largeScale = parameters.add(scaleName, loc, dense.getType(), resource);
    }
  } else {
    kind = "plain numbers";
  }
  emitRemark(loc) << "ternary weight '" << name << "', " << rows << " x " << cols << ": "
                  << llvm::formatv("{0:f1} % zeros, ", 100 * weight.zeros).str() << kind
                  << llvm::formatv(", largest deviation {0:e1}", weight.deviation).str();
}

LogicalResult WeightFolder::computeFolded(Product &product, ConstantSlice *slice, Folded &folded) {
  RankedTensorType type = product.getType();
  Type element = type.getElementType();
  std::optional<ElementKind> kind = getKind(element);
  std::unique_ptr<llvm::WritableMemoryBuffer> computed;
  ParameterBytes plain;
  ArrayRef<char> bytes;
  if (slice) {
    auto result = slice->evaluate(evaluator);
    if (!result) {
      folded.reason = "it cannot be evaluated: " + llvm::toString(result.takeError());
      return success();
    }
    computed = std::move(*result);
    bytes = ArrayRef<char>(computed->getBufferStart(), computed->getBufferSize());
  } else {
    FailureOr<ParameterBytes> opened = openLeaf(product.leaf);
    if (failed(opened))
      return failure();
    plain = std::move(*opened);
    bytes = plain.get();
  }
  std::string name =
      chooseName(product, slice ? ArrayRef<Operation *>(slice->leaves) : ArrayRef<Operation *>(product.leaf));
  int64_t width = llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  if (static_cast<int64_t>(bytes.size()) < type.getNumElements() * width)
    return emitError(product.weight.getLoc()) << "the data of the weight is too short for " << type;

  if (kind) {
    int64_t d0 = type.getDimSize(0), d1 = type.getDimSize(1);
    WeightView view =
        product.isNK ? WeightView{bytes.data(), *kind, d0, d1, d1, 1} : WeightView{bytes.data(), *kind, d1, d0, 1, d1};
    auto narrowest = slice && slice->narrowest ? getKind(slice->narrowest) : kind;
    auto verdict = testTernary(view, *kind == ElementKind::I8 ? 0 : getTernaryTolerance(narrowest.value_or(*kind)));
    if (auto *weight = std::get_if<TernaryWeight>(&verdict)) {
      keepTernary(product, std::move(*weight), name, folded);
      return success();
    }
    folded.reason = describe(std::get<NotTernary>(verdict), product, *kind);
  } else {
    llvm::raw_string_ostream(folded.reason) << "weights of type " << element << " are not looked at";
  }
  if (slice) { // do not compute it again at run time
    OpBuilder builder(&product.op->getBlock()->front());
    folded.dense = parameters.makeConstant(builder, product.op.getLoc(), name, type, bytes);
  }
  return success();
}

void WeightFolder::replace(Product &product, const Folded &folded) {
  OpBuilder builder(product.op);
  Location loc = product.op.getLoc();
  if (!folded.trits) {
    product.op->setAttr("setun.reason", StringAttr::get(context, folded.reason));
    emitRemark(product.op.getLoc()) << "this product stays dense: " << folded.reason;
    product.setWeight(folded.dense ? folded.dense : product.weight, product.isNK);
    return;
  }
  Value scale;
  if (folded.smallScale)
    scale = arith::ConstantOp::create(builder, loc, folded.smallScale);
  else if (folded.largeScale)
    scale = ParameterBuilder::load(builder, loc, folded.largeScale);
  Value trits = ParameterBuilder::load(builder, loc, folded.trits);
  auto type = cast<RankedTensorType>(trits.getType()).clone(product.getType().getElementType());
  product.setWeight(ternary::DequantizeOp::create(builder, loc, type, trits, scale), /*isNK=*/true);
}

LogicalResult WeightFolder::fold(Product &product) {
  std::string key;
  std::optional<ConstantSlice> slice;
  if (auto load = dyn_cast_if_present<ml_program::GlobalLoadConstOp>(product.leaf)) {
    if (embeddings.contains(load.getGlobal().getLeafReference())) {
      product.setWeight(product.weight, product.isNK); // one table for both uses
      return success();
    }
    key = load.getGlobal().getLeafReference().str();
  } else if (auto constant = dyn_cast_if_present<arith::ConstantOp>(product.leaf)) {
    llvm::raw_string_ostream(key) << constant.getValue().getAsOpaquePointer();
  } else {
    slice = ConstantSlice::cut(product.weight);
    key = slice->getKey();
  }
  llvm::raw_string_ostream(key) << (product.isNK ? " nk " : " kn ") << product.getType();
  auto [entry, isNew] = done.try_emplace(key);
  if (isNew && failed(computeFolded(product, slice ? &*slice : nullptr, entry->second)))
    return failure();
  replace(product, entry->second);
  return success();
}

WeightFolder::WeightFolder(ModuleOp module) : module(module), context(module.getContext()), parameters(module) {
  module.walk([&](nn::EmbeddingOp embedding) {
    if (auto load = embedding.getTable().getDefiningOp<ml_program::GlobalLoadConstOp>())
      embeddings.insert(load.getGlobal().getLeafReference());
  });
}

LogicalResult WeightFolder::run() {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (isProof(function))
      continue;
    done.clear(); // a dense weight is a value of its function
    makeMatrixProducts(function, ConstantValues(function));
    ConstantValues constants(function);
    SmallVector<Product> products;
    for (Block &block : function.getBody())
      for (auto matmul : block.getOps<linalg::MatmulOp>())
        if (auto product = Product::match(matmul, constants))
          products.push_back(*product);
    for (Product &product : products)
      if (failed(fold(product)))
        return failure();
  }
  parameters.finish();
  return success();
}
