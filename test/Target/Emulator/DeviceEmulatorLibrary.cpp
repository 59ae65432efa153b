//===- DeviceEmulatorLibrary.cpp - The emulator by plain C functions -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun-rt/abi.h"
#include "setun/Target/NVPTX/Emulator.h"

#include <cstdio>

using namespace setun::nvptx;

static bool report(llvm::Error error) {
  if (!error)
    return true;
  std::fprintf(stderr, "%s\n", llvm::toString(std::move(error)).c_str());
  return false;
}

extern "C" {

void *emulator_open(const setun_image *image) {
  auto emulator = DeviceEmulator::load(llvm::StringRef(static_cast<const char *>(image->data), image->size));
  if (!emulator)
    return report(emulator.takeError()), nullptr;
  return emulator->release();
}

/// `ranges` holds addresses and sizes by turns.
void emulator_prepare(void *emulator, const uint64_t *ranges, uint64_t count, uint64_t seed) {
  std::vector<MemoryRange> memory;
  for (uint64_t i = 0; i < count; ++i)
    memory.push_back({ranges[2 * i], ranges[2 * i + 1]});
  static_cast<DeviceEmulator *>(emulator)->setMemory(memory);
  static_cast<DeviceEmulator *>(emulator)->setSeed(seed);
}

int emulator_launch(void *emulator, const char *kernel, const setun_launch *launch) {
  LaunchConfig config;
  std::copy(launch->grid, launch->grid + 3, config.grid.begin());
  std::copy(launch->block, launch->block + 3, config.block.begin());
  config.sharedBytes = launch->shared_bytes;
  config.params = launch->params;
  config.paramsSize = launch->params_size;
  return report(static_cast<DeviceEmulator *>(emulator)->launch(kernel, config));
}
}
