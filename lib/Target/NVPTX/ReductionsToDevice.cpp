//===- ReductionsToDevice.cpp - Reductions to kernels ---------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elements side by side: a warp or a block a result, whose threads go along them. Columns: a thread a result, the rows
// shared by the warps of a block. Either way the order depends on sizes alone.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "Steps.h"
#include "setun/Conversion/LinalgNest.h"
#include "setun/Target/NVPTX/RowKernels.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_REDUCTIONSTODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 256, kWarps = kThreads / kWarp;
/// Elements along the threads that a warp folds alone.
constexpr int64_t kWarpElements = 1024;

namespace {

struct DeviceReduction {
  DeviceBuilder &b;
  LinalgNest nest;
  NestReduction reduction;

  Line lineOf(unsigned operand, ArrayRef<Value> ivs) {
    LoopEmitter e(b, b.getLoc());
    return nest.line(e, operand, ivs, std::nullopt);
  }

  /// sum combined with what one step adds.
  Value step(ArrayRef<Value> ivs, Value sum) {
    LoopEmitter e(b, b.getLoc());
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < nest.numInputs; ++i) {
      if (!nest.operands[i].isBuffer())
        arguments.push_back(nest.operands[i].value);
      else if (nest.body->getArgument(i).use_empty())
        arguments.push_back(nullptr);
      else {
        Line line = lineOf(i, ivs);
        arguments.push_back(memref::LoadOp::create(b, line.buffer, line.indices));
      }
    }
    Value value = nest.emitBody(e, arguments, ivs, std::nullopt, 1, reduction.combiner)[0];
    return reduction.combine(e, sum, isa<FloatType>(reduction.sumType) ? e.convert(value, reduction.sumType) : value);
  }

  /// Loops over `loops`, the first of them from `first` on by `stride`.
  Value fold(ArrayRef<int64_t> loops, SmallVector<Value> &ivs, Value sum, int64_t strided, Value first, int64_t stride) {
    if (loops.empty())
      return step(ivs, sum);
    bool isStrided = loops.front() == strided;
    return b.loop(isStrided ? first : b.index(0), nest.sizes[loops.front()], isStrided ? stride : 1, sum,
                  [&](Value iv, ValueRange carried) {
                    ivs[loops.front()] = iv;
                    return Values{fold(loops.drop_front(), ivs, carried[0], strided, first, stride)};
                  })[0];
  }

  void finish(ArrayRef<Value> ivs, Value sum) {
    LoopEmitter e(b, b.getLoc());
    Line out = lineOf(nest.numInputs, ivs);
    Value old = memref::LoadOp::create(b, out.buffer, out.indices);
    bool isFloat = isa<FloatType>(reduction.sumType);
    Value all = reduction.combine(e, isFloat ? e.convert(old, reduction.sumType) : old, sum);
    memref::StoreOp::create(b, isFloat ? e.convert(all, out.getElementType()) : all, out.buffer, out.indices);
  }

  Values keptSizes() {
    Values sizes;
    for (int64_t loop : reduction.kept)
      sizes.push_back(nest.sizes[loop]);
    return sizes;
  }

  SmallVector<Value> place(ArrayRef<int64_t> loops, ArrayRef<Value> at) {
    SmallVector<Value> ivs(nest.sizes.size());
    for (auto [loop, index] : llvm::zip(loops, at))
      ivs[loop] = index;
    return ivs;
  }

  /// A team for each result.
  void emitRows() {
    LoopEmitter e(b, b.getLoc());
    Values sizes = keptSizes();
    Value results = e.product(sizes);
    std::optional<int64_t> along = getConstant(nest.sizes[reduction.reduced.back()]);
    bool warps = along ? *along <= kWarpElements : getConstant(results) != 1;
    Value blocks = b.max(b.ceilDiv(results, warps ? kWarps : 1), b.index(1));
    b.launch(blocks, kThreads, [&](const Threads &t) {
      LoopEmitter e(b, b.getLoc());
      RowTeam team = warps ? RowTeam::ofWarp(t) : RowTeam::ofBlock(t, kThreads);
      Value number = warps ? b.add(b.mul(t.block, kWarps), t.warp) : t.block;
      b.branch(b.cmp(arith::CmpIPredicate::slt, number, results), [&] {
        SmallVector<Value> ivs = place(reduction.kept, e.delinearize(number, sizes));
        Value sum = fold(reduction.reduced, ivs, reduction.identity(e, 1), reduction.reduced.back(), team.member,
                         team.size);
        sum = team.reduce(b, sum, [&](Value x, Value y) { return reduction.combine(e, x, y); });
        b.branch(b.equals(team.member, 0), [&] { finish(ivs, sum); });
      });
    });
  }

  /// A lane for each result along the last loop that is kept, the outermost sum shared by warps.
  void emitColumns() {
    LoopEmitter e(b, b.getLoc());
    Values sizes = keptSizes();
    Value across = sizes.pop_back_val();
    Value groups = b.ceilDiv(across, kWarp), tasks = b.mul(e.product(sizes), groups);
    Type type = reduction.sumType;
    b.launch(b.max(tasks, b.index(1)), kThreads, [&](const Threads &t) {
      LoopEmitter e(b, b.getLoc());
      Value sums = b.shared(kThreads, type);
      b.branch(b.cmp(arith::CmpIPredicate::slt, t.block, tasks), [&] {
        Value column = b.add(b.shl(b.rem(t.block, groups), 5), t.lane);
        SmallVector<Value> at = e.delinearize(b.div(t.block, groups), sizes);
        at.push_back(b.min(column, b.sub(across, b.index(1)))); // lanes past the end keep the barrier company
        SmallVector<Value> ivs = place(reduction.kept, at);
        Value sum = fold(reduction.reduced, ivs, reduction.identity(e, 1), reduction.reduced.front(), t.warp, kWarps);
        b.store(sum, sums, t.thread);
        b.barrier();
        Value writes = b.createOrFold<arith::AndIOp>(b.equals(t.warp, 0),
                                                     b.cmp(arith::CmpIPredicate::slt, column, across));
        b.branch(writes, [&] {
          Value all = sum;
          for (int64_t warp = 1; warp < kWarps; ++warp)
            all = reduction.combine(e, all, b.load(sums, b.add(t.lane, warp * kWarp)));
          finish(ivs, all);
        });
      });
    });
  }
};

struct ReductionsToDevice : nvptx::impl::ReductionsToDeviceBase<ReductionsToDevice> {
  void runOnOperation() override {
    for (Operation *op : getSteps(getOperation())) {
      auto nested = dyn_cast<linalg::LinalgOp>(op);
      if (nested && nested.hasPureBufferSemantics() && nested.getNumReductionLoops() > 0 && convert(nested))
        op->erase();
    }
  }

  static bool convert(linalg::LinalgOp op) {
    DeviceBuilder b(op.getLoc(), op);
    LoopEmitter e(b, op.getLoc());
    std::optional<LinalgNest> nest = LinalgNest::match(e, op);
    std::optional<NestReduction> reduction = nest ? NestReduction::match(*nest) : std::nullopt;
    if (!reduction || !reduction->sumType.isIntOrFloat())
      return false;
    DeviceReduction device{b, std::move(*nest), std::move(*reduction)};
    if (device.reduction.kept.empty() || device.reduction.isAlongLast(device.nest))
      device.emitRows();
    else
      device.emitColumns();
    return true;
  }
};

} // namespace
