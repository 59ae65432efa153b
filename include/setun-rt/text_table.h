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

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_TABLE_H */
