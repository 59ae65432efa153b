//===- OutlineKernels.cpp - Each step of the entry becomes a function -----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model's layers are equal but for their weights. With each step a function of its operands, equal steps print alike
// and become one function, so that code size does not grow with depth and a kernel is lowered once. Offsets in the
// types of views are made dynamic first: they are all that tells layers' caches apart.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// Whether `op` is a step: it computes on buffers. Views, index arithmetic, single loads and copies stay in the entry.
bool isStep(Operation *op) {
  if (op->hasTrait<OpTrait::IsTerminator>() || isa<CallOpInterface, memref::CopyOp, ViewLikeOpInterface>(op))
    return false;
  if (llvm::any_of(op->getResultTypes(), [](Type type) { return isa<BaseMemRefType>(type); }))
    return false;
  bool readsBuffers = false;
  op->walk([&](Operation *inner) {
    readsBuffers |= llvm::any_of(inner->getOperandTypes(), [](Type type) { return isa<BaseMemRefType>(type); });
  });
  return readsBuffers && (isa<DestinationStyleOpInterface>(op) || op->getNumRegions());
}

/// A constant, or what can be made again from nothing.
bool isRecreated(Value value) {
  Operation *op = value.getDefiningOp();
  return op && (matchPattern(op, m_Constant()) || isa<memref::GetGlobalOp>(op));
}

/// A constant in which equal layers may differ: a scale, say. Integers are structure.
bool mayVary(Value value) { return isa<MemRefType>(value.getType()) || isa<FloatType>(value.getType()); }

bool isSameConstant(Value a, Value b) {
  return OperationEquivalence::isEquivalentTo(a.getDefiningOp(), b.getDefiningOp(),
                                              OperationEquivalence::IgnoreLocations);
}

struct Step {
  Operation *op;
  SmallVector<Value> arguments; // computed values, then constants that may vary
  SmallVector<Value> constants;
  unsigned firstVarying;
};

/// A name for people and disassemblers: ternary_<op> where products with trits are inside, and there alone.
std::string nameOf(Operation *step) {
  std::string name;
  step->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    if (inner->getDialect() && inner->getDialect()->getNamespace() == "ternary" && name.empty())
      name = inner->getName().getStringRef();
  });
  // Quantizers multiply: `ternary_` promises that a function does not.
  if (StringRef(name).contains("quantize"))
    name = StringRef(name).drop_front(StringRef("ternary.").size()).str();
  if (name.empty())
    name = step->getName().getStringRef();
  llvm::replace(name, '.', '_');
  return name;
}

struct OutlineKernels : setun::impl::OutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    func::FuncOp entry = entry::find(getOperation());
    if (!entry)
      return;
    if (!entry.getBody().hasOneBlock()) {
      entry.emitError("the entry function must be one block");
      return signalPassFailure();
    }
    numbers.clear();
    calls.clear();
    // Steps that are equal but for constants, in the order of their first.
    llvm::MapVector<StringAttr, std::vector<Step>> groups;
    for (Operation &op : entry.front())
      if (isStep(&op)) {
        Step step = examine(&op);
        groups[describe(step)].push_back(std::move(step));
      }
    SymbolTable symbols(getOperation());
    for (auto &[text, steps] : groups)
      outline(steps, symbols);
    // Only now: a step may take what another one gives.
    for (auto &[op, call] : llvm::reverse(calls)) {
      op->replaceAllUsesWith(call.getResults());
      op->erase();
    }
  }

  static Step examine(Operation *op) {
    Step step{op, {}, {}, 0};
    llvm::SetVector<Value> captured(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    SmallVector<Value> varying;
    for (Value value : captured)
      (!isRecreated(value) ? step.arguments : mayVary(value) ? varying : step.constants).push_back(value);
    step.firstVarying = step.arguments.size();
    llvm::append_range(step.arguments, varying);
    return step;
  }

  /// The step as text that is the same for equal steps.
  static StringAttr describe(const Step &step) {
    func::FuncOp kernel = build(step);
    std::string text;
    llvm::raw_string_ostream stream(text);
    kernel->print(stream, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs(INT64_MAX));
    kernel.erase();
    return StringAttr::get(step.op->getContext(), text);
  }

  void outline(std::vector<Step> &steps, SymbolTable &symbols) {
    // What is one constant in all steps is made inside.
    for (unsigned i = steps.front().firstVarying; i < steps.front().arguments.size();) {
      Value first = steps.front().arguments[i];
      bool same = llvm::all_of(steps, [&](Step &step) { return isSameConstant(step.arguments[i], first); });
      for (Step &step : steps)
        if (same) {
          step.constants.push_back(step.arguments[i]);
          step.arguments.erase(step.arguments.begin() + i);
        }
      i += !same;
    }
    func::FuncOp kernel = build(steps.front());
    // Numbered from 0 for each name, so that names do not move when an unrelated step appears.
    std::string base = nameOf(steps.front().op);
    do {
      kernel.setName(base + "_" + std::to_string(numbers[base]++));
    } while (symbols.lookup(kernel.getName()));
    symbols.insert(kernel);
    for (Step &step : steps) {
      OpBuilder caller(step.op);
      SmallVector<Value> operands;
      for (auto [argument, type] : llvm::zip_equal(step.arguments, kernel.getArgumentTypes()))
        operands.push_back(argument.getType() == type
                               ? argument
                               : memref::CastOp::create(caller, step.op->getLoc(), type, argument).getResult());
      calls.push_back({step.op, func::CallOp::create(caller, step.op->getLoc(), kernel, operands)});
    }
  }

  /// A detached function with the step as its body.
  static func::FuncOp build(const Step &step) {
    Location loc = step.op->getLoc();
    OpBuilder builder(step.op->getContext());
    SmallVector<Type> types;
    for (Value argument : step.arguments)
      types.push_back(withDynamicOffset(argument.getType()));
    auto kernel = func::FuncOp::create(loc, "kernel", builder.getFunctionType(types, step.op->getResultTypes()));
    kernel.setPrivate();
    builder.setInsertionPointToStart(kernel.addEntryBlock());
    IRMapping mapping;
    for (Value constant : step.constants)
      builder.clone(*constant.getDefiningOp(), mapping);
    mapping.map(step.arguments, kernel.getArguments());
    Operation *body = builder.clone(*step.op, mapping);
    func::ReturnOp::create(builder, loc, body->getResults());
    return kernel;
  }

  /// A view's type that does not tell where it starts.
  static Type withDynamicOffset(Type type) {
    auto buffer = dyn_cast<MemRefType>(type);
    SmallVector<int64_t> strides;
    int64_t offset;
    if (!buffer || failed(buffer.getStridesAndOffset(strides, offset)) || offset == 0 || offset == ShapedType::kDynamic)
      return type;
    auto layout = StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides);
    return MemRefType::get(buffer.getShape(), buffer.getElementType(), layout, buffer.getMemorySpace());
  }

  llvm::StringMap<unsigned> numbers;
  SmallVector<std::pair<Operation *, func::CallOp>> calls;
};

} // namespace
