//===- ElementwiseToLoops.cpp - Elementwise work to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors are written here and not left to LLVM: its vectorizer gives up on the
// many buffers of a fused epilogue, for it must prove them apart at run time.
// Operands that all lanes share are read before the innermost loop for the same
// reason.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/LinalgNest.h"
#include "setun/Conversion/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace setun {
#define GEN_PASS_DEF_CONVERTELEMENTWISETOLOOPS
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

/// Elements of a one-dimensional nest that are one step of the parallel loop.
constexpr int64_t kChunk = 1024;

namespace {
struct ElementwiseEmitter {
  LoopEmitter &e;
  const LinalgNest &nest;
  int64_t lane; // the loop whose steps are lanes

  /// Elements [from, to) along the lanes, at the indices of the other loops.
  void emitLine(SmallVector<Value> ivs, Value from, Value to) {
    SmallVector<Line> lines;
    SmallVector<Value> shared(nest.operands.size());
    for (auto [i, operand] : llvm::enumerate(nest.operands)) {
      lines.push_back(operand.isBuffer() ? nest.line(e, i, ivs, lane) : Line());
      if (!operand.isBuffer())
        shared[i] = operand.value;
      else if (!lines[i].dim && isRead(i))
        shared[i] = e.read(lines[i], nullptr, Lanes{});
    }
    auto step = [&](Value at, int64_t width) {
      SmallVector<Value> arguments;
      for (auto [i, line] : llvm::enumerate(lines))
        arguments.push_back(shared[i]   ? e.splat(shared[i], width)
                            : isRead(i) ? e.read(line, at, Lanes{width})
                                        : Value());
      ivs[lane] = at;
      SmallVector<Value> results = nest.emitBody(e, arguments, ivs, lane, width);
      for (auto [i, result] : llvm::enumerate(results))
        e.write(lines[nest.numInputs + i], at, result, Lanes{width});
    };
    Value whole = from;
    bool outputsHaveLanes =
        llvm::all_of(ArrayRef(lines).drop_front(nest.numInputs), [](const Line &l) { return l.dim.has_value(); });
    if (outputsHaveLanes && nest.hasLanes()) {
      Value size = e.sub(to, from);
      whole = e.add(from, e.roundDown(size, e.freeLanes));
      e.loop(from, whole, e.freeLanes, [&](Value at) { step(at, e.freeLanes); });
      if (getConstantIntValue(size) && *getConstantIntValue(size) % e.freeLanes == 0)
        return;
    }
    e.loop(whole, to, 1, [&](Value at) { step(at, 1); });
  }

  bool isRead(unsigned operand) const { return !nest.body->getArgument(operand).use_empty(); }
};
} // namespace

static void emitNest(LoopEmitter &e, const LinalgNest &nest) {
  int64_t loops = nest.sizes.size(), work = nest.bodyWork();
  ElementwiseEmitter emitter{e, nest, loops - 1};
  if (loops == 0) {
    SmallVector<Value> arguments;
    for (auto [i, operand] : llvm::enumerate(nest.operands))
      arguments.push_back(!operand.isBuffer() ? operand.value
                                              : e.read(nest.line(e, i, {}, std::nullopt), nullptr, Lanes{}));
    SmallVector<Value> results = nest.emitBody(e, arguments, {}, std::nullopt, 1);
    for (auto [i, result] : llvm::enumerate(results))
      e.write(nest.line(e, nest.numInputs + i, {}, std::nullopt), nullptr, result, Lanes{});
    return;
  }
  Value size = nest.sizes.back();
  if (loops > 1)
    return emitParallelNest(e, ArrayRef(nest.sizes).drop_back(), e.mul(e.index(work), size),
                            [&](ArrayRef<Value> outer) {
                              SmallVector<Value> ivs(outer);
                              ivs.push_back(nullptr);
                              emitter.emitLine(ivs, e.index(0), size);
                            });
  std::optional<int64_t> known = getConstantIntValue(size);
  if (known && *known * work <= kTaskWork)
    return emitter.emitLine({nullptr}, e.index(0), size);
  e.parallel(e.ceilDiv(size, kChunk), e.index(work * kChunk), [&](Value chunk) {
    Value from = e.mul(chunk, e.index(kChunk)), end = e.add(from, e.index(kChunk));
    emitter.emitLine({nullptr}, from, known && *known % kChunk == 0 ? end : e.min(end, size));
  });
}

namespace {
struct ConvertElementwiseToLoops : setun::impl::ConvertElementwiseToLoopsBase<ConvertElementwiseToLoops> {
  using ConvertElementwiseToLoopsBase::ConvertElementwiseToLoopsBase;
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics() && op.getNumParallelLoops() == op.getNumLoops())
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      LoopEmitter emitter(rewriter, op.getLoc(), vectorBits);
      std::optional<LinalgNest> nest = LinalgNest::match(emitter, op);
      if (nest) {
        nest->collapse(emitter);
        emitNest(emitter, *nest);
      } else if (failed(linalg::linalgOpToLoops(rewriter, op))) {
        op->emitOpError("has no lowering to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
    }
  }
};
} // namespace
