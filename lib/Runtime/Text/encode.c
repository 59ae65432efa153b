/*===- encode.c - Text to tokens ----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Added tokens are found in the text as it is; what is between them is normalized, and those that are normalized
 * themselves are found in that; the rest goes through the pre-tokenizers to the model. */

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* A part of the input in which special tokens are tokens, or are not. */
typedef struct run {
  size_t end;
  bool parses;
} run;

typedef struct encoder {
  text_context *context;
  const run *runs; /* they cover the input */
  size_t num_runs;
  bool mixed; /* runs differ */
} encoder;

static bool is_word_at(const uint8_t *text, size_t size, size_t at) {
  size_t step;
  return at < size && text_is_word(text_read_char(text + at, &step));
}

/* Whether the token stands alone where it must. */
static bool stands_alone(text_span text, size_t begin, size_t end) {
  return (begin == 0 || !is_word_at(text.data, text.size, begin - text_last_char(text.data, text.data + begin))) &&
         !is_word_at(text.data, text.size, end);
}

static size_t skip_left(text_span text, size_t least, size_t at) {
  size_t step;
  while (at > least) {
    size_t last = text_last_char(text.data, text.data + at);
    if (!text_is_space(text_read_char(text.data + at - last, &step)))
      break;
    at -= last;
  }
  return at > least ? at : least;
}

static size_t skip_right(text_span text, size_t at) {
  size_t step;
  while (at < text.size && text_is_space(text_read_char(text.data + at, &step)))
    at += step;
  return at;
}

/* Finds the next added token at or behind *at, where the search goes on after it. Returns its index, or -1. */
static ptrdiff_t find_added(const encoder *e, const text_added_trie *trie, text_span text, const run *runs, size_t *at,
                            size_t last, size_t *begin, size_t *end) {
  const text_vocabulary *v = e->context->vocabulary;
  for (; *at < text.size; ++*at) {
    if (!trie->first[text.data[*at]])
      continue;
    size_t limit = text.size, length;
    bool parses = e->runs[0].parses;
    if (runs && e->mixed) { /* a token lies in one run */
      while (runs->end <= *at)
        ++runs;
      parses = runs->parses;
      limit = runs->end;
    }
    ptrdiff_t index = text_added_trie_longest(trie, text.data + *at, limit - *at, &length);
    if (index < 0)
      continue;
    const setun_text_added *token = &v->added[index];
    *begin = *at;
    *end = *at += length;
    bool taken = parses || !(token->flags & SETUN_ADDED_SPECIAL);
    if (e->mixed && !runs && token->flags & SETUN_ADDED_SPECIAL)
      taken = false; /* it was found before */
    if (taken && (!(token->flags & SETUN_ADDED_SINGLE_WORD) || stands_alone(text, *begin, *end))) {
      if (token->flags & SETUN_ADDED_LSTRIP)
        *begin = skip_left(text, last, *begin);
      if (token->flags & SETUN_ADDED_RSTRIP)
        *end = skip_right(text, *end);
      return index;
    }
    --*at; /* the loop goes on behind the token */
  }
  return -1;
}

/* Takes what is between added tokens, and them. `inner`: what to do with what is between. */
static int walk(encoder *e, const text_added_trie *trie, text_span text, const run *runs, bool at_start,
                int (*inner)(encoder *, text_span, bool)) {
  size_t at = 0, last = 0, begin, end;
  ptrdiff_t index;
  while (trie->used && (index = find_added(e, trie, text, runs, &at, last, &begin, &end)) >= 0) {
    if (last < begin && inner(e, (text_span){text.data + last, begin - last}, at_start && last == 0))
      return -1;
    text_emit(e->context, e->context->vocabulary->added[index].id);
    last = end;
  }
  return last < text.size ? inner(e, (text_span){text.data + last, text.size - last}, at_start && last == 0) : 0;
}

static int encode_plain(encoder *e, text_span text, bool at_start) {
  return text_split(e->context, 0, text.data, text.size, at_start);
}

static int encode_part(encoder *e, text_span text, bool at_start) {
  if (text_normalize(e->context, &text, &at_start))
    return -1;
  return text.size ? walk(e, &e->context->vocabulary->normalized, text, NULL, at_start, encode_plain) : 0;
}

static int encode_text(text_context *context, text_span text, const run *runs, size_t num_runs, uint32_t flags) {
  const text_vocabulary *v = context->vocabulary;
  encoder e = {context, runs, num_runs, false};
  for (size_t i = 1; i < num_runs; ++i)
    e.mixed |= runs[i].parses != runs[0].parses;
  for (size_t i = 0; flags & SETUN_ADD_SPECIAL && i < v->num_before; ++i)
    text_emit(context, v->before[i]);
  const text_added_trie *trie = e.mixed && v->mixed.used ? &v->mixed : &v->raw;
  if (text.size && walk(&e, trie, text, runs, true, encode_part))
    return -1;
  for (size_t i = 0; flags & SETUN_ADD_SPECIAL && i < v->num_after; ++i)
    text_emit(context, v->after[i]);
  return 0;
}

/* The pieces as one text, of UTF-8 alone, and its runs. */
static int join_pieces(text_context *context, const setun_piece *pieces, size_t count, run *runs, size_t *num_runs) {
  text_buffer *input = &context->input;
  input->size = *num_runs = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text_repair(input, (const uint8_t *)pieces[i].text, pieces[i].size, NULL))
      return -1;
    bool parses = pieces[i].parse_special != 0;
    if (!*num_runs || runs[*num_runs - 1].parses != parses)
      runs[(*num_runs)++].parses = parses;
    runs[*num_runs - 1].end = input->size;
  }
  return 0;
}

int64_t setun_encode_pieces(const setun_tokenizer *tokenizer, const setun_piece *pieces, size_t count, uint32_t flags,
                            int64_t *ids, size_t capacity) {
  text_context *context = text_context_take(tokenizer->vocabulary);
  run *runs = malloc((count + 1) * sizeof *runs);
  int failed = !context || !runs;
  if (!failed) {
    size_t num_runs = 0;
    context->ids = ids;
    context->capacity = ids ? capacity : 0;
    context->count = 0;
    context->keep = context->damaged = false;
    text_span text = {0};
    if (count == 1 && text_is_valid((const uint8_t *)pieces->text, pieces->size)) { /* as it is */
      text = (text_span){(const uint8_t *)pieces->text, pieces->size};
      runs[num_runs++] = (run){pieces->size, pieces->parse_special != 0};
    } else if (!(failed = join_pieces(context, pieces, count, runs, &num_runs))) {
      text = (text_span){context->input.data, context->input.size};
    }
    failed = failed || encode_text(context, text, runs, num_runs, flags) || context->damaged;
  }
  free(runs);
  int64_t result = failed ? -1 : (int64_t)context->count;
  if (context)
    text_context_give(tokenizer->vocabulary, context);
  return result;
}

int64_t setun_encode(const setun_tokenizer *tokenizer, const char *text, size_t size, uint32_t flags, int64_t *ids,
                     size_t capacity) {
  setun_piece piece = {text, size, (flags & SETUN_PARSE_SPECIAL) != 0};
  return setun_encode_pieces(tokenizer, &piece, 1, flags, ids, capacity);
}
