//===- StubCuda.h - What tests tell the driver that is none -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_STUBCUDA_H
#define SETUN_TEST_STUBCUDA_H

#include <cstddef>
#include <cstdint>

namespace stub {

/// A kernel is a function of the test's, called once a block.
using Kernel = void (*)(const void *params, uint32_t block, uint32_t threads);
/// What stands in for an image: the data of a setun_image.
struct Image {
  struct Entry {
    const char *name;
    Kernel kernel;
  };
  const Entry *entries;
  size_t count;
  const char *log; // not null: the image is refused with this log
};

/// The device's properties, and what was done with it.
struct State {
  int version = 12040, devices = 1, capability = 90;
  size_t memory = size_t(1) << 30; // free
  bool refuseCapture = false, refuseUpdate = false;
  int faultAtLaunch = 0; // this launch from now on is an illegal address
  // Counts.
  int launches = 0, dependents = 0, graphLaunches = 0, captures = 0, updates = 0, copiesToHost = 0, waits = 0;
  size_t bytesToHost = 0, bytesToDevice = 0;
  int live = 0;     // objects and allocations that were not given back
  int contexts = 0; // pushed and not popped
  int errors = 0;   // wrong uses of the interface
};

} // namespace stub

extern "C" stub::State *stubState();

#endif // SETUN_TEST_STUBCUDA_H
