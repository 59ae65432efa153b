//===- RuntimeCalls.cpp - Calls of the runtime's services -----------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layout of setun_rt (include/setun-rt/abi.h) is known here alone.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/RuntimeCalls.h"

#include "setun-rt/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

#include <cstddef>

using namespace mlir;

/// Calls the service whose pointer stands `offset` bytes into *rt.
static void callService(OpBuilder &builder, Location loc, Value rt, int32_t offset, ValueRange arguments) {
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  Value field = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), rt, LLVM::GEPArg(offset));
  SmallVector<Value> operands{LLVM::LoadOp::create(builder, loc, pointer, field)};
  llvm::append_range(operands, arguments);
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), llvm::to_vector(arguments.getTypes()));
  LLVM::CallOp::create(builder, loc, type, operands);
}

/// The address of a constant that holds the message and a zero.
static Value messageAddress(OpBuilder &builder, Location loc, StringRef message) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  std::string text = message.str() + std::string(1, '\0');
  LLVM::GlobalOp global;
  unsigned count = 0;
  for (auto known : module.getOps<LLVM::GlobalOp>()) {
    count += known.getSymName().starts_with("setun_message");
    if (auto value = dyn_cast_or_null<StringAttr>(known.getValueOrNull()); value && value.getValue() == text)
      global = known;
  }
  if (!global) {
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    global = LLVM::GlobalOp::create(top, loc, LLVM::LLVMArrayType::get(builder.getI8Type(), text.size()),
                                    /*isConstant=*/true, LLVM::Linkage::Private,
                                    "setun_message_" + std::to_string(count), builder.getStringAttr(text));
  }
  return LLVM::AddressOfOp::create(builder, loc, global);
}

void setun::emitFail(OpBuilder &builder, Location loc, Value rt, StringRef message) {
  callService(builder, loc, rt, offsetof(struct ::setun_rt, fail), {rt, messageAddress(builder, loc, message)});
}

void setun::emitParallelFor(OpBuilder &builder, Location loc, Value rt, Value count, Value grain, Value body,
                            Value env) {
  callService(builder, loc, rt, offsetof(struct ::setun_rt, parallel_for), {rt, count, grain, body, env});
}

void setun::emitLaunch(OpBuilder &builder, Location loc, Value rt, Value launch) {
  callService(builder, loc, rt, offsetof(struct ::setun_rt, launch), {rt, launch});
}

Value setun::loadDeviceFrame(OpBuilder &builder, Location loc, Value rt) {
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  int32_t offset = offsetof(struct ::setun_rt, device);
  Value field = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), rt, LLVM::GEPArg(offset));
  return LLVM::LoadOp::create(builder, loc, pointer, field);
}
