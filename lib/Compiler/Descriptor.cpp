//===- Descriptor.cpp - The model as the runtime sees it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The structs here are those of include/setun-rt/abi.h, field by field.

#include "setun/Compiler/Descriptor.h"

#include "setun-rt/abi.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"

using namespace mlir;
using namespace setun;

static FailureOr<uint32_t> dtypeOf(func::FuncOp entry, Type type, StringAttr spelled) {
  Type element = getElementTypeOrSelf(type);
  if (spelled)
    if (uint32_t dtype =
            llvm::StringSwitch<uint32_t>(spelled.getValue()).Case("u8", SETUN_U8).Case("bool", SETUN_BOOL).Default(0))
      return dtype;
  if (element.isF32())
    return SETUN_F32;
  if (element.isF64())
    return SETUN_F64;
  if (element.isF16())
    return SETUN_F16;
  if (element.isBF16())
    return SETUN_BF16;
  if (element.isInteger(1))
    return SETUN_BOOL;
  if (element.isInteger(8))
    return SETUN_I8;
  if (element.isInteger(16))
    return SETUN_I16;
  if (element.isInteger(32))
    return SETUN_I32;
  if (element.isInteger(64))
    return SETUN_I64;
  return entry.emitError() << "inputs and outputs of type " << element << " are not supported";
}

/// Sizes of a `setun.shape` map: constants as they are, symbol s as -1 - s; of an output, -1 for what plan tells.
static SmallVector<int64_t> dimsOf(AffineMapAttr shape, ShapedType type, bool output) {
  SmallVector<int64_t> dims;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!type.isDynamicDim(i))
      dims.push_back(type.getDimSize(i));
    else if (output)
      dims.push_back(-1);
    else
      dims.push_back(-1 - static_cast<int64_t>(cast<AffineSymbolExpr>(shape.getValue().getResult(i)).getPosition()));
  }
  return dims;
}

FailureOr<ModelDescriptor> setun::describeModel(func::FuncOp entry) {
  ModelDescriptor model;
  llvm::StringMap<int32_t> symbolIndex;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i)
    if (auto symbol = entry.getArgAttrOfType<StringAttr>(i, "setun.symbol")) {
      symbolIndex[symbol.getValue()] = model.symbols.size();
      model.symbols.push_back({symbol.str(), symbol.getValue() == "capacity" ? SETUN_CAPACITY : SETUN_DIM});
    }
  llvm::StringSet<llvm::MallocAllocator> states;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    auto name = entry.getArgAttrOfType<StringAttr>(i, "setun.name");
    if (!name)
      continue;
    auto type = cast<ShapedType>(entry.getArgumentTypes()[i]);
    FailureOr<uint32_t> dtype = dtypeOf(entry, type, entry.getArgAttrOfType<StringAttr>(i, "setun.dtype"));
    if (failed(dtype))
      return failure();
    ModelDescriptor::Argument argument;
    argument.name = name.str();
    argument.kind = SETUN_INPUT;
    argument.dtype = *dtype;
    argument.dims = dimsOf(entry.getArgAttrOfType<AffineMapAttr>(i, "setun.shape"), type, false);
    if (auto state = entry.getArgAttrOfType<StringAttr>(i, "setun.state")) {
      states.insert(state.getValue());
      argument.kind = SETUN_STATE;
      argument.outputName = state.str();
      if (auto position = entry.getArgAttrOfType<StringAttr>(i, "setun.position")) {
        argument.axis = entry.getArgAttrOfType<IntegerAttr>(i, "setun.axis").getInt();
        argument.position = symbolIndex.lookup(position.getValue());
        model.symbols[argument.position].kind = SETUN_POSITION;
      }
    }
    model.arguments.push_back(argument);
  }
  for (unsigned i = 0; i < entry.getNumResults(); ++i) {
    auto name = entry.getResultAttrOfType<StringAttr>(i, "setun.name");
    if (!name || states.contains(name.getValue()))
      continue;
    auto type = cast<ShapedType>(entry.getResultTypes()[i]);
    FailureOr<uint32_t> dtype = dtypeOf(entry, type, entry.getResultAttrOfType<StringAttr>(i, "setun.dtype"));
    if (failed(dtype))
      return failure();
    ModelDescriptor::Argument argument;
    argument.name = name.str();
    argument.kind = SETUN_OUTPUT;
    argument.dtype = *dtype;
    argument.dims = dimsOf({}, type, true);
    model.arguments.push_back(argument);
  }
  return model;
}

