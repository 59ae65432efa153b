/*===- Internal.h - What the text runtime's files share ----------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* One section for each file that is more than its public functions. Nothing here is seen outside of the library. */

#ifndef SETUN_RT_TEXT_INTERNAL_H
#define SETUN_RT_TEXT_INTERNAL_H

#include "setun-rt/text.h"
#include "setun-rt/text_table.h"
#include <stdarg.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/*===-- table.c: the container --------------------------------------------===*/

/* Where a message goes: a caller's array, cut to fit. */
typedef struct text_message {
  char *text;
  size_t size;
} text_message;
/* Writes the message and returns -1. */
int text_fail(text_message message, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes of a section; none: data is NULL. */
typedef struct text_span {
  const uint8_t *data;
  size_t size;
} text_span;
/* Checks the container; text_section may be called after that. */
int text_check_table(const void *table, size_t size, text_message message);
text_span text_section(const void *table, uint32_t tag);

/*===-- chat.c ------------------------------------------------------------===*/

int text_check_chat(text_span section, text_message message);

/*===-- tokenizer.c -------------------------------------------------------===*/

#define TEXT_MISSING                                                                                                   \
  "no text here: this program was linked for an architecture whose PCRE2 and utf8proc were missing when Setun was "    \
  "built"

struct setun_tokenizer {
  struct text_vocabulary *vocabulary;
  const void *table;
  size_t table_size;
  text_span chat; /* SETUN_TEXT_CHAT, or none */
  const int64_t *ends;
  size_t num_ends;
};

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_INTERNAL_H */
