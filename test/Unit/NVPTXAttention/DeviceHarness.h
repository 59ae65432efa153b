//===- DeviceHarness.h - Functions on buffers, on the CPU and by kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles MLIR functions on memrefs twice: as processors run them, and as the CUDA
// target does, their launches taken by the emulator. What both write is compared by
// the test.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_UNIT_NVPTXATTENTION_DEVICEHARNESS_H
#define SETUN_TEST_UNIT_NVPTXATTENTION_DEVICEHARNESS_H

#include "setun/Target/NVPTX/Emulator.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include "setun-rt/abi.h"

#include <deque>
#include <map>

namespace setun::nvptx {

/// A buffer of bytes with a view of it, or an index.
struct TestArgument {
  std::vector<char> *bytes = nullptr;
  std::vector<int64_t> sizes, strides; // in elements
  int64_t offset = 0, number = 0;

  static TestArgument index(int64_t number) {
    TestArgument result;
    result.number = number;
    return result;
  }
};

/// Functions of one source, compiled one way.
class CompiledFunctions {
public:
  /// `level`: "cuda:sm_80", or "" for the CPU. Null after a message on stderr.
  static std::unique_ptr<CompiledFunctions> compile(llvm::StringRef source, llvm::StringRef level);
  /// Calls a function; the error is the emulator's, or the message of a fault.
  llvm::Error call(llvm::StringRef name, llvm::ArrayRef<TestArgument> arguments, uint64_t seed = 0);
  /// Kernels that the last call has launched, in order.
  std::vector<std::string> launched;

private:
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::unique_ptr<DeviceEmulator> emulator;
  const setun_device_code *device = nullptr;

  struct Runtime {
    setun_rt services; // first
    CompiledFunctions *self;
    std::string message;
  };
  static void launch(setun_rt *rt, const setun_launch *launch);
  static void fail(setun_rt *rt, const char *message);
  static void parallelFor(setun_rt *rt, int64_t count, int64_t grain, setun_body_fn body, void *env);
};

} // namespace setun::nvptx

#endif // SETUN_TEST_UNIT_NVPTXATTENTION_DEVICEHARNESS_H
