//===- CompiledKernels.h - Steps of a model, run by the emulator -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions on buffers go the whole way of the CUDA target: the host's code runs
// here, and each of its launches in the emulator.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_UNIT_NVPTXKERNELS_COMPILEDKERNELS_H
#define SETUN_TEST_UNIT_NVPTXKERNELS_COMPILEDKERNELS_H

#include "setun/Target/NVPTX/Emulator.h"

#include "setun-rt/abi.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <memory>
#include <string>
#include <vector>

#ifndef __has_feature
#define __has_feature(FEATURE) 0
#endif

namespace setun::test {

/// Under a sanitizer the compiler and the emulator are watched, and slow; kernels are not: fewer of them will do.
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

/// A memref as functions with llvm.emit_c_interface take it, by its address.
template <typename T, size_t rank> struct Buffer {
  T *base, *data;
  int64_t offset;
  int64_t sizes[rank], strides[rank];
};

class CompiledKernels {
public:
  /// Null if it does not compile; `edit` or else `passes` lower the operations under test, which the rest of the
  /// pipeline follows.
  static std::unique_ptr<CompiledKernels> compile(llvm::StringRef source, llvm::StringRef passes,
                                                  llvm::StringRef target = "cuda:sm_80",
                                                  llvm::function_ref<void(mlir::ModuleOp)> edit = {});

  /// Calls a function of the source with pointers to its arguments. Kernels may touch `memory` and nothing else.
  /// Returns what went wrong.
  std::string run(llvm::StringRef function, std::vector<void *> arguments, std::vector<nvptx::MemoryRange> memory,
                  uint64_t seed = 0);

  /// What the emulator runs, and another version of it from now on; false if that cannot be read.
  llvm::StringRef getBitcode() const { return bitcode; }
  bool replaceBitcode(llvm::StringRef other, bool checkRaces = false);

private:
  struct Host;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::unique_ptr<nvptx::DeviceEmulator> emulator;
  std::vector<std::string> kernels;
  llvm::StringRef bitcode; // in the compiled code
};

} // namespace setun::test

#endif // SETUN_TEST_UNIT_NVPTXKERNELS_COMPILEDKERNELS_H
