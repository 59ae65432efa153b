//===- KernelJit.h - Kernels of any target as functions of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_KERNELJIT_H
#define SETUN_TEST_CONFORMANCE_KERNELJIT_H

#include "setun/Target/Registry.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

namespace setun::conformance {

/// Descriptors as generated code takes them.
struct Vector {
  void *allocated, *aligned;
  int64_t offset, size, stride;
};
struct Matrix {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
};
inline Vector vectorOf(void *data, int64_t size) { return {data, data, 0, size, 1}; }
inline Matrix matrixOf(void *data, int64_t rows, int64_t cols, int64_t stride) {
  return {data, data, 0, {rows, cols}, {stride, 1}};
}

/// How a target's kernels are compiled.
struct Variant {
  const TargetLevel *level;
  Products products;
  bool emulated; // intrinsics as plain arithmetic, code for the plainest processor
  std::string name() const;
};

/// Every target, with additions only and with its best instructions; natively where this processor has the level's
/// features, and by emulation where a level uses instructions.
std::vector<Variant> getVariants();

class KernelJit {
public:
  KernelJit();
  /// Runs the product lowering and everything after it on `source`, parallel loops made serial. Functions are then
  /// found by name through their C interface. Reports errors on stderr.
  bool compile(llvm::StringRef source, const Variant &variant);
  void *lookup(llvm::StringRef name);

private:
  mlir::MLIRContext context;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

/// A function `name` with one product; sizes of -1 are dynamic. `scales`: groups, 0 for none, -1 dynamic.
std::string productSource(llvm::StringRef name, llvm::StringRef type, int64_t m, int64_t n, int64_t k, int64_t scales);

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_KERNELJIT_H
