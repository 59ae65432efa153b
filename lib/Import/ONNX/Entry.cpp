//===- Entry.cpp - Inputs, symbols and results of the entry function -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;
using namespace setun_onnx;

Value Importer::symbolValue(unsigned symbol) {
  Value &argument = symbolArguments[symbol];
  if (!argument) {
    symbols.push_back(symbol);
    argument = entry.getBody().front().addArgument(builder.getIndexType(), builder.getUnknownLoc());
  }
  return argument;
}

Location Importer::location(const NodeProto &proto, Scope &scope) {
  StringRef name = currentPath;
  if (name.empty())
    name = proto.name();
  if (name.empty() && proto.output_size())
    name = proto.output(0);
  if (name.empty())
    name = proto.op_type();
  return NameLoc::get(builder.getStringAttr(name));
}

/// The sizes of an input as bare symbols and numbers. A size that the file gives as an expression in other inputs'
/// sizes is a symbol of its own here, which is known to equal the expression.
static bool declareShape(const ValueInfoProto &info, Sizes &sizes, Shape &shape) {
  int axis = 0;
  for (const auto &dim : info.type().tensor_type().shape().dim()) {
    int64_t number = dim.dim_value();
    if (dim.has_dim_value() && number < 0)
      return false;
    std::string name = dim.dim_param();
    if (dim.has_dim_value() || (!name.empty() && !StringRef(name).getAsInteger(10, number) && number >= 0))
      shape.push_back(sizes.constant(number));
    else
      shape.push_back(sizes.symbol(name.empty() ? info.name() + "_" + std::to_string(axis) : name));
    ++axis;
  }
  return true;
}

LogicalResult Importer::readInputs(Scope &scope) {
  entry = func::FuncOp::create(builder.getUnknownLoc(), "main", builder.getFunctionType({}, {}));
  module->push_back(entry);
  globals.insert("main");
  entry.addEntryBlock();
  builder.setInsertionPointToEnd(&entry.getBody().front());
  emitter->b.setInsertionPointToEnd(&entry.getBody().front());
  llvm::StringSet<> names;
  for (const ValueInfoProto &info : model.graph().input()) {
    if (!names.insert(info.name()).second)
      return fail("input '" + info.name() + "' is defined twice");
    if (!scope.initializers.count(info.name()) && failed(addInput(info, scope)))
      return failure();
  }
  // An expression in symbols that other inputs bind says how its own symbol follows from them.
  llvm::StringSet<> bound;
  for (Input &input : inputs)
    for (AffineExpr size : input.declared)
      if (auto symbol = dyn_cast<AffineSymbolExpr>(size))
        bound.insert(sizes.name(symbol.getPosition()));
  for (Input &input : inputs)
    for (AffineExpr size : input.declared) {
      auto symbol = dyn_cast<AffineSymbolExpr>(size);
      if (!symbol)
        continue;
      std::string name = sizes.name(symbol.getPosition()).str();
      AffineExpr expr = parseSize(name, sizes);
      if (!expr || expr == size || isa<AffineSymbolExpr>(sizes.canonical(expr)))
        continue;
      bool known = true;
      expr.walk([&](AffineExpr part) {
        if (auto inner = dyn_cast<AffineSymbolExpr>(part))
          known &= bound.contains(sizes.name(inner.getPosition()));
      });
      if (known)
        sizes.unify(size, expr);
    }

  Block &block = entry.getBody().front();
  for (Input &input : inputs)
    input.tensor.value =
        block.addArgument(emitter->type(input.tensor), NameLoc::get(builder.getStringAttr(input.name)));
  // Every symbol that an input binds is an argument, in the order of the inputs.
  for (Input &input : inputs)
    for (AffineExpr size : input.declared)
      if (auto symbol = dyn_cast<AffineSymbolExpr>(size)) {
        AffineExpr known = sizes.canonical(size);
        if (auto other = dyn_cast<AffineSymbolExpr>(known))
          symbolValue(other.getPosition());
        else if (!constantOf(known))
          symbolValue(symbol.getPosition());
      }
  for (auto [index, input] : llvm::enumerate(inputs)) {
    Tensor t = input.tensor;
    for (AffineExpr &size : t.shape)
      size = sizes.canonical(size);
    // Where two expressions say one size, the graph follows the formula; the reads stay inside what came in.
    SmallVector<Value> ends;
    bool formula = false;
    for (AffineExpr size : input.declared) {
      AffineExpr known = sizes.canonical(size);
      bool composite = !constantOf(known) && !isa<AffineSymbolExpr>(known);
      formula |= composite;
      ends.push_back(composite ? symbolValue(cast<AffineSymbolExpr>(size).getPosition()) : emitter->size(size));
    }
    if (formula)
      t.value = emitter->generic(
          {}, {}, t.shape, emitter->elementType(t.dtype), [&](OpBuilder &b, Location loc, ValueRange) -> Value {
            SmallVector<Value> at;
            for (size_t axis = 0; axis < ends.size(); ++axis)
              at.push_back(emitter->clampedIndex(b, loc, linalg::IndexOp::create(b, loc, axis), ends[axis]));
            return tensor::ExtractOp::create(b, loc, input.tensor.value, at);
          });
    scope.values[input.name] = std::make_unique<Tensor>(t);
  }
  return success();
}

