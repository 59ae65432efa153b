//===- KernelJit.h - Kernels of any target as functions of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_KERNELJIT_H
#define SETUN_TEST_CONFORMANCE_KERNELJIT_H

#include "KernelCompiler.h"

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

/// Every level that this processor runs, with additions only and with its best instructions.
std::vector<Variant> getVariants();

class KernelJit {
public:
  KernelJit();
  /// As KernelCompiler does. Functions are then found by name.
  bool compile(llvm::StringRef source, const Variant &variant, Loops loops = Loops::Serial);
  void *lookup(llvm::StringRef name);
  /// A function or constant that is not the source's.
  void *lookupSymbol(llvm::StringRef name);

private:
  KernelCompiler compiler;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_KERNELJIT_H
