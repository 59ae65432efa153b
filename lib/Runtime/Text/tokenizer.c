/*===- tokenizer.c - Opening a tokenizer ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdlib.h>

setun_tokenizer *setun_tokenizer_open(const void *table, size_t size, char *error, size_t error_size) {
  text_message message = {error, error_size};
#ifndef SETUN_TEXT_LIBRARIES
  text_fail(message, "no text here: this program was linked for an architecture whose PCRE2 and utf8proc were missing "
                     "when Setun was built");
  return NULL;
#endif
  if (text_check_table(table, size, message))
    return NULL;
  text_span chat = text_section(table, SETUN_TEXT_CHAT);
  if (chat.data && text_check_chat(chat, message))
    return NULL;
  setun_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
  if (!tokenizer) {
    text_fail(message, "not enough memory");
    return NULL;
  }
  tokenizer->table = table;
  tokenizer->table_size = size;
  tokenizer->chat = chat;
  text_span ends = text_section(table, SETUN_TEXT_ENDS);
  tokenizer->ends = (const int64_t *)ends.data;
  tokenizer->num_ends = ends.size / sizeof *tokenizer->ends;
  return tokenizer;
}

void setun_tokenizer_close(setun_tokenizer *tokenizer) { free(tokenizer); }

size_t setun_end_tokens(const setun_tokenizer *tokenizer, const int64_t **ids) {
  *ids = tokenizer->ends;
  return tokenizer->num_ends;
}
