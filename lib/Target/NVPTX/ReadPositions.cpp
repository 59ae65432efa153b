//===- ReadPositions.cpp - Kernels read the position from the device frame ===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The position is what changes from one step of a generation to the next. Where it is no parameter of any kernel, not
// even as part of an offset or a size, all steps launch the same: one graph does them unchanged. So what the host
// computes from it for a callee moves into the callee: first from the entry function into the steps that it calls, then
// from these into the kernels, which find the position in the frame.
//
//===----------------------------------------------------------------------===//

#include "setun-rt/abi.h"
#include "setun/Target/NVPTX/Passes.h"
#include "setun/Transforms/Entry.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_READPOSITIONS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

/// Values that are a position, and its symbol's place among all symbols.
using Positions = DenseMap<Value, unsigned>;

/// Whether it can be computed in the callee as well: from its operands alone, without memory.
bool canMove(Operation *op) {
  return op && isMemoryEffectFree(op) && op->getNumRegions() == 0 && op->getNumResults() == 1 &&
         isa<IndexType, MemRefType>(op->getResult(0).getType());
}

bool dependsOn(const Positions &positions, Value value) {
  if (positions.contains(value))
    return true;
  Operation *op = value.getDefiningOp();
  return canMove(op) && llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(positions, operand); });
}

/// The same operation, on operands of the same types.
bool isAlike(Operation *a, Operation *b) {
  auto typesAgree = [](Value x, Value y) { return success(x.getType() == y.getType()); };
  return OperationEquivalence::isEquivalentTo(a, b, typesAgree, /*markEquivalent=*/nullptr,
                                              OperationEquivalence::IgnoreLocations);
}

/// A function and all places that call it, or a kernel and all that launch it.
struct Callee {
  FunctionOpInterface function;
  SmallVector<MutableOperandRange> sites; // the operands that become its arguments

  /// A kernel has memory of its blocks behind its arguments.
  unsigned size() { return cast<FunctionType>(function.getFunctionType()).getNumInputs(); }

  /// What the sites give for an argument.
  SmallVector<Value> given(unsigned number) const {
    return llvm::map_to_vector(sites, [&](const MutableOperandRange &site) { return site[number].get(); });
  }

  /// The argument for which the sites give these values: one that is there, or a new one behind the others.
  Value getOrAdd(ArrayRef<Value> values) {
    for (unsigned i = 0; i < size(); ++i)
      if (given(i) == values)
        return function.getArgument(i);
    unsigned number = size();
    if (failed(function.insertArgument(number, values.front().getType(), {}, function.getLoc())))
      llvm_unreachable("a function's arguments can be any");
    for (auto [site, value] : llvm::zip(sites, values))
      site.append(value);
    return function.getArgument(number);
  }

  void replace(unsigned number, Value value) {
    function.getArgument(number).replaceAllUsesWith(value);
    SmallVector<Value> before = given(number);
    if (failed(function.eraseArgument(number)))
      llvm_unreachable("nothing uses it");
    for (MutableOperandRange &site : sites)
      site.erase(number);
    eraseDead(before);
  }

  /// What makes the values, and what that was made of, where nothing needs it any more. Sites often share a value.
  static void eraseDead(ArrayRef<Value> values) {
    llvm::SetVector<Operation *> work;
    auto add = [&](Value value) {
      if (Operation *op = value.getDefiningOp())
        work.insert(op);
    };
    llvm::for_each(values, add);
    while (!work.empty()) {
      Operation *op = work.pop_back_val();
      if (!isOpTriviallyDead(op))
        continue;
      llvm::for_each(op->getOperands(), add);
      op->erase();
    }
  }

  /// Computes the argument inside, from the operands of what all sites compute it by. Returns false if they do not.
  bool sink(unsigned number, const Positions &positions) {
    SmallVector<Value> values = given(number);
    Operation *first = values.front().getDefiningOp();
    for (Value value : values)
      if (!dependsOn(positions, value) || !value.getDefiningOp() || !isAlike(first, value.getDefiningOp()))
        return false;
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < first->getNumOperands(); ++i)
      arguments.push_back(
          getOrAdd(llvm::map_to_vector(values, [&](Value value) { return value.getDefiningOp()->getOperand(i); })));
    OpBuilder inside = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
    Operation *again = inside.clone(*first);
    again->setOperands(arguments); // by place: what is one operand twice at one site may be two at another
    replace(number, again->getResult(0));
    return true;
  }

  void sinkAll(const Positions &positions) {
    for (unsigned i = 0; i < size();)
      if (!sink(i, positions))
        ++i; // else another argument stands there now
  }

  /// The symbol that all sites give for an argument.
  std::optional<unsigned> positionOf(unsigned number, const Positions &positions) const {
    std::optional<unsigned> symbol;
    for (Value value : given(number)) {
      auto known = positions.find(value);
      if (known == positions.end() || (symbol && *symbol != known->second))
        return std::nullopt;
      symbol = known->second;
    }
    return symbol;
  }
};

