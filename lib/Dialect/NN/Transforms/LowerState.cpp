//===- LowerState.cpp - State as buffers that are written in place --------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cache that the graph concatenates to becomes a buffer with room for more:
// a step writes its new entries and moves nothing else, and loops run to the
// position reached, not to the capacity.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Utils/Matchers.h"

#include "mlir/IR/Dominance.h"

namespace setun {
#define GEN_PASS_DEF_LOWERSTATE
#include "setun/Dialect/NN/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
/// One input that the session carries, and the result that is its next value.
struct State {
  BlockArgument input;
  StringRef name;
  unsigned result;
  std::optional<int64_t> axis; // along which it grows
};

struct StateLowering {
  func::FuncOp func;
  func::ReturnOp terminator;
  SmallVector<BlockArgument> symbols;
  OpBuilder builder;

  explicit StateLowering(func::FuncOp func)
      : func(func), terminator(cast<func::ReturnOp>(func.getBody().front().getTerminator())),
        builder(func.getContext()) {
    for (BlockArgument argument : func.getArguments())
      if (func.getArgAttr(argument.getArgNumber(), "setun.symbol"))
        symbols.push_back(argument);
  }

  LogicalResult run();
  FailureOr<State> getState(BlockArgument input);
  LogicalResult addCapacity(ArrayRef<State> states);
  LogicalResult lowerGrowing(const State &state);
  LogicalResult lowerFixed(const State &state);
  Value getLive(Value buffer, ArrayRef<OpFoldResult> sizes, Type type);
  StringRef getSymbolName(unsigned symbol) {
    return func.getArgAttrOfType<StringAttr>(symbols[symbol].getArgNumber(), "setun.symbol");
  }
};
} // namespace

FailureOr<State> StateLowering::getState(BlockArgument input) {
  unsigned number = input.getArgNumber();
  auto output = func.getArgAttrOfType<StringAttr>(number, "setun.state");
  auto name = func.getArgAttrOfType<StringAttr>(number, "setun.name");
  State state{input, name ? name.getValue() : "?", 0, std::nullopt};
  if (auto axis = func.getArgAttrOfType<IntegerAttr>(number, "setun.axis"))
    state.axis = axis.getInt();
  for (; state.result < func.getNumResults(); ++state.result)
    if (output == func.getResultAttrOfType<StringAttr>(state.result, "setun.name"))
      return state;
  return func.emitError() << "state '" << state.name << "': no result is named " << output;
}

/// One more symbol for the capacity of all growing states; their sizes along the axis are it from now on.
LogicalResult StateLowering::addCapacity(ArrayRef<State> states) {
  for (unsigned i = 0; i < symbols.size(); ++i)
    if (getSymbolName(i) == "capacity")
      return func.emitError() << "a symbol of the graph is named 'capacity', which growing states need";
  MLIRContext *context = func.getContext();
  NamedAttribute symbol(StringAttr::get(context, "setun.symbol"), StringAttr::get(context, "capacity"));
  if (failed(func.insertArgument(func.getNumArguments(), builder.getIndexType(), DictionaryAttr::get(context, symbol),
                                 func.getLoc())))
    return failure();
  unsigned count = symbols.size() + 1;
  auto widen = [&](AffineMapAttr attr) {
    AffineMap map = attr.getValue();
    return AffineMapAttr::get(AffineMap::get(0, count, map.getResults(), context));
  };
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (auto map = func.getArgAttrOfType<AffineMapAttr>(i, "setun.shape"))
      func.setArgAttr(i, "setun.shape", widen(map));
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    if (auto map = func.getResultAttrOfType<AffineMapAttr>(i, "setun.shape"))
      func.setResultAttr(i, "setun.shape", widen(map));
  for (const State &state : states) {
    unsigned number = state.input.getArgNumber();
    auto shape = func.getArgAttrOfType<AffineMapAttr>(number, "setun.shape");
    if (!shape || *state.axis < 0 || *state.axis >= shape.getValue().getNumResults())
      return func.emitError() << "state '" << state.name << "': its axis is not one of its dimensions";
    SmallVector<AffineExpr> sizes(shape.getValue().getResults());
    auto position = dyn_cast<AffineSymbolExpr>(sizes[*state.axis]);
    if (!position)
      return func.emitError() << "state '" << state.name << "': its size along axis " << *state.axis
                              << " is not a symbol";
    sizes[*state.axis] = getAffineSymbolExpr(count - 1, context);
    func.setArgAttr(number, "setun.position", builder.getStringAttr(getSymbolName(position.getPosition())));
    func.setArgAttr(number, "setun.shape", AffineMapAttr::get(AffineMap::get(0, count, sizes, context)));
  }
  return success();
}

Value StateLowering::getLive(Value buffer, ArrayRef<OpFoldResult> sizes, Type type) {
  SmallVector<OpFoldResult> zeros(sizes.size(), builder.getIndexAttr(0)), ones(sizes.size(), builder.getIndexAttr(1));
  Value live = tensor::ExtractSliceOp::create(builder, buffer.getLoc(), buffer, zeros, sizes, ones);
  return live.getType() == type ? live : tensor::CastOp::create(builder, buffer.getLoc(), type, live);
}

