/*===- processor.c - What the runtime sees of its processor --------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* CpuTest.cpp for machines that have no GoogleTest. */

#include "Internal.h"
#include <stdio.h>

int main(void) {
  printf("features %llx\n", (unsigned long long)setun_cpu_features());
  volatile float tiny = 0x1p-149f, two = 2, flushed, kept, again; /* computed where they stand */
  uint32_t caller = setun_float_state_enter();
  setun_float_state_leave(1u << 24); /* FPCR.FZ */
  flushed = tiny * two;
  uint32_t saved = setun_float_state_enter();
  kept = tiny * two;
  setun_float_state_leave(saved);
  again = tiny * two;
  setun_float_state_leave(caller);
  printf("a caller that flushes has %g, a run %g, the caller again %g\n", (double)flushed, (double)kept, (double)again);
  return 0;
}
