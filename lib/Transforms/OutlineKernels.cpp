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

/// A name for people and disassemblers: ternary_<op> where products with trits are inside.
std::string nameOf(Operation *step) {
  std::string name;
  step->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    if (inner->getDialect() && inner->getDialect()->getNamespace() == "ternary" && name.empty())
      name = inner->getName().getStringRef();
  });
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
    SymbolTable symbols(getOperation());
    llvm::StringMap<func::FuncOp> known;
    SmallVector<Operation *> steps;
    for (Operation &op : entry.front())
      if (isStep(&op))
        steps.push_back(&op);
    for (Operation *step : steps)
      outline(step, symbols, known);
  }

  void outline(Operation *step, SymbolTable &symbols, llvm::StringMap<func::FuncOp> &known) {
    llvm::SetVector<Value> captured(step->operand_begin(), step->operand_end());
    getUsedValuesDefinedAbove(step->getRegions(), captured);
    SmallVector<Value> arguments, constants;
    for (Value value : captured)
      (isRecreated(value) ? constants : arguments).push_back(value);

    OpBuilder caller(step);
    SmallVector<Value> passed;
    for (Value argument : arguments)
      passed.push_back(withDynamicOffset(argument, caller, step->getLoc()));
    func::FuncOp kernel = build(step, arguments, ValueRange(passed).getTypes(), constants);
    std::string text;
    llvm::raw_string_ostream stream(text);
    kernel->print(stream, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs(INT64_MAX));
    auto [it, isNew] = known.try_emplace(text, kernel);
    if (isNew) {
      // Numbered from 0 for each name, so that names do not move when an unrelated step appears.
      std::string base = nameOf(step);
      unsigned &number = numbers[base];
      do {
        kernel.setName(base + "_" + std::to_string(number++));
      } while (symbols.lookup(kernel.getName()));
      symbols.insert(kernel);
    } else {
      kernel.erase();
    }
    auto call = func::CallOp::create(caller, step->getLoc(), it->second, passed);
    step->replaceAllUsesWith(call.getResults());
    step->erase();
  }

  /// A detached function with the step as its body.
  static func::FuncOp build(Operation *step, ArrayRef<Value> arguments, TypeRange types, ArrayRef<Value> constants) {
    Location loc = step->getLoc();
    OpBuilder builder(step->getContext());
    auto kernel = func::FuncOp::create(loc, "kernel", builder.getFunctionType(types, step->getResultTypes()));
    kernel.setPrivate();
    builder.setInsertionPointToStart(kernel.addEntryBlock());
    IRMapping mapping;
    for (Value constant : constants)
      builder.clone(*constant.getDefiningOp(), mapping);
    mapping.map(arguments, kernel.getArguments());
    Operation *body = builder.clone(*step, mapping);
    func::ReturnOp::create(builder, loc, body->getResults());
    return kernel;
  }

  /// A view as a type that does not tell where it starts.
  static Value withDynamicOffset(Value value, OpBuilder &builder, Location loc) {
    auto type = dyn_cast<MemRefType>(value.getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    if (!type || failed(type.getStridesAndOffset(strides, offset)) || offset == 0 || offset == ShapedType::kDynamic)
      return value;
    auto layout = StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides);
    return memref::CastOp::create(
        builder, loc, MemRefType::get(type.getShape(), type.getElementType(), layout, type.getMemorySpace()), value);
  }

  llvm::StringMap<unsigned> numbers;
};

} // namespace
