/*===- error.c - Messages and names --------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdio.h>

int setun_fail(setun_message message, const char *format, ...) {
  if (!message.text || !message.size)
    return -1;
  va_list args;
  va_start(args, format);
  vsnprintf(message.text, message.size, format, args);
  va_end(args);
  return -1;
}

const char *setun_dtype_name(setun_dtype dtype) {
  static const char *const names[] = {NULL, "f32", "f64", "f16", "bf16", "i8", "u8", "i16", "i32", "i64", "bool"};
  return (unsigned)dtype < sizeof names / sizeof *names ? names[dtype] : NULL;
}

size_t setun_dtype_size(setun_dtype dtype) {
  static const uint8_t sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 4, 8, 1};
  return (unsigned)dtype < sizeof sizes ? sizes[dtype] : 0;
}
