//===- OutputsToArguments.cpp - Results become destinations ---------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The caller owns all buffers: a result is written into a buffer that it passes, a state into the buffer it came from.
// A new state is first materialized into the old value as a tensor, so that bufferization sees every conflict and may
// compute it in place; where it shares memory with another state (two that change places, say) it is copied first.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

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

/// The tensor whose buffer `value` may share: through views, and through what is updated in place.
Value rootOf(Value value) {
  while (auto result = dyn_cast<OpResult>(value)) {
    Operation *op = result.getOwner();
    if (isa<tensor::ExtractSliceOp, tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      value = op->getOperand(0);
    else if (isa<tensor::InsertOp, tensor::InsertSliceOp>(op))
      value = op->getOperand(1);
    else if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
      value = destination.getTiedOpOperand(result)->get();
    else if (auto loop = dyn_cast<LoopLikeOpInterface>(op); loop && loop.getTiedLoopInit(result))
      value = loop.getTiedLoopInit(result)->get();
    else
      break;
  }
  return value;
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
      function.removeArgAttr(index, "bufferization.writable");
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
      Value buffer = function.getArgument(position++);
      writeThroughExpansion(start, end, value, buffer);
    }
    SmallVector<std::pair<Value, Value>> last;
    for (auto [result, index] : states)
      last.push_back({newState(exit.getOperand(result), old[result], old, end), function.getArgument(index)});
    for (auto [value, buffer] : last)
      write(end, value, buffer);

    func::ReturnOp::create(end, exit.getLoc());
    exit.erase();
    for (auto copy : llvm::make_early_inc_range(function.front().getOps<bufferization::MaterializeInDestinationOp>()))
      if (copy->getNumResults() && copy->use_empty())
        copy.erase();
    function.setType(FunctionType::get(&getContext(), function.front().getArgumentTypes(), {}));
    function.removeResAttrsAttr();
  }

  /// The state's new value as one that shares memory with its own old value or with none.
  static Value newState(Value value, Value own, const DenseMap<unsigned, Value> &old, OpBuilder &builder) {
    // What --setun-lower-state wrote for states of fixed shape; whether it may stay depends on all states.
    while (auto copy = value.getDefiningOp<bufferization::MaterializeInDestinationOp>()) {
      if (copy.getDest() != own)
        break;
      value = copy.getSource();
    }
    Value root = rootOf(value);
    if (root == own)
      return value;
    bool shares = root.getDefiningOp() && isa<scf::IfOp, scf::WhileOp, arith::SelectOp>(root.getDefiningOp());
    for (auto [result, other] : old)
      shares |= root == other;
    auto type = cast<RankedTensorType>(value.getType());
    if (shares)
      return bufferization::AllocTensorOp::create(builder, value.getLoc(), type, ValueRange(), value);
    return bufferization::MaterializeInDestinationOp::create(builder, value.getLoc(), type, value, own).getResult();
  }

  /// Writes an output's value before it was expanded into a collapsed view of the buffer: so its producer can write
  /// there itself, which bufferization sees only for one and the same type.
  static void writeThroughExpansion(OpBuilder &start, OpBuilder &end, Value value, Value buffer) {
    while (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>()) {
      buffer = memref::CollapseShapeOp::create(start, value.getLoc(), buffer, expand.getReassociationIndices());
      value = expand.getSrc();
    }
    write(end, value, buffer);
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
