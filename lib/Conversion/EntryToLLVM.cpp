//===- EntryToLLVM.cpp - The C entry points over @main --------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime knows bare pointers and symbols; @main takes buffers with sizes. Sizes follow from the symbols by each
// argument's setun.shape. The layout of setun_frame (include/setun-rt/abi.h) is known here alone.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/Passes.h"
#include "setun/Transforms/Entry.h"
#include "setun/Transforms/SizeExpression.h"

#include "setun-rt/abi.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cstddef>

namespace setun {
#define GEN_PASS_DEF_ENTRYTOLLVM
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// Writes one entry point: a function of two pointers.
struct Writer {
  Writer(ModuleOp module, Location loc, StringRef name)
      : loc(loc), builder(module.getContext()), converter(module.getContext()),
        pointer(LLVM::LLVMPointerType::get(module.getContext())) {
    builder.setInsertionPointToEnd(module.getBody());
    auto type = builder.getFunctionType({pointer, pointer}, {});
    function = func::FuncOp::create(builder, loc, name, type);
    builder.setInsertionPointToStart(function.addEntryBlock());
  }

  Value element(Value base, Type type, int32_t index) {
    return LLVM::GEPOp::create(builder, loc, pointer, type, base, LLVM::GEPArg(index));
  }
  Value load(Value base, Type type, int32_t index) {
    return LLVM::LoadOp::create(builder, loc, type, element(base, type, index));
  }
  Value i64(int64_t value) { return LLVM::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(value)); }
  Value toI64(Value index) { return arith::IndexCastOp::create(builder, loc, builder.getI64Type(), index); }

  SmallVector<Value> loadSymbols(Value base, unsigned count) {
    SmallVector<Value> symbols;
    for (unsigned i = 0; i < count; ++i)
      symbols.push_back(
          arith::IndexCastOp::create(builder, loc, builder.getIndexType(), load(base, builder.getI64Type(), i)));
    return symbols;
  }

  /// The sizes that `shape` gives, as i64.
  SmallVector<Value> sizes(AffineMap shape, ValueRange symbols) {
    SmallVector<Value> result;
    for (AffineExpr expr : shape.getResults()) {
      auto map = AffineMap::get(0, shape.getNumSymbols(), expr);
      result.push_back(toI64(affine::AffineApplyOp::create(builder, loc, map, symbols)));
    }
    return result;
  }

  /// A contiguous buffer at `data` as a memref.
  Value buffer(MemRefType type, Value data, ArrayRef<Value> sizes) {
    SmallVector<Value> strides(sizes.size());
    Value stride = i64(1);
    for (int64_t i = static_cast<int64_t>(sizes.size()) - 1; i >= 0; --i) {
      strides[i] = stride;
      if (i > 0)
        stride = LLVM::MulOp::create(builder, loc, stride, sizes[i]);
    }
    SmallVector<Value> fields{data, data, i64(0)};
    llvm::append_range(fields, sizes);
    llvm::append_range(fields, strides);
    Value descriptor = MemRefDescriptor::pack(builder, loc, converter, type, fields);
    return UnrealizedConversionCastOp::create(builder, loc, TypeRange(type), descriptor).getResult(0);
  }

  Location loc;
  OpBuilder builder;
  LLVMTypeConverter converter;
  Type pointer;
  func::FuncOp function;
};

