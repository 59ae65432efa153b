//===- ProveAddSub.cpp - No multiplication in ternary products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A list of what may stand, not of what may not: an operation nobody thought of is
// an error. The address arithmetic that lies in a memref access is LLVM's affair;
// the test that disassembles objects looks at what became of it.
//
//===----------------------------------------------------------------------===//

#include "setun/Analysis/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace setun {
#define GEN_PASS_DEF_PROVEADDSUB
#include "setun/Analysis/Passes.h.inc"
} // namespace setun

using namespace mlir;

static constexpr StringLiteral kPrefix = "ternary_";

/// Operations that add, choose, unpack or move.
static bool isPlain(Operation *op) {
  if (isa<arith::ConstantOp, arith::AddIOp, arith::SubIOp, arith::AddFOp, arith::SubFOp, arith::NegFOp, arith::SelectOp,
          arith::CmpIOp, arith::CmpFOp, arith::MinSIOp, arith::MaxSIOp, arith::MinUIOp, arith::MaxUIOp, arith::ShLIOp,
          arith::ShRSIOp, arith::ShRUIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op))
    return true;
  if (isa<arith::ExtSIOp, arith::ExtUIOp, arith::ExtFOp, arith::TruncIOp, arith::TruncFOp, arith::SIToFPOp,
          arith::BitcastOp, arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return true;
  if (isa<memref::LoadOp, memref::StoreOp, memref::PrefetchOp, memref::AllocaOp, memref::CastOp, memref::DimOp,
          memref::ExtractStridedMetadataOp, memref::ReinterpretCastOp, memref::SubViewOp, memref::ViewOp>(op))
    return true;
  if (isa<vector::LoadOp, vector::StoreOp, vector::BroadcastOp, vector::BitCastOp, vector::ShapeCastOp,
          vector::ShuffleOp, vector::ExtractOp, vector::InsertOp, vector::FromElementsOp, vector::ToElementsOp,
          vector::ExtractStridedSliceOp, vector::InsertStridedSliceOp, vector::InterleaveOp, vector::DeinterleaveOp>(
          op))
    return true;
  if (auto reduction = dyn_cast<vector::ReductionOp>(op))
    return reduction.getKind() == vector::CombiningKind::ADD;
  if (auto call = dyn_cast<func::CallOp>(op))
    return call.getCallee().starts_with(kPrefix); // its own loops are looked at in turn
  // An instruction of a target that its emulation shows to be made of such operations.
  if (isa<LLVM::CallIntrinsicOp>(op))
    return op->hasAttr("setun.plain");
  return isa<scf::SCFDialect>(op->getDialect());
}

/// The loops around an operation within its function, innermost first.
static SmallVector<Operation *> getLoops(Operation *op) {
  SmallVector<Operation *> loops;
  for (Operation *parent = op->getParentOp(); parent && !isa<func::FuncOp>(parent); parent = parent->getParentOp())
    if (isa<LoopLikeOpInterface>(parent))
      loops.push_back(parent);
  return loops;
}

static bool isException(Operation *op, ArrayRef<Operation *> loops) {
  if (isa<arith::MulIOp, arith::DivUIOp, arith::RemUIOp, arith::DivSIOp, arith::CeilDivUIOp, arith::CeilDivSIOp>(op))
    return op->getResult(0).getType().isIndex() && loops.size() == 1;
  if (!isa<arith::MulFOp>(op))
    return false;
  bool holdsLoop = false;
  loops.front()->walk([&](LoopLikeOpInterface inner) { holdsLoop |= inner != loops.front(); });
  return holdsLoop;
}

namespace {

struct ProveAddSub : setun::impl::ProveAddSubBase<ProveAddSub> {
  void runOnOperation() override {
    bool proven = true;
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      if (!function.getName().starts_with(kPrefix))
        continue;
      function.walk([&](Operation *op) {
        SmallVector<Operation *> loops = getLoops(op);
        if (loops.empty() || isPlain(op) || isException(op, loops))
          return;
        proven = false;
        op->emitError("'") << op->getName() << "' inside a loop of the ternary product @" << function.getName()
                           << ", which may only add, subtract, choose and unpack";
      });
    }
    if (!proven)
      signalPassFailure();
    else
      markAllAnalysesPreserved();
  }
};

} // namespace
