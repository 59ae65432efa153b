//===- ProofSlice.cpp - One side of a proof, ready to run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/ProofSlice.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Evaluate/ConstantSlice.h"
#include "setun/Evaluate/SampleInputs.h"
#include "setun/Target/Registry.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace setun;

namespace {

class SliceBuilder {
public:
  SliceBuilder(func::FuncOp from, func::FuncOp original, const SampleSizes &sizes);
  llvm::Error build();

  ProofSlice slice;

private:
  void buildEntry();
  Value addParameter(RankedTensorType type, std::vector<char> bytes);
  llvm::Error clone(Operation &op);
  llvm::Error cloneProduct(ternary::MatmulOp product, ml_program::GlobalLoadConstOp weight);
  llvm::Expected<std::vector<char>> dequantize(ternary::DequantizeOp op);

  func::FuncOp from, original;
  const SampleSizes &sizes;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  Block *body;
  OpBuilder builder;
  IRMapping mapping;
};

} // namespace

static llvm::Expected<std::vector<char>> readLeaf(Value value) {
  Operation *op = value.getDefiningOp();
  if (op && isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
    if (FailureOr<ParameterBytes> bytes = openLeaf(op); succeeded(bytes))
      return std::vector<char>(bytes->get().begin(), bytes->get().end());
  return llvm::createStringError("a constant of the proof cannot be read");
}

/// The trits behind a load, one a byte.
static llvm::Expected<std::vector<int8_t>> readTrits(Value value) {
  auto load = value.getDefiningOp<ml_program::GlobalLoadConstOp>();
  auto global = load ? SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobalAttr()) : nullptr;
  auto attr = global ? dyn_cast_if_present<ternary::TritsAttr>(global.getValueAttr()) : ternary::TritsAttr();
  if (!attr)
    return llvm::createStringError("a ternary weight of the proof is not a parameter of trits");
  FailureOr<ParameterBytes> bytes = ParameterBytes::open(attr.getBytes(), global.getLoc());
  auto type = cast<RankedTensorType>(value.getType());
  int64_t rows = type.getDimSize(0), cols = type.getDimSize(1);
  if (failed(bytes) || static_cast<int64_t>(bytes->get().size()) != attr.getEncoding().getByteSize(rows, cols))
    return llvm::createStringError("the trits of the proof cannot be read");
  std::vector<int8_t> trits(rows * cols);
  ArrayRef<uint8_t> packed(reinterpret_cast<const uint8_t *>(bytes->get().data()), bytes->get().size());
  unpackTrits(attr.getEncoding().getLayout(), rows, cols, packed, trits);
  return trits;
}

SliceBuilder::SliceBuilder(func::FuncOp from, func::FuncOp original, const SampleSizes &sizes)
    : from(from), original(original), sizes(sizes), module(ModuleOp::create(from.getLoc())),
      builder(from.getContext()) {
  slice.result = sizes.getType(original.getBody().front().getTerminator()->getOperand(0));
  builder.setInsertionPointToStart(module->getBody());
  function = func::FuncOp::create(builder, from.getLoc(), "body", from.getFunctionType());
  function.setPrivate();
  body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
}

Value SliceBuilder::addParameter(RankedTensorType type, std::vector<char> bytes) {
  slice.parameters.push_back(std::move(bytes));
  return body->addArgument(type, from.getLoc());
}

llvm::Expected<std::vector<char>> SliceBuilder::dequantize(ternary::DequantizeOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  Type element = type.getElementType();
  auto trits = readTrits(op.getTrits());
  if (!trits)
    return trits.takeError();
  std::vector<char> scales;
  int64_t width = getElementBytes(element), cols = type.getDimSize(1), perRow = 0, group = cols;
  if (op.getScale()) {
    auto bytes = readLeaf(op.getScale());
    if (!bytes)
      return bytes.takeError();
    scales = std::move(*bytes);
    auto scaleType = cast<RankedTensorType>(op.getScale().getType());
    perRow = scaleType.getNumElements() == 1 ? 0 : scaleType.getRank() == 1 ? 1 : scaleType.getDimSize(1);
    group = perRow ? cols / perRow : cols;
  }
  std::vector<char> dense(trits->size() * width);
  for (auto [i, trit] : llvm::enumerate(*trits)) {
    int64_t row = static_cast<int64_t>(i) / cols, col = static_cast<int64_t>(i) % cols;
    double scale =
        scales.empty() ? 1 : loadElement(element, scales.data() + (row * perRow + (perRow ? col / group : 0)) * width);
    storeElement(element, trit * scale, dense.data() + i * width);
  }
  return dense;
}

