/*===- tokenizer.c - Opening a tokenizer ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

setun_tokenizer *setun_tokenizer_open(const void *table, size_t size, char *error, size_t error_size) {
  text_message message = {error, error_size};
#ifndef SETUN_TEXT_LIBRARIES
  text_fail(message, TEXT_MISSING);
  return NULL;
#endif
  if (text_check_table(table, size, message))
    return NULL;
  text_span chat = text_section(table, SETUN_TEXT_CHAT);
  if (chat.data && text_check_chat(chat, message))
    return NULL;
  text_span section = text_section(table, SETUN_TEXT_TOKENIZER);
  if (!section.data) {
    text_fail(message, "the text table has no tokenizer");
    return NULL;
  }
  setun_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
  if (!tokenizer)
    text_fail(message, "not enough memory");
  else
    tokenizer->vocabulary = text_vocabulary_open(section, message);
  if (!tokenizer || !tokenizer->vocabulary) {
    free(tokenizer);
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

void setun_tokenizer_close(setun_tokenizer *tokenizer) {
  if (tokenizer)
    text_vocabulary_close(tokenizer->vocabulary);
  free(tokenizer);
}

int64_t setun_tokenizer_size(const setun_tokenizer *tokenizer) { return tokenizer->vocabulary->table->num_ids; }

int64_t setun_token_id(const setun_tokenizer *tokenizer, const char *text, size_t size) {
  const text_vocabulary *v = tokenizer->vocabulary;
  for (size_t i = 0; i < v->num_added; ++i) {
    text_span own = text_string(v, v->added[i].text);
    if (own.size == size && memcmp(own.data, text, size) == 0)
      return v->added[i].id;
  }
  uint32_t id = text_find_token(v, (const uint8_t *)text, size);
  return id == SETUN_TEXT_NONE ? -1 : (int64_t)id;
}

int setun_token_is_special(const setun_tokenizer *tokenizer, int64_t id) {
  const text_vocabulary *v = tokenizer->vocabulary;
  ptrdiff_t index = text_find_added(v, id);
  return index >= 0 && v->added[index].flags & SETUN_ADDED_SPECIAL;
}

size_t setun_end_tokens(const setun_tokenizer *tokenizer, const int64_t **ids) {
  *ids = tokenizer->ends;
  return tokenizer->num_ends;
}
