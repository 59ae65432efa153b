//===- OutputsToArguments.cpp - Results become destinations ---------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The caller owns all buffers: a result is written into a buffer that it passes, a state into the buffer it came from.
// The state's value is first materialized into the old value as a tensor, so that bufferization sees every conflict
// (two states that change places, say) and copies only then; the write into the buffer itself folds away.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace setun {
#define GEN_PASS_DEF_OUTPUTSTOARGUMENTS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

MemRefType bufferType(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

/// Whether `value` is `old` after updates in place; then bufferization needs no help to end in the same buffer.
bool updatesInPlace(Value value, Value old) {
  while (value != old) {
    auto insert = value.getDefiningOp<tensor::InsertSliceOp>();
    if (!insert)
      return false;
    value = insert.getDest();
  }
  return true;
}

struct OutputsToArguments : setun::impl::OutputsToArgumentsBase<OutputsToArguments> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp function = entry::find(getOperation());
    if (!function || function.getNumResults() == 0)
      return;
    if (failed(check(function)))
      return signalPassFailure();
    rewrite(function);
  }

  /// Maps each result that is a state to its argument.
  LogicalResult check(func::FuncOp function) {
    states.clear();
    if (!function.getBody().hasOneBlock())
      return function.emitError("the entry function must be one block");
    for (Type type : llvm::concat<const Type>(function.getArgumentTypes(), function.getResultTypes()))
      if (isa<UnrankedTensorType>(type))
        return function.emitError("the entry function has a tensor without a rank");
    for (auto [index, type] : llvm::enumerate(function.getResultTypes()))
      if (!isa<RankedTensorType>(type))
        return function.emitError("result ") << index << " of the entry function is not a tensor: " << type;
    for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
      auto state = function.getArgAttrOfType<StringAttr>(i, entry::kState);
      if (!state)
        continue;
      unsigned result = 0;
      while (result < function.getNumResults() &&
             function.getResultAttrOfType<StringAttr>(result, entry::kName) != state)
        ++result;
      if (result == function.getNumResults())
        return function.emitError("state ") << state << " of argument " << i << " is not among the results";
      if (function.getResultTypes()[result] != function.getArgumentTypes()[i])
        return function.emitError("state ")
               << state << " comes in as " << function.getArgumentTypes()[i] << " and goes out as "
               << function.getResultTypes()[result] << "; --setun-lower-state gives both the buffer's type";
      if (!states.try_emplace(result, i).second)
        return function.emitError("state ") << state << " belongs to two arguments";
    }
    return success();
  }

  void rewrite(func::FuncOp function) {
    auto exit = cast<func::ReturnOp>(function.front().getTerminator());
    SmallVector<DictionaryAttr> attributes;
    for (unsigned i = 0; i < exit.getNumOperands(); ++i)
      attributes.push_back(function.getResultAttrDict(i));
    OpBuilder start = OpBuilder::atBlockBegin(&function.front()), end(exit);

    // Inputs are the caller's: never written.
    for (BlockArgument argument : function.getArguments())
      if (isa<RankedTensorType>(argument.getType()) && !function.getArgAttr(argument.getArgNumber(), entry::kState))
        function.setArgAttr(argument.getArgNumber(), "bufferization.writable", start.getBoolAttr(false));

    DenseMap<unsigned, Value> old;
    for (auto [result, index] : states) {
      BlockArgument argument = function.getArgument(index);
      MemRefType type = bufferType(argument.getType());
      auto tensor = bufferization::ToTensorOp::create(start, function.getLoc(), argument.getType(), argument,
                                                      /*restrict=*/true, /*writable=*/true);
      argument.replaceAllUsesExcept(tensor, tensor);
      argument.setType(type);
      old[result] = tensor;
      if (Attribute shape = attributes[result].get(entry::kShape))
        function.setArgAttr(index, entry::kNextShape, shape);
    }

    // Outputs first: they may read what the states still hold.
    unsigned position = entry::firstSymbol(function);
    for (auto [i, value] : llvm::enumerate(exit.getOperands())) {
      if (states.count(i))
        continue;
      NamedAttrList list(attributes[i]);
      list.set(entry::kOutput, start.getUnitAttr());
      (void)function.insertArgument(position, bufferType(value.getType()), list.getDictionary(&getContext()),
                                    value.getLoc());
      write(end, value, function.getArgument(position++));
    }
    SmallVector<std::pair<Value, Value>> last;
    for (auto [result, index] : states) {
      Value value = exit.getOperand(result);
      if (!updatesInPlace(value, old[result]))
        value =
            bufferization::MaterializeInDestinationOp::create(end, value.getLoc(), value.getType(), value, old[result])
                .getResult();
      last.push_back({value, function.getArgument(index)});
    }
    for (auto [value, buffer] : last)
      write(end, value, buffer);

    func::ReturnOp::create(end, exit.getLoc());
    exit.erase();
    function.setType(FunctionType::get(&getContext(), function.front().getArgumentTypes(), {}));
    function.removeResAttrsAttr();
  }

  static void write(OpBuilder &builder, Value value, Value buffer) {
    auto op = bufferization::MaterializeInDestinationOp::create(builder, value.getLoc(), TypeRange(), value, buffer);
    op.setRestrict(true);
    op.setWritable(true);
  }

  /// Result number to argument number, in result order.
  llvm::MapVector<unsigned, unsigned> states;
};

} // namespace
