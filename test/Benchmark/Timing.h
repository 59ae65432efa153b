//===- Timing.h - Time of one thread, as every benchmark takes it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_BENCHMARK_TIMING_H
#define SETUN_TEST_BENCHMARK_TIMING_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <ctime>

namespace setun {

/// This thread's processor time: what other processes take does not count.
inline double clockSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/// Seconds of one run, of as many as take `atLeast` seconds.
inline double seconds(llvm::function_ref<void()> run, double atLeast) {
  double start = clockSeconds(), passed = 0;
  int64_t rounds = 0;
  do {
    run();
    ++rounds;
    passed = clockSeconds() - start;
  } while (passed < atLeast);
  return passed / rounds;
}

} // namespace setun

#endif // SETUN_TEST_BENCHMARK_TIMING_H
