//===- BuildDecoder.cpp - Decoder-only models in the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The entry function around the layers: inputs, positions, states, and the rows whose logits are asked for.

#include "Writer.h"

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace setun::decoder;

static std::string cacheName(StringRef prefix, size_t layer, bool isKey) {
  return (prefix + "." + Twine(layer) + (isKey ? ".key" : ".value")).str();
}

void Writer::makeEntry() {
  MLIRContext *context = module.getContext();
  AffineExpr s = getAffineSymbolExpr(0, context), l = getAffineSymbolExpr(1, context),
             p = getAffineSymbolExpr(2, context);
  auto number = [&](int64_t value) { return getAffineConstantExpr(value, context); };
  entry = func::FuncOp::create(b, "main", b.getFunctionType({}, {}));
  symbols.insert(entry);
  entry->setAttr("setun.entry", b.getUnitAttr());
  Block *body = entry.addEntryBlock();
  SmallVector<DictionaryAttr> attributes;
  auto add = [&](StringRef name, RankedTensorType type, ArrayRef<AffineExpr> shape) {
    body->addArgument(type, NameLoc::get(b.getStringAttr(name)));
    attributes.push_back(
        b.getDictionaryAttr({b.getNamedAttr("setun.name", b.getStringAttr(name)),
                             b.getNamedAttr("setun.shape", AffineMapAttr::get(AffineMap::get(0, 3, shape, context)))}));
  };
  constexpr int64_t any = ShapedType::kDynamic;
  add("input_ids", RankedTensorType::get({batch, any}, b.getI64Type()), {number(batch), s});
  add("logits_to_keep", RankedTensorType::get({any}, b.getI64Type()), {l});
  for (auto [index, layer] : llvm::enumerate(model.layers)) {
    int64_t count = layer.attention.keyHeads, size = layer.attention.headSize;
    for (bool isKey : {true, false}) {
      add(cacheName("past_key_values", index, isKey), RankedTensorType::get({batch, count, any, size}, b.getF32Type()),
          {number(batch), number(count), p, number(size)});
      NamedAttrList state(attributes.back());
      state.set("setun.state", b.getStringAttr(cacheName("present", index, isKey)));
      state.set("setun.axis", b.getI64IntegerAttr(2));
      attributes.back() = state.getDictionary(context);
    }
  }
  for (auto [name, symbol] :
       {std::pair("sequence", &sequence), std::pair("logits", &logits), std::pair("past", &past)}) {
    *symbol = body->addArgument(b.getIndexType(), b.getLoc());
    attributes.push_back(b.getDictionaryAttr(b.getNamedAttr("setun.symbol", b.getStringAttr(name))));
  }
  entry.setFunctionType(b.getFunctionType(body->getArgumentTypes(), {}));
  entry.setAllArgAttrs(attributes);
  b.setInsertionPointToEnd(body);
  setLength(sequence);
}

void Writer::finishEntry(Value result) {
  MLIRContext *context = module.getContext();
  AffineExpr s = getAffineSymbolExpr(0, context), l = getAffineSymbolExpr(1, context),
             p = getAffineSymbolExpr(2, context);
  auto number = [&](int64_t value) { return getAffineConstantExpr(value, context); };
  SmallVector<DictionaryAttr> attributes;
  auto add = [&](StringRef name, ArrayRef<AffineExpr> shape) {
    attributes.push_back(
        b.getDictionaryAttr({b.getNamedAttr("setun.name", b.getStringAttr(name)),
                             b.getNamedAttr("setun.shape", AffineMapAttr::get(AffineMap::get(0, 3, shape, context)))}));
  };
  SmallVector<Value> results = {result};
  add("logits", {number(batch), l, number(model.vocabulary)});
  for (auto [index, layer] : llvm::enumerate(model.layers))
    for (bool isKey : {true, false})
      add(cacheName("present", index, isKey),
          {number(batch), number(layer.attention.keyHeads), s + p, number(layer.attention.headSize)});
  llvm::append_range(results, states);
  func::ReturnOp::create(b, results);
  entry.setFunctionType(b.getFunctionType(entry.getArgumentTypes(), ValueRange(results).getTypes()));
  entry.setAllResultAttrs(attributes);
}

void Writer::setLength(Value symbol) {
  length = symbol;
  rows = batch == 1 ? symbol
                    : affine::AffineApplyOp::create(b, AffineMap::get(0, 1, b.getAffineSymbolExpr(0) * batch), symbol)
                          .getResult();
}

/// past + i for each position, [1, sequence]: all sequences stand at one.
Value Writer::makePositions() {
  Value init = tensor::EmptyOp::create(b, ShapedType::kDynamic, b.getI64Type(), length);
  Value flat = linalg::GenericOp::create(b, init.getType(), ValueRange(), init, b.getMultiDimIdentityMap(1),
                                         utils::IteratorType::parallel,
                                         [&](OpBuilder &ob, Location loc, ValueRange) {
                                           Value row = linalg::IndexOp::create(ob, loc, 0);
                                           Value position = arith::AddIOp::create(ob, loc, row, past);
                                           position = arith::IndexCastOp::create(ob, loc, ob.getI64Type(), position);
                                           linalg::YieldOp::create(ob, loc, position);
                                         })
                   .getResult(0);
  auto type = RankedTensorType::get({1, ShapedType::kDynamic}, b.getI64Type());
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), length};
  return tensor::ExpandShapeOp::create(b, type, flat, ArrayRef<ReassociationIndices>{{0, 1}}, sizes);
}

