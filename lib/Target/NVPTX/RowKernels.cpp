//===- RowKernels.cpp - Norms and quantizers of a row ---------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row is read once: the sum of squares, the largest magnitude and the codes are made of what the threads hold.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/RowKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

template <typename OpTy> static RowQuantizer attributesOf(OpTy op) {
  RowQuantizer result;
  result.element = getElementTypeOrSelf(op.getX().getType());
  result.spelling = op.getSpelling();
  result.qmax = op.getQmax().convertToDouble();
  result.eps = op.getEps().convertToDouble();
  result.clamp.assign(op.getClamp().begin(), op.getClamp().end());
  return result;
}

RowQuantizer RowQuantizer::of(ternary::QuantizeOp op) { return attributesOf(op); }

RowQuantizer RowQuantizer::of(DeviceBuilder &b, ternary::NormQuantizeOp op) {
  RowQuantizer result = attributesOf(op);
  result.normEps = op.getNormEps().convertToDouble();
  result.gamma = RowSource::of(b, op.getGamma(), {});
  return result;
}

static Value countOf(DeviceBuilder &b, Value size) {
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), size);
  return b.createOrFold<arith::SIToFPOp>(b.getF32Type(), integer);
}

void nvptx::emitRowNorm(DeviceBuilder &b, DeviceRow &row, const RowSource &gamma, double epsilon, Type element) {
  Value squares = row.sum([&](const DeviceRow::Chunk &, Value x) { return arith::MulFOp::create(b, x, x); });
  LoopEmitter e(b, b.getLoc());
  Value mean = e.divf(squares, countOf(b, row.size()));
  Value rms = math::SqrtOp::create(b, e.addf(mean, e.constant(b.getF32Type(), epsilon)));
  row.transform([&b, &row, rms, gamma, element](const DeviceRow::Chunk &chunk, Value x) {
    LoopEmitter e(b, b.getLoc());
    auto rounded = [&](Value value) { return e.convert(e.convert(value, element), b.getF32Type()); };
    Value value = rounded(e.divf(x, e.splat(rms, 4)));
    return rounded(e.mulf(value, row.read(gamma, chunk)));
  });
}

Value nvptx::emitRowQuantize(DeviceBuilder &b, const RowTeam &team, const RowQuantizer &quantizer, const RowSource &x,
                             Value k, function_ref<void(const DeviceRow::Chunk &, Value)> store) {
  LoopEmitter e(b, b.getLoc());
  QuantizerSteps steps{e, quantizer.element, quantizer.spelling, quantizer.qmax, quantizer.eps, quantizer.clamp};
  DeviceRow row(b, team, x, k);
  if (quantizer.normEps)
    emitRowNorm(b, row, quantizer.gamma, *quantizer.normEps, quantizer.element);
  auto larger = [&](Value p, Value q) { return b.max(p, q); };
  Value bits = row.fold(
      b.constant(b.getI32Type(), 0),
      [&](const DeviceRow::Chunk &, Value value, Value most) { return larger(most, steps.magnitudeBits(value, 4)); },
      larger);
  Value c = steps.clampedMax(bits), factor = steps.factor(c);
  row.forEach([&](const DeviceRow::Chunk &chunk, Value value) {
    Value codes = steps.toInt8(steps.scaled(value, factor, 4), 4);
    if (Value exist = row.mask(chunk))
      codes = b.select(exist, codes, b.constant(codes.getType(), 0));
    store(chunk, b.word(b.bitcast(codes, b.i32s(1)), 0));
  });
  return c;
}

Value nvptx::emitRowQuantize(DeviceBuilder &b, const Threads &t, int64_t threads, const RowQuantizer &quantizer,
                             const RowSource &x, Value k, Value words) {
  // Words past the row first: a thread that writes one here writes none of the row there.
  Value count = b.ceilDiv(k, 4), padded = b.shl(b.ceilDiv(count, 4), 2);
  b.barrier(); // who still reads the words of a row before
  Value past = b.add(count, t.thread);
  b.branch(b.cmp(arith::CmpIPredicate::slt, past, padded),
           [&] { b.store(b.constant(b.getI32Type(), 0), words, past); });
  Value c = emitRowQuantize(b, RowTeam::ofBlock(t, threads), quantizer, x, k,
                            [&](const DeviceRow::Chunk &chunk, Value codes) {
                              auto write = [&] { b.store(codes, words, chunk.number); };
                              chunk.exists ? b.branch(chunk.exists, write) : write();
                            });
  b.barrier();
  return c;
}

int64_t nvptx::getRowThreads(Value k) {
  std::optional<int64_t> known = getConstant(k);
  if (!known)
    return 256;
  if (*known <= 512)
    return kWarp;
  return std::clamp<int64_t>(llvm::PowerOf2Ceil(llvm::divideCeil(*known, 16)), 64, 512);
}

void nvptx::launchRows(DeviceBuilder &b, Value buffer, function_ref<void(const RowTeam &, ArrayRef<Value>)> body) {
  LoopEmitter e(b, b.getLoc());
  SmallVector<Value> sizes;
  int64_t last = cast<MemRefType>(buffer.getType()).getRank() - 1;
  for (int64_t dim = 0; dim < last; ++dim)
    sizes.push_back(e.size(buffer, dim));
  Value rows = e.product(sizes), k = e.size(buffer, last);
  int64_t team = getRowThreads(k), threads = std::max<int64_t>(team, 128), rowsOfBlock = threads / team;
  if (team > kWarp)
    threads = team, rowsOfBlock = 1;
  Value blocks = b.max(b.ceilDiv(rows, rowsOfBlock), b.index(1));
  b.launch(blocks, threads, [&](const Threads &t) {
    RowTeam ours = team == kWarp ? RowTeam::ofWarp(t) : RowTeam::ofBlock(t, threads);
    Value first = team == kWarp ? b.add(b.mul(t.block, rowsOfBlock), t.warp) : t.block;
    // The grid covers all rows, so that no loop stands here; blocks past the end have no row.
    Value covered = b.cmp(arith::CmpIPredicate::slt, first, rows);
    b.branch(covered, [&] { body(ours, e.delinearize(first, sizes)); });
  });
}
