/*===- cpu.c - What this processor has -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Which instructions the processor has and the system keeps the registers of, and the state of its float unit. What the
 * words of cpuid and getauxval mean is written apart from how they are read, so that each can be tested anywhere. */

#include "Internal.h"

#define BIT(n) (1u << (n))
#define HAS(word, bits) (((word) & (bits)) == (bits))

uint64_t setun_x86_features(const setun_x86_words *words) {
  /* x86-64-v3 and v4 as a whole: code generators take all of a version or nothing. */
  const uint32_t leaf1 = BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ | BIT(13) /* CX16 */ |
                         BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |
                         BIT(27) /* OSXSAVE */ | BIT(28) /* AVX */ | BIT(29) /* F16C */;
  const uint32_t leaf7 = BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(8) /* BMI2 */;
  const uint32_t extended = BIT(0) /* LAHF */ | BIT(5) /* LZCNT */;
  const uint32_t avx512 = BIT(16) /* F */ | BIT(17) /* DQ */ | BIT(28) /* CD */ | BIT(30) /* BW */ | BIT(31) /* VL */;
  const uint32_t ymm = BIT(1) | BIT(2), zmm = ymm | BIT(5) | BIT(6) | BIT(7); /* of xcr0; opmask is bit 5 */
  if (!HAS(words->leaf1_ecx, leaf1) || !HAS(words->leaf7_ebx, leaf7) || !HAS(words->extended_ecx, extended) ||
      !HAS(words->xcr0, ymm))
    return 0;
  uint64_t features = SETUN_X86_AVX2;
  if (HAS(words->leaf7_1_eax, BIT(4)))
    features |= SETUN_X86_AVXVNNI;
  if (HAS(words->leaf7_ebx, avx512) && HAS(words->leaf7_ecx, BIT(11) /* VNNI */) && HAS(words->xcr0, zmm))
    features |= SETUN_X86_AVX512VNNI;
  return features;
}

uint64_t setun_arm_features(uint64_t hwcap, uint64_t hwcap2) {
  uint64_t features = 0;
  if (HAS(hwcap, BIT(20))) /* HWCAP_ASIMDDP */
    features |= SETUN_ARM_DOTPROD;
  if (HAS(hwcap2, BIT(13))) /* HWCAP2_I8MM */
    features |= SETUN_ARM_I8MM;
  return features;
}

#if defined(__x86_64__)
#include <cpuid.h>

uint64_t setun_cpu_features(void) {
  setun_x86_words words = {0};
  uint32_t a, b, c, d, subleafs;
  if (!__get_cpuid(1, &a, &b, &words.leaf1_ecx, &d) ||
      !__get_cpuid_count(7, 0, &subleafs, &words.leaf7_ebx, &words.leaf7_ecx, &d) ||
      !__get_cpuid(0x80000001, &a, &b, &words.extended_ecx, &d))
    return 0;
  if (subleafs >= 1)
    __get_cpuid_count(7, 1, &words.leaf7_1_eax, &b, &c, &d);
  if (words.leaf1_ecx & bit_OSXSAVE)
    __asm__ volatile("xgetbv" : "=a"(words.xcr0), "=d"(d) : "c"(0));
  return setun_x86_features(&words);
}

uint32_t setun_float_state_enter(void) {
  uint32_t saved, plain = 0x1f80;
  __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(saved) : "m"(plain));
  return saved;
}

void setun_float_state_leave(uint32_t saved) { __asm__ volatile("ldmxcsr %0" : : "m"(saved)); }

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint64_t setun_cpu_features(void) { return setun_arm_features(getauxval(AT_HWCAP), getauxval(AT_HWCAP2)); }

/* FPCR's upper half has no bits; all bits 0 is the default. Writing it may stall, so only changes are written. */
static uint32_t set_fpcr(uint64_t value) {
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
  if (before != value)
    __asm__ volatile("msr fpcr, %0" : : "r"(value) : "memory");
  return (uint32_t)before;
}

uint32_t setun_float_state_enter(void) { return set_fpcr(0); }
void setun_float_state_leave(uint32_t saved) { set_fpcr(saved); }

#else
uint64_t setun_cpu_features(void) { return 0; }
uint32_t setun_float_state_enter(void) { return 0; }
void setun_float_state_leave(uint32_t saved) { (void)saved; }
#endif
