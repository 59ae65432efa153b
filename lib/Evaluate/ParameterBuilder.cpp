//===- ParameterBuilder.cpp - New parameters in place of old ones -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/ParameterBuilder.h"

#include "setun/Dialect/Utils/Spill.h"
#include "setun/Evaluate/ConstantSlice.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace setun;

/// docs/contracts.md: constants of up to 64 elements may stand in the IR.
static constexpr int64_t kMaxInlineElements = 64;
/// The name that a parameter would have if another did not have it still.
static constexpr StringRef kWishAttr = "setun.parameter";

ParameterBuilder::ParameterBuilder(ModuleOp module) : module(module), symbols(module) {}

ml_program::GlobalOp ParameterBuilder::add(StringRef name, Location loc, Type type, Attribute value) {
  OpBuilder builder(module.getContext());
  auto global = ml_program::GlobalOp::create(builder, loc, name, type, /*is_mutable=*/false, value,
                                             builder.getStringAttr("private"));
  // Parameters stand first, in the order in which they were made.
  Operation *before = &module.getBody()->front();
  while (isa<ml_program::GlobalOp>(before) && before->getNextNode())
    before = before->getNextNode();
  if (symbols.insert(global, Block::iterator(before)) != name)
    global->setAttr(kWishAttr, builder.getStringAttr(name));
  return global;
}

DenseResourceElementsAttr ParameterBuilder::makeResource(StringRef name, ShapedType type, ArrayRef<char> bytes) {
  return DenseResourceElementsAttr::get(type, name, copyToBlob(bytes));
}

/// Elements from bytes as the evaluator gives them; null if they are too many for the IR and differ.
static DenseElementsAttr getSmall(RankedTensorType type, ArrayRef<char> bytes) {
  int64_t count = type.getNumElements(), width = count ? static_cast<int64_t>(bytes.size()) / count : 0;
  bool isSplat = true;
  for (int64_t i = width; i < count * width && isSplat; ++i)
    isSplat = bytes[i] == bytes[i - width];
  if (!isSplat && count > kMaxInlineElements)
    return {};
  if (!type.getElementType().isInteger(1))
    return DenseElementsAttr::getFromRawBuffer(type, isSplat ? bytes.take_front(width) : bytes);
  SmallVector<bool> bits(bytes.begin(), bytes.begin() + (isSplat && count ? 1 : count));
  return DenseElementsAttr::get(type, ArrayRef<bool>(bits));
}

Value ParameterBuilder::makeConstant(OpBuilder &builder, Location loc, StringRef name, RankedTensorType type,
                                     ArrayRef<char> bytes) {
  if (DenseElementsAttr small = getSmall(type, bytes))
    return arith::ConstantOp::create(builder, loc, small);
  return load(builder, loc, add(name, loc, type, makeResource(name, type, bytes)));
}

Value ParameterBuilder::load(OpBuilder &builder, Location loc, ml_program::GlobalOp global) {
  return ml_program::GlobalLoadConstOp::create(builder, loc, global.getType(), FlatSymbolRefAttr::get(global));
}

void ParameterBuilder::finish() {
  eraseDeadParameters(module);
  SymbolTable remaining(module); // the old table still knows what has just been erased
  for (auto global : module.getOps<ml_program::GlobalOp>()) {
    auto wish = global->getAttrOfType<StringAttr>(kWishAttr);
    if (wish && !remaining.lookup(wish) && succeeded(remaining.rename(global, wish)))
      global->removeAttr(kWishAttr);
  }
}
