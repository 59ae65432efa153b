/*===- cpu.c - Which code this processor runs ----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

static bool os_saves_ymm(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & 6) == 6;
}

uint64_t setun_cpu_features(void) {
  uint32_t a, b, c, d, b7, c7, d7, extended;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) ||
      !__get_cpuid(0x80000001, &a, &b, &extended, &d))
    return 0;
  /* x86-64-v3 as a whole: code generators take all of it or nothing. */
  const uint32_t leaf1 = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
  const uint32_t leaf7 = bit_AVX2 | bit_BMI | bit_BMI2;
  bool v3 = (c & leaf1) == leaf1 && (b7 & leaf7) == leaf7 && (extended & bit_LZCNT);
  return v3 && os_saves_ymm() ? SETUN_X86_AVX2 : 0;
}

uint32_t setun_float_state_enter(void) {
  uint32_t saved, plain = 0x1f80;
  __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(saved) : "m"(plain));
  return saved;
}

void setun_float_state_leave(uint32_t saved) { __asm__ volatile("ldmxcsr %0" : : "m"(saved)); }

#else
uint64_t setun_cpu_features(void) { return 0; }
uint32_t setun_float_state_enter(void) { return 0; }
void setun_float_state_leave(uint32_t saved) { (void)saved; }
#endif

static void list_levels(const setun_model_desc *model, char *text, size_t size) {
  size_t used = 0;
  *text = 0;
  for (uint32_t i = 0; i < model->num_levels && used < size; ++i)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", model->levels[i].name);
}

const setun_level *setun_pick_level(const setun_model_desc *model, const char *target, uint64_t features,
                                    setun_message message) {
  const char *source = "target";
  if (!target || !*target) {
    target = getenv("SETUN_TARGET");
    source = "SETUN_TARGET";
  }
  bool forced = target && *target;
  char levels[256];
  list_levels(model, levels, sizeof levels);
  for (uint32_t i = 0; i < model->num_levels; ++i) {
    const setun_level *level = &model->levels[i];
    bool runs = (level->features & ~features) == 0;
    if (forced && strcmp(level->name, target) != 0)
      continue;
    if (runs)
      return level;
    if (forced) {
      setun_fail(message, "%s: this processor cannot run the level '%s'", source, target);
      return NULL;
    }
  }
  if (forced)
    setun_fail(message, "%s: the model has no level '%s'; it has: %s", source, target, levels);
  else
    setun_fail(message, "this processor runs none of the model's levels: %s", levels);
  return NULL;
}
