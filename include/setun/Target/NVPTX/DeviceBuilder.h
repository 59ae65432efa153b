//===- DeviceBuilder.h - Writing CUDA kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The words that kernels are written in, on top of those of all targets. A kernel
// is a gpu.launch in the function of its step; what it uses of that function
// becomes its parameters.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_DEVICEBUILDER_H
#define SETUN_TARGET_NVPTX_DEVICEBUILDER_H

#include "setun/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace setun {
namespace nvptx {

constexpr int64_t kWarp = 32;

/// Inside of a launch: who the thread is. All are index values.
struct Threads {
  Value block, blockY, blockZ;    // of the grid
  Value blocks, blocksY, blocksZ; // sizes of the grid
  Value thread;                   // within the block, which has one dimension
  Value lane, warp;               // thread % 32, thread / 32
};

class DeviceBuilder : public KernelBuilder {
public:
  using KernelBuilder::KernelBuilder;

  /// Adds a launch of `grid` (one to three sizes) blocks of `threads` threads and fills it. The grid's sizes are at
  /// least 1. A kernel must be right for any grid that covers its work: it takes its share by loops.
  void launch(ValueRange grid, int64_t threads, llvm::function_ref<void(const Threads &)> body);

  /// The launch around.
  mlir::gpu::LaunchOp getLaunch();
  /// `count` elements of shared memory of the block, not initialized, for use in the launch around.
  Value shared(int64_t count, mlir::Type element);

  /// The launch around has a barrier, and is for several tokens.
  void forManyTokens();
  /// The launch around has a barrier, and a multiprocessor must hold so many of its blocks: without a number, ptxas
  /// spills registers to reach one that it likes.
  void holdBlocks(int64_t count);
  /// All threads of the block.
  void barrier();
  /// Lets the next kernel start and waits for the one in front. What stands before goes out before.
  void waitForKernelInFront();
  /// The value of lane (own lane ^ mask).
  Value shuffleXor(Value value, int64_t mask);
  /// Folds `value` over the lanes whose numbers differ in the bits of `width - 1` (a power of two, at most 32), in a
  /// fixed order; each gets the result.
  Value reduceLanes(Value value, int64_t width, llvm::function_ref<Value(Value, Value)> combine);

  /// A load or store of a vector that is aligned to its size.
  Value loadAligned(Value buffer, Value at, VectorType type);
  void storeAligned(Value value, Value buffer, Value at);

  /// sum + the four products of bytes of `a` and `b` (i32 each); `signedA`, `signedB` say how bytes are read.
  Value dp4a(Value a, bool signedA, Value b, bool signedB, Value sum);
  /// f32: a * b + c with one rounding.
  Value fma(Value a, Value b, Value c);

  /// Begins to copy 16 bytes from the device's memory to shared memory, both aligned to 16. Of them the first `count`
  /// elements are read and the others become zeros; without a count, all are read.
  void copyAsync(Value shared, Value to, Value source, Value from, Value count = {});
  /// The thread's copies since the last call become a group, which may be empty.
  void commitCopies();
  /// Until at most `groups` groups of this thread, the last ones, are not done. Other threads see them after a barrier.
  void waitForCopies(int64_t groups);

  /// mma.sync.m16n8k32 on signed bytes, by all threads of a warp: c (4 words) + a (4 words) * b (2 words). With g =
  /// lane / 4 and q = lane % 4, word r of a is row g + 8 (r % 2), columns 4q + 16 (r / 2) and three more; word r of b
  /// is column g, rows 4q + 16 r and three more; word r of c is row g + 8 (r / 2), column 2q + r % 2.
  Values mmaBytes(ValueRange a, ValueRange b, ValueRange c);

  /// wgmma.m64nNk32 on signed bytes (sm_90a), by the 128 threads of four warps, whose number is a multiple of four. It
  /// goes on by itself: sums may be used as sums of the next product alone, until all are waited for. Rows 16 w to 16 w
  /// + 15 are those of warp w; a as in mmaBytes; with N = 2 * sums, words 4 i to 4 i + 3 of the sums are mmaBytes' c of
  /// columns 8 i to 8 i + 7. `tokens` describes B in shared memory: see sharedMatrix.
  Values groupMmaBytes(ValueRange a, Value tokens, ValueRange sums);
  /// Registers as products may take them: what is written to them comes before. Sums of a product need it no more.
  Values groupOperands(ValueRange registers);
  /// The products since the last call become a group.
  void commitProducts();
  /// Until at most `groups` groups, the last ones, are not done.
  void waitForProducts(int64_t groups);
  /// The sums when all are done.
  Values waitForProducts(ValueRange sums);
  /// Bytes, N rows of 128, in shared memory from byte `at` on, as i64: 16 bytes number u of row r lie at 128 r + 16 (u
  /// xor r % 8). Rows begin at multiples of 1024 bytes of `shared`; `at` may be 32 k more, for columns from 32 k on.
  Value sharedMatrix(Value shared, Value at);
  /// What this thread has written to shared memory is there for products after the next barrier.
  void releaseToProducts();

  /// The i32 words of a vector of bytes or of wider numbers, and back.
  Value word(Value words, int64_t i) { return mlir::vector::ExtractOp::create(*this, words, i); }
};

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_DEVICEBUILDER_H
