//===- CpuTest.cpp - What a processor has -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Internal.h"

#include "gtest/gtest.h"
#include <limits>

namespace {

/// A processor with everything, of which tests take one bit away.
constexpr setun_x86_words full = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
constexpr uint64_t all = SETUN_X86_AVX2 | SETUN_X86_AVXVNNI | SETUN_X86_AVX512VNNI;

uint64_t without(uint32_t setun_x86_words::*word, unsigned bit) {
  setun_x86_words words = full;
  words.*word &= ~(1u << bit);
  return setun_x86_features(&words);
}

TEST(Cpu, X86VersionsCountAsAWhole) {
  EXPECT_EQ(setun_x86_features(&full), all);
  setun_x86_words none{};
  EXPECT_EQ(setun_x86_features(&none), 0u);
  for (unsigned bit : {0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29})
    EXPECT_EQ(without(&setun_x86_words::leaf1_ecx, bit), 0u) << "leaf 1, ecx, bit " << bit;
  for (unsigned bit : {3, 5, 8})
    EXPECT_EQ(without(&setun_x86_words::leaf7_ebx, bit), 0u) << "leaf 7, ebx, bit " << bit;
  for (unsigned bit : {0, 5})
    EXPECT_EQ(without(&setun_x86_words::extended_ecx, bit), 0u) << "leaf 0x80000001, ecx, bit " << bit;
  for (unsigned bit : {16, 17, 28, 30, 31})
    EXPECT_EQ(without(&setun_x86_words::leaf7_ebx, bit), all & ~SETUN_X86_AVX512VNNI) << "leaf 7, ebx, bit " << bit;
  EXPECT_EQ(without(&setun_x86_words::leaf7_ecx, 11), all & ~SETUN_X86_AVX512VNNI);
  EXPECT_EQ(without(&setun_x86_words::leaf7_1_eax, 4), all & ~SETUN_X86_AVXVNNI);
}

TEST(Cpu, TheSystemMustKeepTheRegisters) {
  for (unsigned bit : {1, 2})
    EXPECT_EQ(without(&setun_x86_words::xcr0, bit), 0u) << bit;
  for (unsigned bit : {5, 6, 7})
    EXPECT_EQ(without(&setun_x86_words::xcr0, bit), all & ~SETUN_X86_AVX512VNNI) << bit;
  EXPECT_EQ(without(&setun_x86_words::xcr0, 9), all);
}

TEST(Cpu, ArmWordsOfLinux) {
  EXPECT_EQ(setun_arm_features(0x8ff, 0), 0u); // Cortex-A72
  EXPECT_EQ(setun_arm_features(1u << 20, 0), uint64_t(SETUN_ARM_DOTPROD));
  EXPECT_EQ(setun_arm_features(0, 1u << 13), uint64_t(SETUN_ARM_I8MM));
  EXPECT_EQ(setun_arm_features(1u << 13, 1u << 20), 0u); // the other word's bits
  EXPECT_EQ(setun_arm_features(~0ull, ~0ull), SETUN_ARM_DOTPROD | SETUN_ARM_I8MM);
}

#if defined(__x86_64__)
TEST(Cpu, SeesTheFeaturesThatTheCompilerSees) {
  __builtin_cpu_init();
  uint64_t expected = 0;
  if (__builtin_cpu_supports("x86-64-v3")) {
    expected |= SETUN_X86_AVX2;
    if (__builtin_cpu_supports("avxvnni"))
      expected |= SETUN_X86_AVXVNNI;
    if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni"))
      expected |= SETUN_X86_AVX512VNNI;
  }
  EXPECT_EQ(setun_cpu_features(), expected);
}

constexpr uint32_t flushToZero = 0x8040; // MXCSR: results and inputs
#elif defined(__aarch64__)
constexpr uint32_t flushToZero = 1 << 24; // FPCR.FZ
#endif

TEST(Cpu, FloatStateOfTheCallerDoesNotMatter) {
  uint32_t caller = setun_float_state_enter();
  setun_float_state_leave(caller | flushToZero);
  uint32_t saved = setun_float_state_enter();
  volatile float tiny = std::numeric_limits<float>::denorm_min(), two = 2;
  EXPECT_NE(tiny * two, 0);
  setun_float_state_leave(saved);
  EXPECT_EQ(tiny * two, 0);
  setun_float_state_leave(caller);
}

} // namespace