struct EntryToLLVM : setun::impl::EntryToLLVMBase<EntryToLLVM> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    func::FuncOp entry = entry::find(module);
    if (!entry)
      return;
    auto size = module.lookupSymbol<func::FuncOp>((entry.getName() + "_arena_size").str());
    if (!size) {
      entry.emitError("the entry function has no size function; run --setun-plan-memory first");
      return signalPassFailure();
    }
    if (failed(check(entry)))
      return signalPassFailure();
    hide(module, entry, size);
    writeRun(module, entry);
    writePlan(module, entry, size);
  }

  LogicalResult check(func::FuncOp entry) {
    if (entry.getNumResults())
      return entry.emitError("the entry function has results; run --setun-outputs-to-arguments first");
    unsigned symbols = entry::symbols(entry).size();
    for (unsigned i = 0, e = entry::firstSymbol(entry); i < e; ++i) {
      auto type = dyn_cast<MemRefType>(entry.getArgumentTypes()[i]);
      if (!type || !type.getLayout().isIdentity())
        return entry.emitError("argument ") << i << " is not a contiguous buffer: " << entry.getArgumentTypes()[i];
      for (StringRef name : {entry::kShape, entry::kNextShape}) {
        AffineMap shape = entry::shape(entry, i, name);
        if (!shape && name == entry::kNextShape)
          continue;
        if (!shape || shape.getNumResults() != type.getRank() || shape.getNumDims() || shape.getNumSymbols() != symbols)
          return entry.emitError("argument ")
                 << i << " needs a " << name << " of rank " << type.getRank() << " over " << symbols << " symbols";
      }
    }
    return success();
  }

  /// Only the entry points are seen from outside; each kernel stays a symbol of the object under its own name.
  static void hide(ModuleOp module, func::FuncOp entry, func::FuncOp size) {
    auto internal = LLVM::LinkageAttr::get(module.getContext(), LLVM::Linkage::Internal);
    Builder builder(module.getContext());
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      function.setPrivate();
      function->setAttr("llvm.linkage", internal);
      if (function != entry && function != size)
        function->setAttr("passthrough", builder.getStrArrayAttr({"noinline"}));
    }
  }

  static void writeRun(ModuleOp module, func::FuncOp entry) {
    Writer w(module, entry.getLoc(), "setun_run");
    Value rt = w.function.getArgument(0), frame = w.function.getArgument(1);
    auto field = [&](size_t offset) { return w.load(frame, w.pointer, offset / sizeof(void *)); };
    Value weights = field(offsetof(setun_frame, weights)), arena = field(offsetof(setun_frame, arena));
    Value buffers = field(offsetof(setun_frame, buffers));
    SmallVector<Value> symbols = w.loadSymbols(field(offsetof(setun_frame, symbols)), entry::symbols(entry).size());
    SmallVector<Value> operands;
    for (unsigned i = 0, e = entry::firstSymbol(entry); i < e; ++i)
      operands.push_back(w.buffer(cast<MemRefType>(entry.getArgumentTypes()[i]), w.load(buffers, w.pointer, i),
                                  w.sizes(entry::shape(entry, i), symbols)));
    llvm::append_range(operands, symbols);
    // The sizes of weights and arena are the runtime's business: views of them are not checked.
    for (auto [kind, value] : {std::pair(entry::Service::Weights, weights), std::pair(entry::Service::Arena, arena)})
      if (Value argument = entry::service(entry, kind))
        operands.push_back(w.buffer(cast<MemRefType>(argument.getType()), value, w.i64(SizeExpressions::limit)));
    if (entry::service(entry, entry::Service::Runtime))
      operands.push_back(rt);
    func::CallOp::create(w.builder, w.loc, entry, operands);
    func::ReturnOp::create(w.builder, w.loc);
  }

  static void writePlan(ModuleOp module, func::FuncOp entry, func::FuncOp size) {
    Writer w(module, entry.getLoc(), "setun_plan");
    SmallVector<Value> symbols = w.loadSymbols(w.function.getArgument(0), entry::symbols(entry).size());
    Value bytes = func::CallOp::create(w.builder, w.loc, size, symbols).getResult(0);
    SmallVector<Value> values{w.toI64(bytes)};
    for (unsigned i = 0, e = entry::firstSymbol(entry); i < e; ++i) {
      if (!entry.getArgAttr(i, entry::kOutput) && !entry.getArgAttr(i, entry::kState))
        continue;
      AffineMap next = entry::shape(entry, i, entry::kNextShape);
      llvm::append_range(values, w.sizes(next ? next : entry::shape(entry, i), symbols));
    }
    for (auto [i, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(w.builder, w.loc, value, w.element(w.function.getArgument(1), w.builder.getI64Type(), i));
    func::ReturnOp::create(w.builder, w.loc);
  }
};

} // namespace
