/*===- words.c - Words to tokens: WordPiece, WordLevel, and the way to any model ---*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* The longest token first, again and again; a word with a part that has none is unknown as a whole. */
int text_piece_word(text_context *context, const uint8_t *word, size_t size) {
  const text_vocabulary *v = context->vocabulary;
  size_t chars = 0, first = context->count, first_word = context->word_begin;
  for (size_t i = 0; i < size; ++i)
    chars += (word[i] & 0xc0) != 0x80;
  bool known = chars <= v->table->max_chars;
  for (size_t at = 0; known && at < size;) {
    uint32_t node = at ? v->table->root : 0, id = SETUN_TEXT_NONE;
    size_t end = at;
    for (size_t i = at; i < size && (node = text_trie_step(&v->trie, node, word[i])) != SETUN_TEXT_NONE;) {
      uint32_t here = v->trie.ends[node];
      ++i;
      if (here != SETUN_TEXT_NONE && (i == size || (word[i] & 0xc0) != 0x80)) {
        id = here;
        end = i;
      }
    }
    known = id != SETUN_TEXT_NONE;
    at = end;
    if (known)
      text_emit(context, id);
  }
  if (!known) {
    context->count = first;
    context->word_begin = first_word;
    text_emit(context, v->table->unknown);
  }
  return 0;
}

static int level_word(text_context *context, const uint8_t *word, size_t size) {
  uint32_t id = text_find_token(context->vocabulary, word, size);
  text_emit(context, id == SETUN_TEXT_NONE ? context->vocabulary->table->unknown : id);
  return 0;
}

void text_emit(text_context *context, uint32_t id) {
  if (id >= context->vocabulary->table->num_ids) { /* of a damaged table */
    context->damaged = true;
    return;
  }
  if (context->keep && context->count - context->word_begin < 8)
    context->word_ids[context->count - context->word_begin] = id;
  if (context->count < context->capacity)
    context->ids[context->count] = id;
  ++context->count;
}

static int model_word(text_context *context, const uint8_t *word, size_t size) {
  switch (context->vocabulary->table->model) {
  case SETUN_MODEL_BPE:
    return text_bpe_word(context, word, size);
  case SETUN_MODEL_UNIGRAM:
    return text_unigram_word(context, word, size);
  case SETUN_MODEL_WORDPIECE:
    return text_piece_word(context, word, size);
  default:
    return level_word(context, word, size);
  }
}

enum { CACHED = 1 << 14 }; /* places; a word has two that it may be in */

static uint64_t hash_word(const uint8_t *word, size_t size) {
  uint64_t a = 0, b = 0, c = 0;
  if (size >= 8) {
    memcpy(&a, word, 8);
    memcpy(&b, word + size - 8, 8);
    if (size > 16)
      memcpy(&c, word + 8, 8);
  } else {
    memcpy(&a, word, size);
  }
  return setun_text_mix(setun_text_mix(a ^ size * 0x9e3779b97f4a7c15u) + b + c * 0xd6e8feb86659fd93u);
}

/* Words come again: the tokens of short ones are kept. */
static int cached_word(text_context *context, const uint8_t *word, size_t size) {
  if (size > sizeof context->cache->word || !context->cache)
    return model_word(context, word, size);
  uint64_t hash = hash_word(word, size);
  text_cached *place = &context->cache[hash >> 32 & (CACHED - 2)];
  for (int i = 0; i < 2; ++i) {
    const text_cached *cached = &place[i];
    if (cached->hash != hash || cached->size != size || memcmp(cached->word, word, size) != 0)
      continue;
    for (unsigned j = 0; j < cached->count; ++j)
      text_emit(context, cached->ids[j]);
    return 0;
  }
  context->keep = true;
  context->word_begin = context->count;
  int failed = model_word(context, word, size);
  context->keep = false;
  size_t count = context->count - context->word_begin;
  if (failed || count > 8)
    return failed;
  place[1] = place[0];
  place[0] = (text_cached){.hash = hash, .size = (uint8_t)size, .count = (uint8_t)count};
  memcpy(place[0].word, word, size);
  memcpy(place[0].ids, context->word_ids, count * sizeof *context->word_ids);
  return 0;
}

