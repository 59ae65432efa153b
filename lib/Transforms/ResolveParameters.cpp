//===- ResolveParameters.cpp - Parameters become views of the weights -----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The weights file's layout is decided here, once, before bufferization: upstream cannot bufferize a global whose value
// is outside the IR, and a view at a constant offset is what the code needs in the end.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/Support/CheckedArithmetic.h"

namespace setun {
#define GEN_PASS_DEF_RESOLVEPARAMETERS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;
using ml_program::GlobalLoadConstOp;
using ml_program::GlobalOp;

namespace {

constexpr int64_t kAlignment = 64;

/// Bytes of a parameter as the weights file holds it; none if its type cannot stand there.
std::optional<int64_t> byteSize(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return std::nullopt;
  std::optional<int64_t> size = entry::elementBytes(tensor.getElementType());
  if (*size == 0)
    return std::nullopt;
  for (int64_t dim : tensor.getShape())
    if (!(size = llvm::checkedMul(*size, dim)))
      return std::nullopt;
  return size;
}

struct ResolveParameters : setun::impl::ResolveParametersBase<ResolveParameters> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    func::FuncOp function = entry::find(module);
    if (!function)
      return;
    DenseMap<StringAttr, SmallVector<GlobalLoadConstOp>> loads;
    WalkResult walk = module.walk([&](GlobalLoadConstOp load) {
      if (load->getParentOfType<func::FuncOp>() != function) {
        load.emitError("a parameter is read outside the entry function");
        return WalkResult::interrupt();
      }
      loads[load.getGlobal().getLeafReference()].push_back(load);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();

    Value weights = entry::getOrAddService(function, entry::Service::Weights);
    OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
    int64_t end = 0;
    for (GlobalOp global : llvm::make_early_inc_range(module.getOps<GlobalOp>())) {
      auto uses = loads.find(global.getSymNameAttr());
      if (uses == loads.end()) {
        if (global.isPrivate())
          global.erase();
        continue;
      }
      std::optional<int64_t> offset = place(global, end);
      if (!offset)
        return signalPassFailure();
      global->setAttr(entry::kOffset, builder.getI64IntegerAttr(*offset));
      replace(global, uses->second, weights, *offset, builder);
    }
    // Last, for one of them may be where the views go.
    for (auto &[name, dead] : loads)
      for (GlobalLoadConstOp load : dead)
        load.erase();
  }

  /// The parameter's offset after the bytes so far, which then end behind it.
  std::optional<int64_t> place(GlobalOp global, int64_t &end) {
    if (global.getIsMutable()) {
      global.emitError("a parameter must not be mutable");
      return std::nullopt;
    }
    std::optional<int64_t> size = byteSize(global.getType());
    if (!size) {
      global.emitError("parameter has type ")
          << global.getType() << ", which cannot stand in the weights file: it needs static sizes and whole bytes "
          << "(trits are packed by --setun-materialize-encoding)";
      return std::nullopt;
    }
    uint64_t offset = llvm::alignTo(end, *size >= large ? page : kAlignment);
    std::optional<int64_t> next = llvm::checkedAdd<int64_t>(offset, *size);
    if (!next) {
      global.emitError("the weights exceed 2^63 bytes");
      return std::nullopt;
    }
    end = *next;
    return offset;
  }

  static void replace(GlobalOp global, SmallVectorImpl<GlobalLoadConstOp> &loads, Value weights, int64_t offset,
                      OpBuilder &builder) {
    auto type = cast<RankedTensorType>(global.getType());
    Location loc = loads.front()->getLoc();
    Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
    Value view = memref::ViewOp::create(builder, loc, MemRefType::get(type.getShape(), type.getElementType()), weights,
                                        shift, ValueRange());
    Value tensor = bufferization::ToTensorOp::create(builder, loc, type, view, /*restrict=*/true);
    for (GlobalLoadConstOp load : loads)
      load.replaceAllUsesWith(tensor);
  }
};

} // namespace
