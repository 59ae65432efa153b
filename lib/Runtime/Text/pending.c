/*===- pending.c - What the tokenizer has yet to bring -----------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Functions of text.h that are not written yet, so that programs link. Each goes from here when it comes; the file goes
 * with the last. */

#include "setun-rt/text.h"

int64_t setun_encode(const setun_tokenizer *tokenizer, const char *text, size_t size, uint32_t flags, int64_t *ids,
                     size_t capacity) {
  return (void)tokenizer, (void)text, (void)size, (void)flags, (void)ids, (void)capacity, -1;
}
int64_t setun_encode_pieces(const setun_tokenizer *tokenizer, const setun_piece *pieces, size_t count, uint32_t flags,
                            int64_t *ids, size_t capacity) {
  return (void)tokenizer, (void)pieces, (void)count, (void)flags, (void)ids, (void)capacity, -1;
}
setun_stream *setun_stream_open(const setun_tokenizer *tokenizer, uint32_t flags) {
  return (void)tokenizer, (void)flags, NULL;
}
void setun_stream_close(setun_stream *stream) { (void)stream; }
int setun_stream_push(setun_stream *stream, int64_t id, const char **text, size_t *size) {
  return (void)stream, (void)id, (void)text, (void)size, -1;
}
int setun_stream_finish(setun_stream *stream, const char **text, size_t *size) {
  return (void)stream, (void)text, (void)size, -1;
}
