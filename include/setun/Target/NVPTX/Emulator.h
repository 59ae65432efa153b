//===- Emulator.h - CUDA kernels on a CPU -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the LLVM IR that the NVPTX backend would get: each GPU thread is a fiber,
// barriers and warp collectives meet, asynchronous copies arrive when waited for.
// What a GPU leaves undefined is an error that names kernel, block and thread.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_EMULATOR_H
#define SETUN_TARGET_NVPTX_EMULATOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace setun::nvptx {

struct EmulatorOptions {
  /// Which threads run when, and when asynchronous copies arrive. 0: in order, copies as late as allowed; other seeds
  /// choose against the program. The same seed does the same again.
  uint64_t seed = 0;
  /// Check address and alignment of every load and store.
  bool checkAccesses = true;
  /// Follow every byte of shared memory: accesses that no barrier orders, and reads of what nobody has written, are
  /// errors under every seed. Of the device's memory, accesses by several blocks of a launch that nothing orders. Slow.
  bool checkRaces = false;
};

/// Bytes of the device's memory that kernels may touch.
struct MemoryRange {
  uint64_t begin, size;
};

/// What is known of a kernel without running it.
struct KernelInfo {
  std::string name;
  uint64_t paramsSize = 0;  // of all parameters as in a C struct, without padding behind the last
  uint64_t sharedBytes = 0; // of static shared memory
  uint32_t maxThreads = 1024;
  bool exactThreads = false;          // a block must have maxThreads threads
  bool signalsDependents = false;     // lets the next kernel start before this one's end
  std::vector<uint64_t> paramOffsets; // of each parameter
  std::vector<uint64_t> paramSizes;
};

struct LaunchConfig {
  std::array<uint32_t, 3> grid = {1, 1, 1}, block = {1, 1, 1};
  uint32_t sharedBytes = 0; // dynamic
  const void *params = nullptr;
  uint64_t paramsSize = 0;
};

/// A kernel between its start and its end.
class EmulatedLaunch {
public:
  virtual ~EmulatedLaunch() = default;
  /// Runs it to its end.
  virtual llvm::Error finish() = 0;
};

/// One module of device code. Not for several threads at once.
class DeviceEmulator {
public:
  virtual ~DeviceEmulator() = default;

  /// Reads bitcode. The error names what the emulator does not know: an intrinsic, inline assembly, a missing function.
  static llvm::Expected<std::unique_ptr<DeviceEmulator>> load(llvm::StringRef bitcode, EmulatorOptions options = {});

  virtual llvm::ArrayRef<KernelInfo> getKernels() const = 0;
  const KernelInfo *lookup(llvm::StringRef name) const;

  /// With a table of live allocations, accesses outside of them are errors. Without one, only alignment and shared
  /// memory are checked. Ranges need not be sorted, but must not overlap.
  virtual void setMemory(llvm::ArrayRef<MemoryRange> ranges) = 0;
  virtual void setSeed(uint64_t seed) = 0;

  /// Starts a kernel while work that it depends on has not run: some of its blocks go as far as griddepcontrol.wait.
  /// What it reads too early, it reads wrong. `early` is the number of such blocks. The parameters are copied.
  virtual llvm::Expected<std::unique_ptr<EmulatedLaunch>> begin(llvm::StringRef kernel, const LaunchConfig &config,
                                                                uint32_t early) = 0;
  /// Runs a kernel from start to end.
  llvm::Error launch(llvm::StringRef kernel, const LaunchConfig &config);
  llvm::Error launch(llvm::StringRef kernel, std::array<uint32_t, 3> grid, std::array<uint32_t, 3> block,
                     uint32_t sharedBytes, const void *params, uint64_t size);
};

} // namespace setun::nvptx

#endif // SETUN_TARGET_NVPTX_EMULATOR_H
