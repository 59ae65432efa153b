/*===- width.c - Characters on a terminal ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Width.h"
#ifdef SETUN_TEXT_LIBRARIES
#include <utf8proc.h>
#endif

int setun_char_width(const char *text, size_t size) {
#ifdef SETUN_TEXT_LIBRARIES
  utf8proc_int32_t point;
  if (size == 0 || utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &point) <= 0)
    return 1;
  return utf8proc_charwidth(point);
#else
  return size > 0;
#endif
}
