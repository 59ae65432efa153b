//===- ReductionsToLoops.cpp - Reductions to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order of a sum is chosen by the op's indexing maps alone, never by strides:
// where a buffer ends up in memory must not change a bit.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/LinalgNest.h"
#include "setun/Conversion/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTREDUCTIONSTOLOOPS
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {
struct ReductionEmitter {
  LoopEmitter &e;
  LinalgNest &nest;
  const NestReduction &reduction;
  Operation *combiner = reduction.combiner;
  Type sumType = reduction.sumType;
  ArrayRef<int64_t> kept = reduction.kept, reduced = reduction.reduced; // loops

  Value identity(int64_t width) { return reduction.identity(e, width); }
  Value combine(Value sum, Value value) { return reduction.combine(e, sum, value); }

  /// What one step adds: the body up to the combiner.
  Value element(ArrayRef<Value> ivs, std::optional<int64_t> free, Value at, Lanes lanes) {
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < nest.numInputs; ++i) {
      if (!nest.operands[i].isBuffer())
        arguments.push_back(nest.operands[i].value);
      else if (nest.body->getArgument(i).use_empty())
        arguments.push_back(nullptr);
      else
        arguments.push_back(e.read(nest.line(e, i, ivs, free), at, lanes));
    }
    SmallVector<Value> values(ivs);
    if (free)
      values[*free] = at;
    Value result = nest.emitBody(e, arguments, values, free, lanes.width, combiner)[0];
    return isa<FloatType>(sumType) ? e.convert(result, sumType) : result;
  }

  void finish(const Line &out, Value at, Value sum, Lanes lanes) {
    Value old = e.read(out, at, lanes);
    if (isa<FloatType>(sumType))
      e.write(out, at, e.convert(combine(e.convert(old, sumType), sum), out.getElementType()), lanes);
    else
      e.write(out, at, combine(old, sum), lanes);
  }

  /// Loops over `reduced` from number `depth` on, carrying `sum`; `inner` does the innermost.
  Value reduceLoops(size_t depth, size_t end, SmallVector<Value> &ivs, Value sum, function_ref<Value(Value)> inner) {
    if (depth == end)
      return inner(sum);
    return e.loop(e.index(0), nest.sizes[reduced[depth]], 1, {sum}, [&](Value iv, ValueRange carried) {
      ivs[reduced[depth]] = iv;
      return SmallVector<Value>{reduceLoops(depth + 1, end, ivs, carried[0], inner)};
    })[0];
  }

  void emitByLanesOfSum(SmallVector<Value> ivs) {
    int64_t last = reduced.back();
    Value sum = reduceLoops(0, reduced.size() - 1, ivs, identity(kSumLanes), [&](Value outer) {
      return e.steps(nest.sizes[last], kSumLanes, {outer}, [&](Value at, Lanes lanes, ValueRange carried) {
        Value next = combine(carried[0], element(ivs, last, at, lanes));
        if (lanes.count)
          next = arith::SelectOp::create(e.b, e.loc, e.mask(lanes), next, carried[0]);
        return SmallVector<Value>{next};
      })[0];
    });
    Value total = e.tree(sum, [&](Value x, Value y) { return combine(x, y); });
    finish(nest.line(e, nest.numInputs, ivs, std::nullopt), nullptr, total, Lanes{});
  }

  void emitByLanesOfResult(SmallVector<Value> ivs) {
    int64_t lane = kept.back();
    Line out = nest.line(e, nest.numInputs, ivs, lane);
    e.steps(nest.sizes[lane], e.freeLanes, {}, [&](Value at, Lanes lanes, ValueRange) {
      Value sum = reduceLoops(0, reduced.size(), ivs, identity(e.freeLanes),
                              [&](Value carried) { return combine(carried, element(ivs, lane, at, lanes)); });
      finish(out, at, sum, lanes);
      return SmallVector<Value>();
    });
  }
};
} // namespace

static bool emitReduction(LoopEmitter &e, linalg::LinalgOp op) {
  std::optional<LinalgNest> nest = LinalgNest::match(e, op);
  if (!nest || !nest->hasLanes())
    return false;
  std::optional<NestReduction> reduction = NestReduction::match(*nest);
  if (!reduction)
    return false;
  ReductionEmitter emitter{e, *nest, *reduction};
  Value work = e.index(nest->bodyWork());
  for (int64_t loop : reduction->reduced)
    work = e.mul(work, nest->sizes[loop]);
  bool byLanesOfSum = reduction->kept.empty() || reduction->isAlongLast(*nest);
  ArrayRef<int64_t> outer = emitter.kept;
  if (!byLanesOfSum)
    outer = outer.drop_back();
  SmallVector<Value> outerSizes = llvm::map_to_vector(outer, [&](int64_t loop) { return nest->sizes[loop]; });
  if (!byLanesOfSum)
    work = e.mul(work, nest->sizes[emitter.kept.back()]);
  emitParallelNest(e, outerSizes, work, [&](ArrayRef<Value> at) {
    SmallVector<Value> ivs(nest->sizes.size(), nullptr);
    for (auto [loop, index] : llvm::zip(outer, at))
      ivs[loop] = index;
    if (byLanesOfSum)
      emitter.emitByLanesOfSum(ivs);
    else
      emitter.emitByLanesOfResult(ivs);
  });
  return true;
}

namespace {
struct ConvertReductionsToLoops : setun::impl::ConvertReductionsToLoopsBase<ConvertReductionsToLoops> {
  using ConvertReductionsToLoopsBase::ConvertReductionsToLoopsBase;
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics() && op.getNumReductionLoops() > 0)
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      LoopEmitter emitter(rewriter, op.getLoc(), vectorBits);
      if (!emitReduction(emitter, op) && failed(linalg::linalgOpToLoops(rewriter, op))) {
        op->emitOpError("has no lowering to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
    }
  }
};
} // namespace
