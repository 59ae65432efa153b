//===- Walls.h - What this processor can do at most -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_BENCHMARK_KERNELS_WALLS_H
#define SETUN_TEST_BENCHMARK_KERNELS_WALLS_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace setun::walls {

/// A way to read all of a buffer, as fast as it goes: `size` is a multiple of 256, `bytes` aligned to 64.
struct Read {
  const char *name;
  std::function<uint64_t(const uint8_t *bytes, size_t size)> run;
};
/// Every way this processor has; the wall is the fastest.
std::vector<Read> getReads();

/// A loop of one mix of instructions, from registers or L1, and nothing else.
struct Peak {
  const char *name;
  double macs;               // multiply-accumulates (or additions that stand for them) of one run
  std::function<void()> run; // some microseconds
};
/// The mixes this processor can run.
std::vector<Peak> getPeaks();

/// The processor's name and those of its features that kernels here look at.
std::string getProcessor();
std::vector<std::string> getFeatures();

} // namespace setun::walls

#endif // SETUN_TEST_BENCHMARK_KERNELS_WALLS_H
