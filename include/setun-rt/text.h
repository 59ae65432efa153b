/*===- text.h - Text to tokens and back ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Tokenizers and chat templates, from the text table that the compiler put into a model (text_table.h). A library of
 * its own, libsetun_rt_text, beside the thin runtime. Results equal those of Hugging Face's tokenizers and
 * transformers. A tokenizer is read-only after it was opened and may be shared by threads. */

#ifndef SETUN_RT_TEXT_H
#define SETUN_RT_TEXT_H

#include "setun-rt/setun.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct setun_tokenizer setun_tokenizer;

/* `table` is borrowed and must outlive the tokenizer. NULL after a message of at most error_size bytes, its end
 * included. */
SETUN_API setun_tokenizer *setun_tokenizer_open(const void *table, size_t size, char *error, size_t error_size);
SETUN_API void setun_tokenizer_close(setun_tokenizer *tokenizer);

/* Ids run from 0 to this, not included. */
SETUN_API int64_t setun_tokenizer_size(const setun_tokenizer *tokenizer);
/* A token's id by its text in the vocabulary, added tokens first; -1: there is none. */
SETUN_API int64_t setun_token_id(const setun_tokenizer *tokenizer, const char *text, size_t size);
/* Whether a token is special (never shown). */
SETUN_API int setun_token_is_special(const setun_tokenizer *tokenizer, int64_t id);
/* The tokens that end a generation; the ids stay valid as long as the tokenizer. */
SETUN_API size_t setun_end_tokens(const setun_tokenizer *tokenizer, const int64_t **ids);

#define SETUN_ADD_SPECIAL 1u   /* encode: with what the post-processor adds (BOS, EOS) */
#define SETUN_PARSE_SPECIAL 2u /* encode: special tokens written in the text are these tokens; else they are text */
#define SETUN_SKIP_SPECIAL 4u  /* decode: special tokens give no text */

/* A text in pieces that are encoded as one: special tokens are recognized inside a piece with `parse_special` only. */
typedef struct setun_piece {
  const char *text; /* UTF-8; what is not is replaced by U+FFFD, one for each maximal part, as Python does */
  size_t size;
  int parse_special;
} setun_piece;

/* Writes at most `capacity` ids and returns how many there are (more than `capacity`: call again), or -1 when memory is
 * short. */
SETUN_API int64_t setun_encode(const setun_tokenizer *tokenizer, const char *text, size_t size, uint32_t flags,
                               int64_t *ids, size_t capacity);
SETUN_API int64_t setun_encode_pieces(const setun_tokenizer *tokenizer, const setun_piece *pieces, size_t count,
                                      uint32_t flags, int64_t *ids, size_t capacity);

/* Writes at most `capacity` bytes of UTF-8, without an end, and returns how many there are, or -1 when memory is short.
 * Ids outside of the vocabulary give nothing. */
SETUN_API int64_t setun_decode(const setun_tokenizer *tokenizer, const int64_t *ids, size_t count, uint32_t flags,
                               char *text, size_t capacity);

/* Decoding token by token: what it gives, put together, is what setun_decode gives for all, and it never ends inside a
 * character. */
typedef struct setun_stream setun_stream;
SETUN_API setun_stream *setun_stream_open(const setun_tokenizer *tokenizer, uint32_t flags);
SETUN_API void setun_stream_close(setun_stream *stream);
/* The text that `id` completes, maybe none; valid until the next call. Returns 0, or -1 when memory is short. */
SETUN_API int setun_stream_push(setun_stream *stream, int64_t id, const char **text, size_t *size);
/* What is left at the end: characters that were never completed, as U+FFFD. The stream is then as just opened. */
SETUN_API int setun_stream_finish(setun_stream *stream, const char **text, size_t *size);

/*===-- Chat templates ----------------------------------------------------===*/

typedef struct setun_chat_message {
  const char *role;    /* "system", "user" or "assistant" */
  const char *content; /* UTF-8, ends with 0 */
} setun_chat_message;

SETUN_API int setun_has_chat(const setun_tokenizer *tokenizer);
/* The model's prompt for a conversation, as ids; with `generate` it ends where the assistant begins to speak. Special
 * tokens come from the template alone: those in contents are text. Returns as setun_encode does; -2 with a message when
 * the template refuses the conversation (roles that do not alternate, a role it does not know). */
SETUN_API int64_t setun_chat(const setun_tokenizer *tokenizer, const setun_chat_message *messages, size_t count,
                             int generate, int64_t *ids, size_t capacity, char *error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_H */