LogicalResult Importer::addInput(const ValueInfoProto &info, Scope &scope) {
  auto refuse = [&](const Twine &why) { return fail("input '" + info.name() + "' " + why); };
  if (!info.type().has_tensor_type())
    return refuse("is no tensor");
  const auto &tensorType = info.type().tensor_type();
  if (!tensorType.has_shape())
    return refuse("has no shape");
  Input input;
  input.name = info.name();
  input.dtype = tensorType.elem_type();
  if (!emitter->elementType(input.dtype) || storedBits(input.dtype) < 8)
    return refuse("has element type " + dtypeName(input.dtype) + ", which is not supported");
  if (!declareShape(info, sizes, input.declared))
    return refuse("has a negative size");
  int64_t count = 1;
  for (AffineExpr size : input.declared)
    if (std::optional<int64_t> number = constantOf(size))
      if (llvm::MulOverflow(count, *number, count) || count > (int64_t(1) << 48))
        return refuse("is too large");
  input.tensor.dtype = input.dtype;
  input.tensor.shape = input.declared;
  inputs.push_back(input);
  return success();
}

AffineMapAttr Importer::shapeMap(ArrayRef<AffineExpr> shape) {
  DenseMap<AffineExpr, AffineExpr> renumbered;
  for (auto [index, symbol] : llvm::enumerate(symbols))
    renumbered[getAffineSymbolExpr(symbol, context)] = getAffineSymbolExpr(index, context);
  SmallVector<AffineExpr> exprs;
  for (AffineExpr size : shape)
    exprs.push_back(isa<AffineSymbolExpr>(size) && renumbered.count(size) ? renumbered[size]
                                                                          : sizes.canonical(size).replace(renumbered));
  return AffineMapAttr::get(AffineMap::get(0, symbols.size(), exprs, context));
}

static SmallVector<NamedAttribute> describe(OpBuilder &b, StringRef name, int32_t dtype, AffineMapAttr shape) {
  SmallVector<NamedAttribute> attributes = {b.getNamedAttr("setun.name", b.getStringAttr(name)),
                                            b.getNamedAttr("setun.shape", shape)};
  if (!hiddenDtype(dtype).empty())
    attributes.push_back(b.getNamedAttr("setun.dtype", b.getStringAttr(hiddenDtype(dtype))));
  return attributes;
}

LogicalResult Importer::writeResults(Scope &scope) {
  if (model.graph().output_size() == 0)
    return fail("the graph has no output");
  SmallVector<Tensor *> outputs;
  SmallVector<Value> values;
  llvm::StringSet<> names;
  emitter->b.setLoc(builder.getUnknownLoc());
  for (const ValueInfoProto &output : model.graph().output()) {
    if (!names.insert(output.name()).second)
      return fail("output '" + output.name() + "' is given twice");
    FailureOr<Tensor *> result = lookup(scope, output.name());
    if (failed(result))
      return failure();
    outputs.push_back(*result);
    values.push_back(emitter->value(**result));
  }
  SmallVector<FoundState> states;
  if (failed(findStates(outputs, states)))
    return failure();
  // Sizes in results may need symbols that nothing else asked for.
  for (Tensor *output : outputs)
    for (AffineExpr size : output->shape)
      sizes.canonical(size).walk([&](AffineExpr part) {
        if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
          symbolValue(symbol.getPosition());
      });
  emitter->b.setInsertionPointToEnd(&entry.getBody().front());
  func::ReturnOp::create(emitter->b, values);
  Block &block = entry.getBody().front();
  entry.setFunctionType(builder.getFunctionType(block.getArgumentTypes(), ValueRange(values).getTypes()));
  for (auto [index, input] : llvm::enumerate(inputs)) {
    auto attributes = describe(builder, input.name, input.dtype, shapeMap(input.declared));
    for (const FoundState &state : states)
      if (state.input == int(index)) {
        attributes.push_back(
            builder.getNamedAttr("setun.state", builder.getStringAttr(model.graph().output(state.output).name())));
        if (state.axis >= 0)
          attributes.push_back(builder.getNamedAttr("setun.axis", builder.getI64IntegerAttr(state.axis)));
      }
    entry.setArgAttrs(index, attributes);
  }
  for (auto [index, symbol] : llvm::enumerate(symbols))
    entry.setArgAttr(inputs.size() + index, "setun.symbol", builder.getStringAttr(sizes.name(symbol)));
  for (auto [index, output] : llvm::enumerate(outputs))
    entry.setResultAttrs(index, builder.getDictionaryAttr(describe(builder, model.graph().output(index).name(),
                                                                   output->dtype, shapeMap(output->shape))));
  entry->setAttr("setun.entry", builder.getUnitAttr());
  return success();
}
