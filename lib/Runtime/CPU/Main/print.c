/*===- print.c - What several commands print ---------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <time.h>

void setun_print_string(const char *text, size_t size) {
  putchar('"');
  for (size_t i = 0; i < size; ++i) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      putchar('\\');
    if (c < ' ' || c == 127)
      printf(c == '\n' ? "\\n" : "\\u%04x", c);
    else
      putchar(c);
  }
  putchar('"');
}

double setun_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