/// The rows of the tables at this run's positions. Past their end the run fails, which `nn.embedding` sees to.
void Writer::makeRotaryTables(int64_t tablePositions) {
  At at(*this, "rotary_emb");
  int64_t half = model.rope->dimension / 2;
  RopeTables tables = makeRopeTables(*model.rope, tablePositions);
  Value positions = makePositions();
  cosines = gather(positions, makeTable("rotary_emb.cos", tablePositions, half, tables.cos));
  sines = gather(positions, makeTable("rotary_emb.sin", tablePositions, half, tables.sin));
}

/// The rows that logits_to_keep asks for: of each sequence these positions. One that a sequence has not becomes a row
/// that there is not, so that the gather makes the run fail; else it would be a row of another sequence.
Value Writer::makeKeptRows() {
  Value kept = entry.getArgument(1);
  if (batch == 1)
    return kept;
  auto type = RankedTensorType::get({batch, ShapedType::kDynamic}, b.getI64Type());
  Value init = tensor::EmptyOp::create(b, type.getShape(), type.getElementType(), logits);
  AffineMap identity = b.getMultiDimIdentityMap(2);
  Value all =
      linalg::GenericOp::create(
          b, type, kept, init, ArrayRef<AffineMap>{identity.dropResult(0), identity},
          SmallVector<utils::IteratorType>(2, utils::IteratorType::parallel),
          [&](OpBuilder &ob, Location loc, ValueRange values) {
            auto number = [&](Value index) -> Value {
              return arith::IndexCastOp::create(ob, loc, ob.getI64Type(), index);
            };
            Value zero = arith::ConstantOp::create(ob, loc, ob.getI64IntegerAttr(0));
            Value size = number(sequence), which = number(linalg::IndexOp::create(ob, loc, 0));
            auto less = [&](Value left, Value right) -> Value {
              return arith::CmpIOp::create(ob, loc, arith::CmpIPredicate::slt, left, right);
            };
            Value fromEnd = arith::AddIOp::create(ob, loc, values[0], size);
            Value at = arith::SelectOp::create(ob, loc, less(values[0], zero), fromEnd, values[0]);
            Value inside = arith::CmpIOp::create(ob, loc, arith::CmpIPredicate::ult, at, size);
            at = arith::AddIOp::create(ob, loc, arith::MulIOp::create(ob, loc, which, size), at);
            linalg::YieldOp::create(ob, loc, arith::SelectOp::create(ob, loc, inside, at, number(rows)).getResult());
          })
          .getResult(0);
  return tensor::CollapseShapeOp::create(b, all, ArrayRef<ReassociationIndices>{{0, 1}});
}

void Writer::write(int64_t tablePositions) {
  makeEntry();
  if (llvm::any_of(model.layers, [](const Layer &layer) { return layer.attention.rotary; }))
    makeRotaryTables(tablePositions);
  Value x;
  {
    At at(*this, "embed_tokens");
    Value ids =
        tensor::CollapseShapeOp::create(b, entry.getArgument(0), ArrayRef<ReassociationIndices>{{0, 1}}).getResult();
    x = gather(ids, load(model.embedding));
    auto type = rowsOf(model.hidden);
    if (x.getType() != type)
      x = arith::ExtFOp::create(b, type, x);
    if (model.embeddingScale != 1)
      x = arith::MulFOp::create(b, x, splat(type, model.embeddingScale));
  }
  for (auto [index, layer] : llvm::enumerate(model.layers)) {
    Value part = norm(attention(norm(x, layer.beforeAttention), layer.attention, index), layer.postAttention);
    {
      At at(*this, layer.attention.name);
      x = arith::AddFOp::create(b, x, part);
    }
    part = norm(mlp(norm(x, layer.beforeMlp), layer.mlp), layer.postMlp);
    At at(*this, layer.mlp.name);
    x = arith::AddFOp::create(b, x, part);
  }
  {
    At at(*this, "logits_to_keep");
    Value kept = makeKeptRows();
    setLength(logits);
    x = gather(kept, x);
  }
  x = linear(norm(x, model.norm), model.head);
  At at(*this, model.head.name);
  x = softcap(x, model.logitSoftcap);
  auto type = RankedTensorType::get({batch, ShapedType::kDynamic, model.vocabulary}, b.getF32Type());
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(batch), length, b.getIndexAttr(model.vocabulary)};
  finishEntry(tensor::ExpandShapeOp::create(b, type, x, ArrayRef<ReassociationIndices>{{0, 1}, {2}}, sizes));
}

OwningOpRef<ModuleOp> setun::decoder::buildDecoder(const Model &model, const Options &options, Location location) {
  if (failed(verifyModel(model, options, location)))
    return nullptr;
  MLIRContext *context = location.getContext();
  context->loadDialect<affine::AffineDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                       math::MathDialect, ml_program::MLProgramDialect, nn::NNDialect, scf::SCFDialect,
                       tensor::TensorDialect, ternary::TernaryDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(location);
  Writer(*module, model, options.batch).write(std::max(model.positions, options.context));
  if (failed(mlir::verify(*module)))
    return nullptr;
  return module;
}

void setun::decoder::registerDecoderDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                  math::MathDialect, ml_program::MLProgramDialect, nn::NNDialect, scf::SCFDialect,
                  tensor::TensorDialect, ternary::TernaryDialect>();
}
