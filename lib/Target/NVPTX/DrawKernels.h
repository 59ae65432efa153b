//===- DrawKernels.h - Tokens drawn on the device -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the kernels of a draw have in common. Values are i64, f64 and i1; a thread
// owns four neighbours of a chunk of 1024, in order.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_DRAWKERNELS_H
#define SETUN_LIB_TARGET_NVPTX_DRAWKERNELS_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "setun-rt/abi.h"

namespace setun::nvptx {

constexpr int64_t kDrawThreads = SETUN_DRAW_THREADS, kDrawChunk = SETUN_DRAW_CHUNK;
constexpr int64_t kOwned = kDrawChunk / kDrawThreads;

/// A logit (f64) and its token (i64); in order where the logit is larger, or equal and the token before.
struct Candidate {
  Value logit, token;
};

/// Where sums pass a limit: the first place (i64), and the sum before it.
struct Crossing {
  Value place, before;
};

struct DrawKernel {
  DrawKernel(DeviceBuilder &b, mlir::gpu::GPUFuncOp kernel);

  using Predicate = llvm::function_ref<Value(Value sum)>;

  DeviceBuilder &b;
  mlir::gpu::GPUFuncOp kernel;
  mlir::Type i64, f64;
  Value options, logits, size, memory, result; // parameters; size: i64
  Value thread, block;                         // index
  Value begin, end;                            // of the block's span of the vocabulary, index

  // Numbers.
  Value number(int64_t value) { return b.constant(i64, value); }
  Value real(double value);
  Value toIndex(Value value);
  Value toNumber(Value value);
  Value both(Value x, Value y);
  Value either(Value x, Value y);
  Value negate(Value x);
  Value below(Value x, Value y) { return b.cmp(mlir::arith::CmpIPredicate::ult, x, y); }
  Value compare(mlir::arith::CmpFPredicate predicate, Value x, Value y);
  Value mulf(Value x, Value y);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);

  // The device's memory.
  Value address(Value base, int64_t bytes, Value at = {}, mlir::Type element = {});
  Value get(mlir::Type type, Value pointer);
  void set(Value value, Value pointer);
  void atomicAdd(Value pointer, Value value, bool isOr = false);
  Value option(mlir::Type type, int64_t offset) { return get(type, address(options, offset)); }
  Value pointerOption(int64_t offset);
  /// Element `at` (index) of an array of setun_draw_memory, or of the arrays behind it.
  Value ofMemory(int64_t offset, Value at = {});
  Value ofTokens(int64_t bytesBefore, Value at, mlir::Type element);
  Value logitOf(Value at) { return ofTokens(0, at, f64); }
  Value weightOf(Value at) { return ofTokens(8, at, i64); }
  /// Places in the lists, of which `list` is 0 or 1 (i64).
  Value listOf(Value list, Value at) {
    return ofTokens(16, b.add(at, toIndex(mlir::arith::MulIOp::create(b, list, size))), b.getI32Type());
  }
  Value countOf(Value at) { return ofTokens(24, at, b.getI32Type()); }

  // Lanes and blocks. All threads of the block call these.
  Value shared(int64_t count, mlir::Type element);
  Value shuffle(Value value, int64_t distance, bool isXor);
  /// Sums of the threads before, and of all.
  std::pair<Value, Value> scan(Value mine);
  Value sum(Value mine) { return scan(mine).second; }
  Candidate first(Candidate x, Candidate y);
  Candidate firstOfBlock(Candidate mine);
  /// What one thread at most has to tell all: i64 values, those of `otherwise` if none has.
  Values tell(Value finds, ValueRange found, ValueRange otherwise);
  /// The first of the chunk's values, four a thread, with which `before` and the sum passes; `otherwise` if none.
  Crossing cross(llvm::ArrayRef<Value> owned, Value before, Predicate passes, Value otherwise);
  /// Values of the chunk that begins at `from`, four a thread.
  Values own(Value from, llvm::function_ref<Value(Value at)> value);
  Value onlyFirst() { return b.equals(thread, 0); }

  // Draws.
  /// The largest logit of all.
  Candidate largest();
  /// (logit - largest) / temperature, and whether that weighs anything.
  Value distance(Value logit, Value best);
  Value weighs(Value distance);
  Value exponential(Value distance);
  /// The step of 1024 in which a distance that weighs is, i64.
  Value step(Value distance);
  /// Whether a candidate is `last` or stands before it.
  Value reaches(Value logit, Value token, Candidate last);
  /// The first candidate of a list with which `before` and the sum of their `measure` pass.
  Candidate resolve(llvm::function_ref<Value(Value at)> list, Value count, Value before,
                    llvm::function_ref<Value(Value token)> measure, Predicate passes);
  /// Tokens of the span, as indices; every thread of the block gets as many turns.
  void forSpan(llvm::function_ref<void(Value at)> body);
  Value getListed(Value list, Value at) { return toNumber(get(b.getI32Type(), listOf(list, at))); }
  /// The tokens of a step of the distance, of those that `also` wants, become the list.
  void gather(int64_t list, Value largest, Value step, llvm::function_ref<Value(Value logit, Value token)> also);

  void emitLargest(mlir::Type element);
  void emitWeigh();
  void emitRank();
  void emitShare();
  void emitSum();
  void emitPick();

private:
  void addBiases();
  void countHistory();
  Value punish(Value logit, Value at);
};

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_DRAWKERNELS_H