/* The place of the next U+2581 behind a character that is another, or the end. */
static size_t next_start(const uint8_t *text, size_t size) {
  static const uint8_t mark[] = {0xe2, 0x96, 0x81};
  for (size_t at = 1; at < size; ++at) {
    const uint8_t *found = memchr(text + at, mark[0], size - at);
    if (!found)
      break;
    at = (size_t)(found - text);
    if (size - at >= 3 && memcmp(found, mark, 3) == 0 && (at < 3 || memcmp(found - 3, mark, 3) != 0))
      return at;
  }
  return size;
}

static int plain_words(text_context *context, const uint8_t *word, size_t size) {
  if (!(context->vocabulary->table->flags & SETUN_BPE_WORD_STARTS))
    return cached_word(context, word, size);
  for (size_t part; size; word += part, size -= part) {
    part = next_start(word, size);
    if (cached_word(context, word, part))
      return -1;
  }
  return 0;
}

int text_model_word(text_context *context, const uint8_t *word, size_t size) {
  const text_added_trie *pieces = &context->vocabulary->pieces;
  if (!pieces->used || context->vocabulary->table->model != SETUN_MODEL_BPE)
    return plain_words(context, word, size);
  /* User-defined pieces are never merged: they are tokens, and ends of the words beside them. */
  size_t last = 0, length;
  for (size_t at = 0; at < size; ++at) {
    ptrdiff_t index = pieces->first[word[at]] ? text_added_trie_longest(pieces, word + at, size - at, &length) : -1;
    if (index < 0)
      continue;
    if (last < at && plain_words(context, word + last, at - last))
      return -1;
    text_emit(context, context->vocabulary->added[index].id);
    last = at + length;
    at = last - 1;
  }
  return last < size ? plain_words(context, word + last, size - last) : 0;
}

text_context *text_context_take(const text_vocabulary *vocabulary) {
  text_context *context = __atomic_exchange_n((void **)&vocabulary->parked, NULL, __ATOMIC_ACQ_REL);
  if (context)
    return context;
  context = calloc(1, sizeof *context);
  if (!context)
    return NULL;
  context->vocabulary = vocabulary;
  context->steps = calloc(vocabulary->splits.count * 3 + 1, sizeof *context->steps);
  context->cache = calloc(CACHED, sizeof *context->cache); /* without it, words are made anew */
  if (context->steps)
    return context;
  text_context_free(context);
  return NULL;
}

/* Memory above this is not kept between calls. */
enum { KEPT = 1 << 20 };

static void shrink(text_buffer *buffer) {
  if (buffer->capacity > KEPT)
    text_buffer_free(buffer);
}

void text_context_give(const text_vocabulary *vocabulary, text_context *context) {
  text_buffer *buffers[] = {&context->input,   &context->normal[0],     &context->normal[1], &context->chunk,
                            &context->key,     &context->work[0],       &context->work[1],   &context->work[2],
                            &context->work[3], &context->matcher.shadow};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
    shrink(buffers[i]);
  for (size_t i = 0; i < vocabulary->splits.count * 3; ++i)
    shrink(&context->steps[i]);
  text_context *other = __atomic_exchange_n((void **)&vocabulary->parked, context, __ATOMIC_ACQ_REL);
  text_context_free(other);
}

void text_context_free(text_context *context) {
  if (!context)
    return;
  text_buffer *buffers[] = {&context->input,   &context->normal[0], &context->normal[1],
                            &context->chunk,   &context->key,       &context->work[0],
                            &context->work[1], &context->work[2],   &context->work[3]};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
    text_buffer_free(buffers[i]);
  for (size_t i = 0; context->steps && i < context->vocabulary->splits.count * 3; ++i)
    text_buffer_free(&context->steps[i]);
  text_matcher_free(&context->matcher);
  free(context->steps);
  free(context->cache);
  free(context);
}
