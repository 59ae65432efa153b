/*===- conversation.c - Who said what ----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Main.h"
#include <stdlib.h>
#include <string.h>

int setun_conversation_add(setun_conversation *conversation, const char *role, const char *content, setun_text *error) {
  static const char *const roles[] = {"system", "user", "assistant"};
  setun_chat_message *messages =
      realloc(conversation->messages, (conversation->count + 1) * sizeof *conversation->messages);
  if (messages)
    conversation->messages = messages;
  char *copy = messages ? strdup(content) : NULL;
  if (!copy)
    return setun_text_fail(error, "out of memory");
  for (size_t i = 0; i < sizeof roles / sizeof *roles; ++i)
    if (strcmp(roles[i], role) == 0) {
      messages[conversation->count++] = (setun_chat_message){roles[i], copy};
      return 0;
    }
  free(copy);
  return setun_text_fail(error, "no role '%.20s'", role);
}

void setun_conversation_drop(setun_conversation *conversation, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i)
    free((char *)conversation->messages[i].content);
  conversation->count -= count;
  for (size_t i = first; i < conversation->count; ++i)
    conversation->messages[i] = conversation->messages[i + count];
}

/* Role and content of each message, each with its 0. */
int setun_conversation_write(const setun_conversation *conversation, char **bytes, size_t *size, setun_text *error) {
  size_t total = 0;
  for (size_t i = 0; i < conversation->count; ++i)
    total += strlen(conversation->messages[i].role) + strlen(conversation->messages[i].content) + 2;
  char *at = *bytes = malloc(total + 1);
  if (!at)
    return setun_text_fail(error, "out of memory");
  for (size_t i = 0; i < conversation->count; ++i) {
    at = stpcpy(at, conversation->messages[i].role) + 1;
    at = stpcpy(at, conversation->messages[i].content) + 1;
  }
  *size = total;
  return 0;
}

int setun_conversation_read(setun_conversation *conversation, const char *bytes, size_t size, setun_text *error) {
  setun_conversation_drop(conversation, 0, conversation->count);
  const char *at = bytes, *end = bytes + size;
  if (size && end[-1])
    return setun_text_fail(error, "the state's messages are not a conversation's");
  while (at < end) {
    const char *content = at + strlen(at) + 1;
    if (content >= end)
      return setun_text_fail(error, "the state's messages are not a conversation's");
    if (setun_conversation_add(conversation, at, content, error))
      return -1;
    at = content + strlen(content) + 1;
  }
  return 0;
}