LogicalResult StateLowering::lowerGrowing(const State &state) {
  auto positionName = func.getArgAttrOfType<StringAttr>(state.input.getArgNumber(), "setun.position");
  Value position;
  for (unsigned i = 0; i < symbols.size(); ++i)
    if (getSymbolName(i) == positionName)
      position = symbols[i];
  OpOperand &next = terminator->getOpOperand(state.result);
  auto concat = next.get().getDefiningOp<tensor::ConcatOp>();
  bool appends = concat && static_cast<int64_t>(concat.getDim()) == *state.axis && concat.getInputs()[0] == state.input;
  if (!appends && next.get() != state.input)
    return func.emitError() << "state '" << state.name << "' grows along axis " << *state.axis
                            << ", but its next value "
                            << "is not its value with new entries after it";
  int64_t rank = cast<RankedTensorType>(state.input.getType()).getRank();
  SmallVector<OpOperand *> reads;
  for (OpOperand &use : state.input.getUses())
    if (use.getOwner() != concat && &use != &next)
      reads.push_back(&use);
  Value buffer = state.input;
  if (appends) {
    builder.setInsertionPoint(concat);
    OpFoldResult offset = position;
    SmallVector<OpFoldResult> sizes;
    for (Value entries : concat.getInputs().drop_front()) {
      sizes = getSizes(builder, concat.getLoc(), entries);
      SmallVector<OpFoldResult> offsets(rank, builder.getIndexAttr(0)), ones(rank, builder.getIndexAttr(1));
      offsets[*state.axis] = offset;
      buffer = tensor::InsertSliceOp::create(builder, concat.getLoc(), entries, buffer, offsets, sizes, ones);
      AffineExpr sum = builder.getAffineSymbolExpr(0) + builder.getAffineSymbolExpr(1);
      offset = affine::makeComposedFoldedAffineApply(builder, concat.getLoc(), sum, {offset, sizes[*state.axis]});
    }
    sizes[*state.axis] = offset;
    next.set(buffer);
    if (!concat->use_empty())
      concat.replaceAllUsesWith(getLive(buffer, sizes, concat.getType()));
  }
  // What is read after the write comes from the written buffer: its old entries are the same.
  DominanceInfo dominance(func);
  Value before, after;
  for (OpOperand *read : reads) {
    bool isAfter = appends && dominance.properlyDominates(concat.getOperation(), read->getOwner());
    Value &live = isAfter ? after : before;
    if (!live) {
      isAfter ? builder.setInsertionPoint(concat) : builder.setInsertionPointToStart(&func.getBody().front());
      SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, state.input.getLoc(), state.input);
      sizes[*state.axis] = position;
      live = getLive(isAfter ? buffer : Value(state.input), sizes, state.input.getType());
    }
    read->set(live);
  }
  if (appends)
    concat.erase();
  return success();
}

/// Whether `value` is `input` after writes that bufferize in place.
static bool isWrittenInPlace(Value value, Value input) {
  while (value != input) {
    Operation *op = value.getDefiningOp();
    if (auto slice = dyn_cast_or_null<tensor::InsertSliceOp>(op))
      value = slice.getDest();
    else if (auto insert = dyn_cast_or_null<tensor::InsertOp>(op))
      value = insert.getDest();
    else if (auto loop = dyn_cast_or_null<scf::ForOp>(op))
      value = loop.getTiedLoopInit(cast<OpResult>(value))->get();
    else
      return false;
  }
  return true;
}

LogicalResult StateLowering::lowerFixed(const State &state) {
  OpOperand &next = terminator->getOpOperand(state.result);
  if (next.get().getType() != state.input.getType())
    return func.emitError() << "state '" << state.name << "': its next value is a " << next.get().getType()
                            << ", but it is a " << state.input.getType();
  if (isWrittenInPlace(next.get(), state.input))
    return success();
  builder.setInsertionPoint(terminator);
  next.set(bufferization::MaterializeInDestinationOp::create(builder, terminator.getLoc(), next.get(), state.input)
               .getResult());
  return success();
}

LogicalResult StateLowering::run() {
  SmallVector<State> growing, fixed;
  for (BlockArgument argument : func.getArguments()) {
    if (!func.getArgAttr(argument.getArgNumber(), "setun.state") ||
        func.getArgAttr(argument.getArgNumber(), "setun.position"))
      continue;
    FailureOr<State> state = getState(argument);
    if (failed(state))
      return failure();
    (state->axis ? growing : fixed).push_back(*state);
  }
  if (!growing.empty() && failed(addCapacity(growing)))
    return failure();
  for (const State &state : growing)
    if (failed(lowerGrowing(state)))
      return failure();
  for (const State &state : fixed)
    if (failed(lowerFixed(state)))
      return failure();
  for (const State &state : llvm::concat<const State>(growing, fixed))
    func.setArgAttr(state.input.getArgNumber(), "bufferization.writable", builder.getBoolAttr(true));
  func.setFunctionType(builder.getFunctionType(func.getArgumentTypes(), terminator.getOperandTypes()));
  return success();
}

namespace {
struct LowerState : setun::impl::LowerStateBase<LowerState> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr("setun.entry") && failed(StateLowering(func).run()))
        return signalPassFailure();
  }
};
} // namespace