/// Reads a symbol where the runtime puts it: behind the device frame (setun-rt/abi.h). Volatile, which is from the
/// second cache: kernels that start early read it before they wait for the one in front, when nobody promises that the
/// first cache has forgotten the last step's.
Value readSymbol(OpBuilder &builder, Location loc, unsigned symbol) {
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  auto intrinsic = builder.getStringAttr(nvptx::kDeviceFrame);
  Value frame = LLVM::CallIntrinsicOp::create(builder, loc, pointer, intrinsic, ValueRange())->getResult(0);
  auto offset = static_cast<int32_t>(sizeof(setun_device_frame) + symbol * sizeof(int64_t));
  Value at = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), frame, LLVM::GEPArg(offset));
  Value number = LLVM::LoadOp::create(builder, loc, builder.getI64Type(), at, /*alignment=*/8, /*isVolatile=*/true);
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), number);
}

struct ReadPositions : nvptx::impl::ReadPositionsBase<ReadPositions> {
  void runOnOperation() override {
    func::FuncOp entry = entry::find(getOperation());
    Positions positions = entry ? ofEntry(entry) : Positions();
    if (positions.empty())
      return;
    SmallVector<Callee> steps, kernels;
    collect(entry, steps, kernels);
    for (Callee &step : steps) {
      step.sinkAll(positions);
      for (unsigned i = 0; i < step.size(); ++i)
        if (auto symbol = step.positionOf(i, positions))
          positions[step.function.getArgument(i)] = *symbol;
    }
    for (Callee &kernel : kernels)
      readIn(kernel, positions);
    for (Callee &step : steps)
      eraseUnused(step, positions);
  }

  /// The symbols that say how many entries a state holds.
  static Positions ofEntry(func::FuncOp entry) {
    Positions positions;
    for (auto [number, symbol] : llvm::enumerate(entry::symbols(entry))) {
      Attribute name = entry.getArgAttr(symbol.getArgNumber(), entry::kSymbol);
      for (unsigned i = 0; i < entry.getNumArguments(); ++i)
        if (entry.getArgAttr(i, entry::kPosition) == name)
          positions[symbol] = number;
    }
    return positions;
  }

  /// The functions that the entry function alone calls, and all kernels that are launched.
  void collect(func::FuncOp entry, SmallVector<Callee> &steps, SmallVector<Callee> &kernels) {
    llvm::MapVector<Operation *, Callee> callees;
    auto add = [&](Operation *callee, MutableOperandRange operands) {
      auto function = cast<FunctionOpInterface>(callee);
      callees.try_emplace(callee, Callee{function, {}}).first->second.sites.push_back(operands);
    };
    SymbolTableCollection symbols;
    getOperation().walk(
        [&](func::CallOp call) { add(call.resolveCallableInTable(&symbols), call.getOperandsMutable()); });
    getOperation().walk([&](gpu::LaunchFuncOp launch) {
      add(symbols.lookupNearestSymbolFrom(launch, launch.getKernelAttr()), launch.getKernelOperandsMutable());
    });
    for (auto &[operation, callee] : callees) {
      bool local = llvm::all_of(callee.sites, [&](const MutableOperandRange &site) {
        return site.getOwner()->getParentOfType<func::FuncOp>() == entry;
      });
      if (isa<gpu::GPUFuncOp>(operation))
        kernels.push_back(callee);
      else if (local && callee.function.isPrivate() && !callee.function.isExternal())
        steps.push_back(callee);
    }
  }

  static void readIn(Callee &kernel, const Positions &positions) {
    Block &body = kernel.function.getFunctionBody().front();
    Operation *first = &body.front(); // of those that were there
    kernel.sinkAll(positions);
    for (unsigned i = 0; i < kernel.size();) {
      if (std::optional<unsigned> symbol = kernel.positionOf(i, positions)) {
        OpBuilder inside = OpBuilder::atBlockBegin(&body);
        kernel.replace(i, readSymbol(inside, kernel.function.getLoc(), *symbol));
      } else {
        ++i;
      }
    }
    bool forMany =
        kernel.function
            ->walk([](gpu::BarrierOp barrier) {
              return barrier->hasAttr(nvptx::kManyTokensAttr) ? WalkResult::interrupt() : WalkResult::advance();
            })
            .wasInterrupted();
    if (forMany)
      moveToUses(body, first);
  }

  /// Moves what stands in front of `first` to where it is needed. Kernels for many tokens have no register for what is
  /// not; others ask at once, so as not to wait.
  static void moveToUses(Block &body, Operation *first) {
    SmallVector<Operation *> early;
    for (Operation &op : llvm::make_range(body.begin(), first->getIterator()))
      early.push_back(&op);
    for (Operation *op : llvm::reverse(early)) {
      Operation *before = nullptr;
      for (Operation *user : op->getUsers()) {
        Operation *inBody = body.findAncestorOpInBlock(*user);
        if (!before || inBody->isBeforeInBlock(before))
          before = inBody;
      }
      if (before)
        op->moveBefore(before);
    }
  }

  static void eraseUnused(Callee &step, const Positions &positions) {
    for (unsigned i = 0; i < step.size();) {
      BlockArgument argument = step.function.getArgument(i);
      if (argument.use_empty() && positions.contains(argument))
        step.replace(i, argument);
      else
        ++i;
    }
  }
};

} // namespace
