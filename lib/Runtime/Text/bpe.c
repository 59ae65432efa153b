/*===- bpe.c - Byte pair encoding ---------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <string.h>

static const setun_text_merge *find_merge(const text_vocabulary *v, uint32_t left, uint32_t right) {
  size_t place = setun_text_place(setun_text_hash_pair(left, right), v->num_merges);
  for (size_t tries = 0; tries < v->num_merges; ++tries) {
    const setun_text_merge *merge = &v->merges[place];
    if (merge->left == left && merge->right == right)
      return merge;
    if (merge->left == SETUN_TEXT_NONE)
      return NULL;
    place = place + 1 == v->num_merges ? 0 : place + 1;
  }
  return NULL;
}

/* Short words: the best pair is looked for again after every merge. */
enum { SHORT = 64 };

static size_t merge_short(const text_vocabulary *v, uint32_t *symbols, size_t count) {
  const setun_text_merge *pairs[SHORT];
  for (size_t i = 0; i + 1 < count; ++i)
    pairs[i] = find_merge(v, symbols[i], symbols[i + 1]);
  for (;;) {
    uint32_t best = SETUN_TEXT_NONE;
    size_t at = 0;
    for (size_t i = 0; i + 1 < count; ++i)
      if (pairs[i] && pairs[i]->rank < best) {
        best = pairs[i]->rank;
        at = i;
      }
    if (best == SETUN_TEXT_NONE)
      return count;
    symbols[at] = pairs[at]->id;
    --count;
    memmove(symbols + at + 1, symbols + at + 2, (count - at - 1) * sizeof *symbols);
    if (at + 1 < count)
      memmove(pairs + at + 1, pairs + at + 2, (count - at - 2) * sizeof *pairs);
    if (at + 1 < count)
      pairs[at] = find_merge(v, symbols[at], symbols[at + 1]);
    if (at)
      pairs[at - 1] = find_merge(v, symbols[at - 1], symbols[at]);
  }
}

/* Long words: a heap of pairs by rank, then place; symbols are a list, and pairs that are no more are passed over. */
typedef struct entry {
  uint64_t key; /* rank << 32 | place */
  uint32_t id;
} entry;

typedef struct symbol {
  uint32_t id, before, after; /* NONE: merged away; no neighbor */
} symbol;

static void sift_up(entry *heap, size_t at, entry new) {
  for (; at && heap[(at - 1) / 4].key > new.key; at = (at - 1) / 4)
    heap[at] = heap[(at - 1) / 4];
  heap[at] = new;
}

static void sift_down(entry *heap, size_t count, entry moved) {
  size_t at = 0;
  for (;;) {
    size_t child = at * 4 + 1, best = child;
    if (child >= count)
      break;
    for (size_t i = child + 1; i < child + 4 && i < count; ++i)
      if (heap[i].key < heap[best].key)
        best = i;
    if (heap[best].key >= moved.key)
      break;
    heap[at] = heap[best];
    at = best;
  }
  heap[at] = moved;
}

static int push_pair(text_context *context, const symbol *symbols, uint32_t at, text_buffer *heap) {
  uint32_t next = symbols[at].after;
  if (next == SETUN_TEXT_NONE)
    return 0;
  const setun_text_merge *merge = find_merge(context->vocabulary, symbols[at].id, symbols[next].id);
  if (!merge)
    return 0;
  if (text_reserve(heap, sizeof(entry)))
    return -1;
  sift_up((entry *)heap->data, heap->size / sizeof(entry), (entry){(uint64_t)merge->rank << 32 | at, merge->id});
  heap->size += sizeof(entry);
  return 0;
}

static int merge_long(text_context *context, const uint32_t *ids, size_t count) {
  text_buffer *list = &context->work[1], *heap = &context->work[2];
  const text_vocabulary *v = context->vocabulary;
  list->size = heap->size = 0;
  if (count >= SETUN_TEXT_NONE || text_reserve(list, count * sizeof(symbol)))
    return -1;
  symbol *symbols = (symbol *)list->data;
  for (size_t i = 0; i < count; ++i)
    symbols[i] =
        (symbol){ids[i], i ? (uint32_t)i - 1 : SETUN_TEXT_NONE, i + 1 < count ? (uint32_t)i + 1 : SETUN_TEXT_NONE};
  for (size_t i = 0; i + 1 < count; ++i)
    if (push_pair(context, symbols, (uint32_t)i, heap))
      return -1;
  while (heap->size) {
    entry *entries = (entry *)heap->data, top = entries[0];
    heap->size -= sizeof(entry);
    sift_down(entries, heap->size / sizeof(entry), entries[heap->size / sizeof(entry)]);
    uint32_t at = (uint32_t)top.key, next = symbols[at].after;
    if (symbols[at].id == SETUN_TEXT_NONE || next == SETUN_TEXT_NONE)
      continue;
    const setun_text_merge *merge = find_merge(v, symbols[at].id, symbols[next].id);
    if (!merge || merge->id != top.id)
      continue;
    symbols[at].id = top.id;
    symbols[at].after = symbols[next].after;
    symbols[next].id = SETUN_TEXT_NONE;
    if (symbols[at].after != SETUN_TEXT_NONE)
      symbols[symbols[at].after].before = at;
    if ((symbols[at].before != SETUN_TEXT_NONE && push_pair(context, symbols, symbols[at].before, heap)) ||
        push_pair(context, symbols, at, heap))
      return -1;
  }
  for (uint32_t at = 0; at != SETUN_TEXT_NONE; at = symbols[at].after)
    text_emit(context, symbols[at].id);
  return 0;
}