llvm::Error SliceBuilder::cloneProduct(ternary::MatmulOp product, ml_program::GlobalLoadConstOp weight) {
  auto trits = readTrits(weight);
  if (!trits)
    return trits.takeError();
  auto type = cast<RankedTensorType>(weight.getType());
  std::vector<PackedLayout> layouts = getPlainLevel().getLayouts(ProductShape::of(product));
  if (layouts.empty())
    return llvm::createStringError("the generic target has no layout for a product of the proof");
  const PackedLayout &layout = layouts.front();
  int64_t rows = type.getDimSize(0), cols = type.getDimSize(1);
  std::vector<uint8_t> packed(layout.byteSize(rows, cols));
  packTrits(layout, rows, cols, *trits, packed);
  auto byteType = RankedTensorType::get({static_cast<int64_t>(packed.size())}, builder.getI8Type());
  IRMapping operands = mapping;
  operands.map(weight.getResult(), addParameter(byteType, std::vector<char>(packed.begin(), packed.end())));
  auto clone = cast<ternary::MatmulOp>(builder.clone(*product, operands));
  clone.setEncodingAttr(ternary::EncodingAttr::get(builder.getContext(), layout.bits, layout.tileRows, layout.tileCols,
                                                   layout.interleave));
  mapping.map(product->getResults(), clone->getResults());
  return llvm::Error::success();
}

llvm::Error SliceBuilder::clone(Operation &op) {
  if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(op)) {
    auto type = cast<RankedTensorType>(load.getType());
    if (isa<ternary::TritType>(type.getElementType()))
      return llvm::Error::success(); // its users read it
    auto bytes = readLeaf(load);
    if (!bytes)
      return bytes.takeError();
    mapping.map(load.getResult(), addParameter(type, std::move(*bytes)));
    return llvm::Error::success();
  }
  if (auto dense = dyn_cast<ternary::DequantizeOp>(op)) {
    auto bytes = dequantize(dense);
    if (!bytes)
      return bytes.takeError();
    mapping.map(dense.getResult(), addParameter(cast<RankedTensorType>(dense.getType()), std::move(*bytes)));
    return llvm::Error::success();
  }
  if (auto product = dyn_cast<ternary::MatmulOp>(op))
    if (auto weight = product.getWeight().getDefiningOp<ml_program::GlobalLoadConstOp>())
      return cloneProduct(product, weight);
  for (Value input : getInputs(&op))
    if (!mapping.contains(input))
      return llvm::createStringError("trits are used by an operation that cannot be evaluated");
  builder.clone(op, mapping);
  return llvm::Error::success();
}

/// The function with fixed sizes around the one whose sizes stay dynamic: so they are lowered as those of the model
/// are, and not folded into every operation.
void SliceBuilder::buildEntry() {
  Location loc = from.getLoc();
  builder.setInsertionPointToEnd(module->getBody());
  auto entry = func::FuncOp::create(builder, loc, "slice", builder.getFunctionType({}, slice.result));
  Block *block = entry.addEntryBlock();
  builder.setInsertionPointToStart(block);
  SmallVector<Value> arguments;
  for (auto [argument, known] : llvm::zip_equal(from.getArguments(), original.getArguments())) {
    if (argument.getType().isIndex()) {
      arguments.push_back(arith::ConstantIndexOp::create(builder, loc, sizes.getIndex(known)));
      continue;
    }
    slice.inputs.push_back(sizes.getType(known));
    Value input = block->addArgument(slice.inputs.back(), loc);
    arguments.push_back(tensor::CastOp::create(builder, loc, argument.getType(), input));
  }
  for (Type type : function.getArgumentTypes().drop_front(from.getNumArguments()))
    arguments.push_back(block->addArgument(type, loc));
  Value result = func::CallOp::create(builder, loc, function, arguments).getResult(0);
  func::ReturnOp::create(builder, loc, Value(tensor::CastOp::create(builder, loc, slice.result, result)));
  entry.setType(builder.getFunctionType(block->getArgumentTypes(), slice.result));
}

llvm::Error SliceBuilder::build() {
  for (Type type : from.getArgumentTypes())
    if (!type.isIndex() && !isa<RankedTensorType>(type))
      return llvm::createStringError("an argument of the proof is neither a tensor nor a size");
  mapping.map(from.getArguments(), body->getArguments());
  for (Operation &op : from.getBody().front().without_terminator())
    if (llvm::Error error = clone(op))
      return error;
  builder.clone(*from.getBody().front().getTerminator(), mapping);
  function.setType(builder.getFunctionType(body->getArgumentTypes(), from.getResultTypes()));
  buildEntry();
  slice.text = Evaluator::print(*module);
  return llvm::Error::success();
}

llvm::Expected<ProofSlice> ProofSlice::make(func::FuncOp function, func::FuncOp original, const SampleSizes &sizes) {
  SliceBuilder made(function, original, sizes);
  if (llvm::Error error = made.build())
    return error;
  return std::move(made.slice);
}
