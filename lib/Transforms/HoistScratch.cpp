//===- HoistScratch.cpp - Stack scratch leaves loops ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A memref.alloca inside a loop becomes a stack allocation a round, freed only when the function returns: a long loop
// would run out of stack.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace setun {
#define GEN_PASS_DEF_HOISTSCRATCH
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct HoistScratch : setun::impl::HoistScratchBase<HoistScratch> {
  void runOnOperation() override {
    WalkResult walk = getOperation()->walk([](memref::AllocaOp alloca) {
      auto function = alloca->getParentOfType<func::FuncOp>();
      // In a parallel loop each thread needs its own.
      if (!function || alloca->getParentOfType<scf::ForallOp>() || alloca->getParentOfType<scf::ParallelOp>())
        return WalkResult::advance();
      if (alloca.getDynamicSizes().empty() && alloca.getSymbolOperands().empty()) {
        alloca->moveBefore(&function.front(), function.front().begin());
      } else if (alloca->getParentOfType<LoopLikeOpInterface>()) {
        alloca.emitError("scratch of dynamic size inside a loop would use up the stack");
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