static int add_symbol(text_buffer *symbols, uint32_t id) { return text_append(symbols, &id, sizeof id); }

/* A character's token, or the tokens of its bytes, or unknown: `unknown` holds a token that is not written yet. */
static int add_char(text_context *context, text_buffer *symbols, const uint8_t *text, size_t size, uint32_t *unknown) {
  const text_vocabulary *v = context->vocabulary;
  uint32_t id = text_find_token(v, text, size);
  if (id != SETUN_TEXT_NONE) {
    if (*unknown != SETUN_TEXT_NONE && add_symbol(symbols, *unknown))
      return -1;
    *unknown = SETUN_TEXT_NONE;
    return add_symbol(symbols, id);
  }
  bool falls_back = v->table->flags & SETUN_MODEL_FALLBACK;
  for (size_t i = 0; i < size; ++i)
    falls_back &= v->table->byte_ids[text[i]] != SETUN_TEXT_NONE;
  if (falls_back) { /* an unknown token that is held stays behind: so do those of `tokenizers` */
    for (size_t i = 0; i < size; ++i)
      if (add_symbol(symbols, v->table->byte_ids[text[i]]))
        return -1;
    return 0;
  }
  if (v->table->unknown == SETUN_TEXT_NONE)
    return 0;
  if (*unknown != SETUN_TEXT_NONE && !(v->table->flags & SETUN_MODEL_FUSE_UNK) && add_symbol(symbols, *unknown))
    return -1;
  *unknown = v->table->unknown;
  return 0;
}

/* The tokens a word begins with: one for each character, with prefix and suffix where the model has them. */
static int add_chars(text_context *context, text_buffer *symbols, const uint8_t *word, size_t size) {
  const text_vocabulary *v = context->vocabulary;
  text_span prefix = text_string(v, v->table->prefix), suffix = text_string(v, v->table->suffix);
  uint32_t unknown = SETUN_TEXT_NONE;
  size_t step;
  for (size_t at = 0; at < size; at += step) {
    text_read_char(word + at, &step);
    text_span text = {word + at, step};
    if ((at && prefix.size) || (at + step == size && suffix.size)) {
      text_buffer *key = &context->key;
      key->size = 0;
      if ((at && text_append(key, prefix.data, prefix.size)) || text_append(key, word + at, step) ||
          (at + step == size && text_append(key, suffix.data, suffix.size)))
        return -1;
      text = (text_span){key->data, key->size};
    }
    if (add_char(context, symbols, text.data, text.size, &unknown))
      return -1;
  }
  return unknown == SETUN_TEXT_NONE ? 0 : add_symbol(symbols, unknown);
}

/* The token of the whole word, where the model takes such before merging. */
static int find_whole(text_context *context, const uint8_t *word, size_t size, uint32_t *id) {
  const text_vocabulary *v = context->vocabulary;
  *id = SETUN_TEXT_NONE;
  if (!(v->table->flags & SETUN_BPE_IGNORE_MERGES))
    return 0;
  text_buffer *key = &context->key;
  key->size = 0;
  if (v->table->flags & SETUN_BPE_BYTES) {
    if (size > 4096) /* no token is that long */
      return 0;
    if (text_append_byte_chars(key, word, size))
      return -1;
    word = key->data;
    size = key->size;
  }
  *id = text_find_token(v, word, size);
  return 0;
}

int text_bpe_word(text_context *context, const uint8_t *word, size_t size) {
  const text_vocabulary *v = context->vocabulary;
  text_buffer *list = &context->work[0];
  uint32_t whole;
  if (find_whole(context, word, size, &whole))
    return -1;
  if (whole != SETUN_TEXT_NONE) {
    text_emit(context, whole);
    return 0;
  }
  list->size = 0;
  if (v->table->flags & SETUN_BPE_BYTES) {
    if (text_reserve(list, size * sizeof(uint32_t)))
      return -1;
    for (size_t i = 0; i < size; ++i)
      ((uint32_t *)list->data)[i] = v->table->byte_ids[word[i]];
    list->size = size * sizeof(uint32_t);
  } else if (add_chars(context, list, word, size)) {
    return -1;
  }
  uint32_t *symbols = (uint32_t *)list->data;
  size_t count = list->size / sizeof *symbols;
  if (count > SHORT)
    return merge_long(context, symbols, count);
  count = count && v->num_merges ? merge_short(v, symbols, count) : count;
  for (size_t i = 0; i < count; ++i)
    text_emit(context, symbols[i]);
  return 0;
}
