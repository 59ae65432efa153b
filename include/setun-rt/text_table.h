/*===- text_table.h - Between the compiler and the text runtime --*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A model's text table: what turns text into token ids and back, as it lies in the weights (abi.h, text_offset). A
 * header, then its sections, each aligned to 8 bytes; all numbers little-endian, offsets from the table's first byte.
 * The runtime checks every offset before it follows it: a table is a file's content like any other. */

#ifndef SETUN_RT_TEXT_TABLE_H
#define SETUN_RT_TEXT_TABLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SETUN_TEXT_MAGIC 0x3154585453u /* "STXT1", 64 bits wide */
#define SETUN_TEXT_VERSION 1

typedef struct setun_text_section {
  uint32_t tag; /* SETUN_TEXT_* */
  uint32_t reserved;
  uint64_t offset, size; /* in bytes */
} setun_text_section;

typedef struct setun_text_header {
  uint64_t magic;
  uint32_t version, num_sections;
  setun_text_section sections[];
} setun_text_header;

#define SETUN_TEXT_TOKENIZER 1u /* vocabulary, merges, normalizer, splits, post-processor, decoder */
#define SETUN_TEXT_CHAT 2u      /* the chat template as a program of segments */
#define SETUN_TEXT_ENDS 3u      /* int64_t ids of tokens that end a generation (eos_token_id) */
#define SETUN_TEXT_SAMPLING 4u  /* a setun_text_sampling: what generation_config.json says */

typedef struct setun_text_sampling {
  double temperature, top_p, min_p, repetition_penalty; /* as in setun_sampling (sample.h) */
  int64_t top_k;
} setun_text_sampling;

/*===-- SETUN_TEXT_CHAT ---------------------------------------------------===*/

/* A state machine over the roles of a conversation, made from a chat template by rendering it (lib/Import/Text). The
 * section is a setun_chat_header, its states, and the texts that they point to. */

enum { SETUN_CHAT_SYSTEM, SETUN_CHAT_USER, SETUN_CHAT_ASSISTANT, SETUN_CHAT_ROLES };
/* What stands behind a message: one of a role, or the end of the conversation, without or with a prompt to go on. */
enum { SETUN_CHAT_END = SETUN_CHAT_ROLES, SETUN_CHAT_GENERATE, SETUN_CHAT_FOLLOWS };

/* What a message's content goes through, as Python's str methods do it. */
typedef enum setun_chat_transform {
  SETUN_CHAT_TRIM_LEFT = 1,
  SETUN_CHAT_TRIM_RIGHT = 2,
  SETUN_CHAT_AFTER_THINKING = 4, /* only what follows the last "</think>", without newlines at its beginning */
  SETUN_CHAT_TRIM_NEWLINES = 8   /* newlines alone, at both ends, after that */
} setun_chat_transform;

typedef struct setun_chat_text {
  uint32_t offset, size; /* from the section's first byte; offset 0: the template refuses this */
} setun_chat_text;

typedef struct setun_chat_step {
  uint32_t state;                             /* after this message */
  uint32_t transform;                         /* setun_chat_transform, or-ed */
  setun_chat_text before[SETUN_CHAT_FOLLOWS]; /* what stands before the content, by what stands behind the message */
} setun_chat_step;

typedef struct setun_chat_state {
  setun_chat_text ends[2];   /* what closes the conversation here, without and with a prompt to go on */
  setun_chat_text errors[2]; /* why it cannot, where `ends` has none */
  setun_chat_step next[SETUN_CHAT_ROLES];
} setun_chat_state;

typedef struct setun_chat_header {
  uint32_t num_states, reserved; /* the first state is that of no messages */
  setun_chat_state states[];
} setun_chat_header;

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_TABLE_H */
