//===- MapToDevice.cpp - What still works on memory becomes kernels -------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The way for operations without kernels of their own: the loops that processors run, an iteration a thread. Values
// that kernels read from memory cannot come back to the host, so a function in which a parallel loop needs one runs as
// a whole in one thread.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_MAPTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

constexpr int64_t kThreads = 128;

/// Whether `op` alone, not what is inside of it, touches memory.
bool touchesMemory(Operation *op) {
  if (isa<cf::AssertOp, memref::AllocaOp>(op))
    return true;
  if (isa<ViewLikeOpInterface, memref::DimOp, memref::CastOp, memref::ExtractStridedMetadataOp,
          memref::ExtractAlignedPointerAsIndexOp, CallOpInterface, RegionBranchOpInterface, scf::ForallOp,
          gpu::LaunchOp>(op) ||
      op->hasTrait<OpTrait::IsTerminator>())
    return false;
  return llvm::any_of(op->getOperandTypes(), [](Type type) { return isa<BaseMemRefType>(type); });
}

bool contains(Operation *op, llvm::function_ref<bool(Operation *)> is) {
  return op->walk([&](Operation *inner) { return is(inner) ? WalkResult::interrupt() : WalkResult::advance(); })
      .wasInterrupted();
}

bool isParallel(Operation *op) { return isa<scf::ForallOp, gpu::LaunchOp>(op); }

struct MapToDevice : nvptx::impl::MapToDeviceBase<MapToDevice> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(map(function)))
        return signalPassFailure();
  }

  LogicalResult map(func::FuncOp function) {
    if (!contains(function, touchesMemory) && !contains(function, [](Operation *op) { return isa<scf::ForallOp>(op); }))
      return success();
    if (!function.getBody().hasOneBlock())
      return function.emitError("a function with several blocks cannot run on a device");
    if (readsBack(function.front()) && failed(serialize(function.front())))
      return failure();
    return map(function.front());
  }

  /// Whether the host needs a value that a kernel would read.
  static bool readsBack(Block &block) {
    DenseSet<Value> ofDevice;
    for (Operation &op : block) {
      SetVector<Value> used(op.operand_begin(), op.operand_end());
      getUsedValuesDefinedAbove(op.getRegions(), used);
      bool depends = llvm::any_of(used, [&](Value value) { return ofDevice.contains(value); });
      if (depends && (contains(&op, isParallel) || op.hasTrait<OpTrait::IsTerminator>()))
        return true;
      if (depends || contains(&op, touchesMemory))
        ofDevice.insert(op.result_begin(), op.result_end());
      if (contains(&op, isParallel))
        for (Region &region : op.getRegions())
          if (!isParallel(&op) && llvm::any_of(region, [](Block &inner) { return readsBack(inner); }))
            return true;
    }
    return false;
  }

  static LogicalResult serialize(Block &block) {
    SmallVector<scf::ForallOp> loops;
    block.walk([&](scf::ForallOp loop) { loops.push_back(loop); });
    IRRewriter rewriter(block.getParentOp()->getContext());
    for (scf::ForallOp loop : loops) {
      rewriter.setInsertionPoint(loop);
      if (failed(scf::forallToForLoop(rewriter, loop)))
        return loop.emitError("cannot run this parallel loop serially");
    }
    return success();
  }

  LogicalResult map(Block &block) {
    SmallVector<Operation *> run; // of one thread
    DenseSet<Value> ofRun;
    auto flush = [&] {
      LogicalResult result = launchOne(run);
      run.clear();
      ofRun.clear();
      return result;
    };
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (op.hasTrait<OpTrait::IsTerminator>() || isa<CallOpInterface>(op) || contains(&op, isParallel)) {
        if (failed(flush()))
          return failure();
        if (auto loop = dyn_cast<scf::ForallOp>(op)) {
          if (failed(launchParallel(loop)))
            return failure();
        } else if (!isa<gpu::LaunchOp>(op)) {
          for (Region &region : op.getRegions())
            for (Block &inner : region)
              if (failed(map(inner)))
                return failure();
        }
        continue;
      }
      SetVector<Value> used(op.operand_begin(), op.operand_end());
      getUsedValuesDefinedAbove(op.getRegions(), used);
      if (contains(&op, touchesMemory) || llvm::any_of(used, [&](Value value) { return ofRun.contains(value); })) {
        run.push_back(&op);
        ofRun.insert(op.result_begin(), op.result_end());
      }
    }
    return flush();
  }

  static gpu::LaunchOp createLaunch(OpBuilder &builder, Location loc, Value blocks, Value threads) {
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    auto launch = gpu::LaunchOp::create(builder, loc, blocks, one, one, threads, one, one);
    builder.setInsertionPointToEnd(&launch.getBody().front());
    gpu::TerminatorOp::create(builder, loc);
    builder.setInsertionPointToStart(&launch.getBody().front());
    return launch;
  }

  static LogicalResult launchOne(ArrayRef<Operation *> run) {
    if (run.empty())
      return success();
    for (Operation *op : run)
      for (Operation *user : op->getUsers())
        if (!llvm::any_of(run, [&](Operation *other) { return other->isAncestor(user); }))
          return op->emitOpError("reads a value that the host needs: not possible on a device");
    OpBuilder builder(run.back());
    Value one = arith::ConstantIndexOp::create(builder, run.back()->getLoc(), 1);
    gpu::LaunchOp launch = createLaunch(builder, run.back()->getLoc(), one, one);
    for (Operation *op : run)
      op->moveBefore(launch.getBody().front().getTerminator());
    return success();
  }

  static LogicalResult launchParallel(scf::ForallOp loop) {
    if (loop.getRank() != 1 || loop->getNumResults())
      return loop.emitError("a parallel loop must have one dimension and no results to run on a device");
    if (failed(serialize(*loop.getBody())))
      return failure();
    Location loc = loop.getLoc();
    OpBuilder builder(loop);
    auto value = [&](OpFoldResult size) { return getValueOrCreateConstantIndexOp(builder, loc, size); };
    Value lower = value(loop.getMixedLowerBound().front()), upper = value(loop.getMixedUpperBound().front()),
          step = value(loop.getMixedStep().front());
    auto index = [&](int64_t number) { return arith::ConstantIndexOp::create(builder, loc, number).getResult(); };
    Value count = arith::CeilDivSIOp::create(builder, loc, arith::SubIOp::create(builder, loc, upper, lower), step);
    Value blocks = arith::CeilDivSIOp::create(builder, loc, count, index(kThreads));
    blocks = arith::MaxSIOp::create(builder, loc, blocks, index(1));
    gpu::LaunchOp launch = createLaunch(builder, loc, blocks, index(kThreads));
    gpu::KernelDim3 block = launch.getBlockIds(), thread = launch.getThreadIds(), grid = launch.getGridSize(),
                    size = launch.getBlockSize();
    Value first = arith::MulIOp::create(builder, loc, block.x, size.x);
    first = arith::AddIOp::create(builder, loc, first, thread.x);
    Value stride = arith::MulIOp::create(builder, loc, grid.x, size.x);
    auto rounds = scf::ForOp::create(builder, loc, first, count, stride);
    builder.setInsertionPointToStart(rounds.getBody());
    Value at = arith::MulIOp::create(builder, loc, rounds.getInductionVar(), step);
    IRMapping mapping;
    mapping.map(loop.getInductionVars().front(), arith::AddIOp::create(builder, loc, at, lower).getResult());
    for (Operation &op : loop.getBody()->without_terminator())
      builder.clone(op, mapping);
    loop.erase();
    return success();
  }
};

} // namespace
