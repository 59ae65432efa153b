/*===- Width.h - Characters on a terminal ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_TEXT_WIDTH_H
#define SETUN_RT_TEXT_WIDTH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Columns of the character (UTF-8) that `text` begins with: 0 for one that goes with the character before it. */
int setun_char_width(const char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_WIDTH_H */
