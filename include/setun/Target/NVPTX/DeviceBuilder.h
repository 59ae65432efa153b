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

  /// All threads of the block.
  void barrier();
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

  /// The i32 words of a vector of bytes or of wider numbers, and back.
  Value word(Value words, int64_t i) { return mlir::vector::ExtractOp::create(*this, words, i); }
};

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_DEVICEBUILDER_H
