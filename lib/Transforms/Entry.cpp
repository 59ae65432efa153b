//===- Entry.cpp - The entry function and its arguments -------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

static StringRef attributeOf(entry::Service kind) {
  switch (kind) {
  case entry::Service::Weights:
    return "setun.weights";
  case entry::Service::Arena:
    return "setun.arena";
  case entry::Service::Runtime:
    return "setun.runtime";
  }
  llvm_unreachable("all services named");
}

func::FuncOp entry::find(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(kEntry) && !function.isExternal())
      return function;
  return nullptr;
}

SmallVector<BlockArgument> entry::symbols(func::FuncOp function) {
  return llvm::to_vector(llvm::make_filter_range(function.getArguments(), [&](BlockArgument argument) {
    return function.getArgAttr(argument.getArgNumber(), kSymbol) != nullptr;
  }));
}

unsigned entry::firstSymbol(func::FuncOp function) {
  if (auto all = symbols(function); !all.empty())
    return all.front().getArgNumber();
  for (Service kind : {Service::Weights, Service::Arena, Service::Runtime})
    if (Value value = service(function, kind))
      return cast<BlockArgument>(value).getArgNumber();
  return function.getNumArguments();
}

AffineMap entry::shape(func::FuncOp function, unsigned index, StringRef attribute) {
  auto map = function.getArgAttrOfType<AffineMapAttr>(index, attribute);
  return map ? map.getValue() : AffineMap();
}

Value entry::service(func::FuncOp function, Service kind) {
  for (BlockArgument argument : function.getArguments())
    if (function.getArgAttr(argument.getArgNumber(), attributeOf(kind)))
      return argument;
  return nullptr;
}

Value entry::getOrAddService(func::FuncOp function, Service kind) {
  if (Value value = service(function, kind))
    return value;
  unsigned position = function.getNumArguments();
  for (Service later : {Service::Runtime, Service::Arena})
    if (later > kind)
      if (Value value = service(function, later))
        position = cast<BlockArgument>(value).getArgNumber();
  MLIRContext *context = function.getContext();
  Type type = kind == Service::Runtime ? Type(LLVM::LLVMPointerType::get(context))
                                       : Type(MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8)));
  Builder builder(context);
  auto attributes = builder.getDictionaryAttr(builder.getNamedAttr(attributeOf(kind), builder.getUnitAttr()));
  if (failed(function.insertArgument(position, type, attributes, function.getLoc())))
    return nullptr;
  return function.getArgument(position);
}

int64_t entry::elementBytes(Type element) {
  if (isa<IndexType>(element))
    return 8;
  if (!element.isIntOrFloat())
    return 0;
  return llvm::PowerOf2Ceil(llvm::divideCeil(element.getIntOrFloatBitWidth(), 8));
}
