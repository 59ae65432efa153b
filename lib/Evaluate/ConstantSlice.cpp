//===- ConstantSlice.cpp - What depends on parameters alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/ConstantSlice.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace setun;

/// Constants of more elements are arguments of a slice, so that its text does not depend on them.
static constexpr int64_t kMaxInlineElements = 64;

static bool isLeaf(Operation *op) {
  if (isa<ml_program::GlobalLoadConstOp>(op))
    return true;
  auto constant = dyn_cast<arith::ConstantOp>(op);
  auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
  return elements && !elements.isSplat() && elements.getNumElements() > kMaxInlineElements;
}

/// The operations behind a value, in the order of its block.
static SmallVector<Operation *> collect(Value root) {
  SetVector<Operation *> found;
  SmallVector<Operation *> worklist = {root.getDefiningOp()};
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    if (!found.insert(op))
      continue;
    for (Value input : getInputs(op))
      worklist.push_back(input.getDefiningOp());
  }
  SmallVector<Operation *> ops = found.takeVector();
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

static void cloneCallees(func::FuncOp from, ModuleOp target) {
  from.walk([&](func::CallOp call) {
    func::FuncOp callee = getCallee(call);
    if (!callee || target.lookupSymbol(callee.getSymName()))
      return;
    target.push_back(callee.clone());
    cloneCallees(callee, target);
  });
}

ConstantSlice ConstantSlice::cut(Value root) {
  ConstantSlice slice;
  Location unknown = UnknownLoc::get(root.getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown);
  OpBuilder builder = OpBuilder::atBlockBegin(module->getBody());
  auto function = func::FuncOp::create(builder, unknown, "slice", builder.getFunctionType({}, root.getType()));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  auto look = [&](Value value) {
    auto type = dyn_cast<FloatType>(getElementTypeOrSelf(value.getType()));
    if (type && (!slice.narrowest || type.getWidth() < slice.narrowest.getWidth()))
      slice.narrowest = type;
  };
  for (Operation *op : collect(root)) {
    llvm::for_each(op->getResults(), look);
    if (isLeaf(op)) {
      slice.leaves.push_back(op);
      mapping.map(op->getResult(0), body->addArgument(op->getResult(0).getType(), unknown));
      continue;
    }
    builder.clone(*op, mapping);
    if (auto call = dyn_cast<func::CallOp>(op)) {
      func::FuncOp callee = getCallee(call);
      if (!module->lookupSymbol(callee.getSymName())) {
        module->push_back(callee.clone());
        cloneCallees(callee, *module);
      }
    }
  }
  func::ReturnOp::create(builder, unknown, mapping.lookup(root));
  function.setType(builder.getFunctionType(body->getArgumentTypes(), root.getType()));
  slice.text = Evaluator::print(*module);
  return slice;
}

std::string ConstantSlice::getKey() const {
  std::string key = text;
  llvm::raw_string_ostream os(key);
  for (Operation *leaf : leaves)
    if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(leaf))
      os << "\n" << load.getGlobal();
    else
      os << "\n" << leaf; // large constants: the operation itself
  return key;
}

FailureOr<ParameterBytes> setun::openLeaf(Operation *leaf) {
  if (auto constant = dyn_cast<arith::ConstantOp>(leaf))
    return ParameterBytes::open(cast<ElementsAttr>(constant.getValue()), leaf->getLoc());
  auto load = cast<ml_program::GlobalLoadConstOp>(leaf);
  auto global = SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobalAttr());
  if (!global)
    return load.emitOpError("names no parameter");
  return ParameterBytes::open(global);
}

llvm::Expected<std::unique_ptr<llvm::WritableMemoryBuffer>> ConstantSlice::evaluate(Evaluator &evaluator) const {
  SmallVector<ParameterBytes> opened;
  SmallVector<ArrayRef<char>> arguments;
  for (Operation *leaf : leaves) {
    FailureOr<ParameterBytes> bytes = openLeaf(leaf);
    if (failed(bytes))
      return llvm::createStringError("the data of a parameter cannot be read");
    opened.push_back(std::move(*bytes));
  }
  for (const ParameterBytes &bytes : opened)
    arguments.push_back(bytes.get());
  auto results = evaluator.evaluate(text, arguments);
  if (!results)
    return results.takeError();
  return std::move(results->front());
}

/// Frees the bytes of resources that the module does not hold any longer: of a large model, most of them go while its
/// weights are folded.
static void releaseResources(ModuleOp module, ArrayRef<DenseResourceElementsAttr> erased) {
  if (erased.empty())
    return;
  llvm::DenseSet<DialectResourceBlobManager::BlobEntry *> held;
  module.walk([&](Operation *op) {
    op->getAttrDictionary().walk(
        [&](DenseResourceElementsAttr value) { held.insert(value.getRawHandle().getResource()); });
  });
  for (DenseResourceElementsAttr value : erased)
    if (!held.contains(value.getRawHandle().getResource()))
      value.getRawHandle().getResource()->setBlob(AsmResourceBlob());
}

void setun::eraseDeadParameters(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    for (Block &block : function.getBody())
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
        if (isOpTriviallyDead(&op) || (isa<func::CallOp>(op) && op.use_empty() && isPureOp(&op)))
          op.erase();
  llvm::StringSet<> used;
  module.walk([&](ml_program::GlobalLoadConstOp load) { used.insert(load.getGlobal().getLeafReference()); });
  module.walk([&](ml_program::GlobalLoadOp load) { used.insert(load.getGlobal().getLeafReference()); });
  SmallVector<DenseResourceElementsAttr> erased;
  for (auto global : llvm::make_early_inc_range(module.getOps<ml_program::GlobalOp>())) {
    if (!global.isPrivate() || global.getIsMutable() || used.contains(global.getSymName()))
      continue;
    if (auto value = dyn_cast_if_present<DenseResourceElementsAttr>(global.getValueAttr()))
      erased.push_back(value);
    global.erase();
  }
  releaseResources(module, erased);
}
