/*===- chat.c - Conversations as prompts ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdlib.h>
#include <string.h>

typedef struct span {
  const char *text;
  size_t size;
} span;

/* The size in bytes of the white space (as Python's str.isspace has it) that `text` begins with, or 0. */
static size_t leading_space(const unsigned char *text, size_t size) {
  if (size == 0)
    return 0;
  if ((text[0] >= 0x09 && text[0] <= 0x0d) || (text[0] >= 0x1c && text[0] <= 0x20))
    return 1;
  if (size >= 2 && text[0] == 0xc2 && (text[1] == 0x85 || text[1] == 0xa0))
    return 2;
  if (size < 3)
    return 0;
  uint32_t point = (uint32_t)(text[0] & 15) << 12 | (uint32_t)(text[1] & 63) << 6 | (text[2] & 63);
  bool space = point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
               point == 0x202f || point == 0x205f || point == 0x3000;
  return (text[0] & 0xf0) == 0xe0 && space ? 3 : 0;
}

static span trim_left(span s) {
  for (size_t n; (n = leading_space((const unsigned char *)s.text, s.size)) > 0;)
    s.text += n, s.size -= n;
  return s;
}

static span trim_right(span s) {
  for (bool again = true; again;) {
    again = false;
    for (size_t n = 1; n <= 3 && n <= s.size && !again; ++n)
      if (leading_space((const unsigned char *)s.text + s.size - n, n) == n)
        s.size -= n, again = true;
  }
  return s;
}

static span trim_newlines(span s, bool right) {
  while (s.size && s.text[0] == '\n')
    ++s.text, --s.size;
  while (right && s.size && s.text[s.size - 1] == '\n')
    --s.size;
  return s;
}

static span after_thinking(span s) {
  static const char end[] = "</think>";
  for (size_t at = s.size; at-- > 0;)
    if (s.size - at >= sizeof end - 1 && memcmp(s.text + at, end, sizeof end - 1) == 0) {
      at += sizeof end - 1;
      return trim_newlines((span){s.text + at, s.size - at}, false);
    }
  return s;
}

static span apply(uint32_t transform, span s) {
  if (transform & SETUN_CHAT_AFTER_THINKING)
    s = after_thinking(s);
  if (transform & SETUN_CHAT_TRIM_NEWLINES)
    s = trim_newlines(s, true);
  if (transform & SETUN_CHAT_TRIM_LEFT)
    s = trim_left(s);
  if (transform & SETUN_CHAT_TRIM_RIGHT)
    s = trim_right(s);
  return s;
}

static bool is_text(setun_chat_text text, size_t size) {
  return text.offset <= size && text.size <= size - text.offset;
}

int text_check_chat(text_span section, text_message message) {
  const setun_chat_header *chat = (const setun_chat_header *)section.data;
  bool valid = section.size >= sizeof *chat && chat->num_states > 0 &&
               chat->num_states <= (section.size - sizeof *chat) / sizeof *chat->states;
  for (uint32_t i = 0; valid && i < chat->num_states; ++i) {
    const setun_chat_state *state = &chat->states[i];
    for (int generate = 0; generate < 2; ++generate)
      valid &= is_text(state->ends[generate], section.size) && is_text(state->errors[generate], section.size);
    for (int role = 0; role < SETUN_CHAT_ROLES; ++role) {
      valid &= state->next[role].state < chat->num_states;
      for (int follow = 0; follow < SETUN_CHAT_FOLLOWS; ++follow)
        valid &= is_text(state->next[role].before[follow], section.size);
    }
  }
  return valid ? 0 : text_fail(message, "damaged text table: the chat template");
}

int setun_has_chat(const setun_tokenizer *tokenizer) { return tokenizer->chat.data != NULL; }

static int role_of(const char *name) {
  static const char *const names[] = {"system", "user", "assistant"};
  for (int role = 0; role < SETUN_CHAT_ROLES; ++role)
    if (name && strcmp(name, names[role]) == 0)
      return role;
  return -1;
}

static int64_t refuse(char *error, size_t error_size, const char *message, size_t size) {
  if (error_size) {
    size = size < error_size - 1 ? size : error_size - 1;
    memcpy(error, message, size);
    error[size] = 0;
  }
  return -2;
}

/* The prompt in pieces, two a message and one that closes it. */
static int64_t make_pieces(const setun_chat_header *chat, const setun_chat_message *messages, size_t count,
                           bool generate, setun_piece *pieces, char *error, size_t error_size) {
  const char *base = (const char *)chat;
  const setun_chat_state *state = chat->states;
  static const char unknown[] = "a message's role is none of system, user and assistant";
  static const char refused[] = "the chat template refuses this order of roles";
  for (size_t i = 0; i < count; ++i) {
    int role = role_of(messages[i].role);
    int follow = i + 1 < count ? role_of(messages[i + 1].role) : generate ? SETUN_CHAT_GENERATE : SETUN_CHAT_END;
    if (role < 0 || follow < 0)
      return refuse(error, error_size, unknown, sizeof unknown - 1);
    const setun_chat_step *step = &state->next[role];
    setun_chat_text before = step->before[follow];
    state = &chat->states[step->state];
    if (!before.offset && (i + 1 < count || state->ends[generate].offset))
      return refuse(error, error_size, refused, sizeof refused - 1);
    if (!before.offset)
      break; /* the end says why */
    const char *content = messages[i].content ? messages[i].content : "";
    span kept = apply(step->transform, (span){content, strlen(content)});
    *pieces++ = (setun_piece){base + before.offset, before.size, 1};
    *pieces++ = (setun_piece){kept.text, kept.size, 0};
  }
  setun_chat_text end = state->ends[generate], why = state->errors[generate];
  if (!end.offset)
    return why.offset ? refuse(error, error_size, base + why.offset, why.size)
                      : refuse(error, error_size, refused, sizeof refused - 1);
  *pieces = (setun_piece){base + end.offset, end.size, 1};
  return 0;
}

int64_t setun_chat(const setun_tokenizer *tokenizer, const setun_chat_message *messages, size_t count, int generate,
                   int64_t *ids, size_t capacity, char *error, size_t error_size) {
  static const char none[] = "the model was compiled without a chat template";
  const setun_chat_header *chat = (const setun_chat_header *)tokenizer->chat.data;
  if (!chat)
    return refuse(error, error_size, none, sizeof none - 1);
  setun_piece *pieces = calloc(2 * count + 1, sizeof *pieces);
  if (!pieces)
    return -1;
  int64_t result = make_pieces(chat, messages, count, generate != 0, pieces, error, error_size);
  if (result == 0)
    result = setun_encode_pieces(tokenizer, pieces, 2 * count + 1, 0, ids, capacity);
  free(pieces);
  return result;
}