namespace {
/// Builds constants for C structs in one LLVM module.
struct ConstantBuilder {
  llvm::Module &module;
  llvm::LLVMContext &context = module.getContext();
  llvm::PointerType *pointer = llvm::PointerType::getUnqual(context);

  llvm::Constant *u32(uint32_t value) { return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value); }
  llvm::Constant *u64(uint64_t value) { return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value); }
  llvm::Constant *null() { return llvm::ConstantPointerNull::get(pointer); }

  llvm::Constant *global(llvm::Constant *value) {
    auto *variable = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                              llvm::GlobalValue::PrivateLinkage, value, "setun.descriptor");
    return variable;
  }
  llvm::Constant *string(StringRef text) { return global(llvm::ConstantDataArray::getString(context, text)); }
  llvm::Constant *structure(ArrayRef<llvm::Constant *> fields) {
    return llvm::ConstantStruct::getAnon(context, fields);
  }
  /// A pointer to an array of equal structs, or null for none.
  llvm::Constant *array(ArrayRef<llvm::Constant *> items) {
    if (items.empty())
      return null();
    return global(llvm::ConstantArray::get(llvm::ArrayType::get(items.front()->getType(), items.size()), items));
  }
};
} // namespace

void setun::emitDescriptor(const ModelDescriptor &model, ArrayRef<std::pair<std::string, uint64_t>> levels,
                           llvm::Module &module) {
  ConstantBuilder c{module};
  SmallVector<llvm::Constant *> symbols, arguments, levelStructs;
  for (const ModelDescriptor::Symbol &symbol : model.symbols)
    symbols.push_back(c.structure({c.string(symbol.name), c.u32(symbol.kind), c.u32(0)}));
  for (const ModelDescriptor::Argument &a : model.arguments) {
    SmallVector<llvm::Constant *> dims;
    for (int64_t dim : a.dims)
      dims.push_back(c.u64(dim));
    arguments.push_back(
        c.structure({c.string(a.name), a.outputName.empty() ? c.null() : c.string(a.outputName), c.u32(a.kind),
                     c.u32(a.dtype), c.u32(a.dims.size()), c.u32(a.axis), c.array(dims), c.u32(a.position), c.u32(0)}));
  }
  for (const auto &[name, features] : levels) {
    llvm::Constant *device = module.getNamedGlobal("setun_device_code_" + name);
    levelStructs.push_back(c.structure({c.string(name), c.u64(features), module.getFunction("setun_run_" + name),
                                        module.getFunction("setun_plan_" + name), device ? device : c.null()}));
  }
  llvm::Constant *descriptor =
      c.structure({c.u32(SETUN_ABI_VERSION), c.u32(symbols.size()), c.u32(arguments.size()), c.u32(levels.size()),
                   c.string(model.name), c.array(symbols), c.array(arguments), c.array(levelStructs),
                   model.weightsFile.empty() ? c.null() : c.string(model.weightsFile), c.u64(model.weightsSize),
                   c.u64(model.dataOffset), c.u64(model.headerHash), c.u64(model.defaultCapacity),
                   c.u64(model.textOffset), c.u64(model.textSize), c.u64(model.parameters)});
  new llvm::GlobalVariable(module, descriptor->getType(), /*isConstant=*/true, llvm::GlobalValue::ExternalLinkage,
                           descriptor, SETUN_MODEL_SYMBOL);
}
