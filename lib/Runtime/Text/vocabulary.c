/*===- vocabulary.c - What a tokenizer's section holds, checked ---*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Lists are checked against the section when it is opened; what they hold, where it is used: nothing large is read
 * here. */

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

text_span text_string(const text_vocabulary *v, setun_text_string string) {
  if (string.size > v->bytes.size || string.offset > v->bytes.size - string.size)
    return (text_span){0};
  return (text_span){v->bytes.data + string.offset, string.size};
}

static bool has_text(const text_vocabulary *v, uint32_t id, const uint8_t *text, size_t size) {
  text_span own = id < v->num_texts ? text_string(v, v->texts[id]) : (text_span){0};
  return own.data && own.size == size && memcmp(own.data, text, size) == 0;
}

uint32_t text_find_token(const text_vocabulary *v, const uint8_t *text, size_t size) {
  size_t place = setun_text_place(setun_text_hash(text, size), v->num_places);
  for (size_t tries = 0; tries < v->num_places; ++tries) {
    uint32_t id = v->vocabulary[place];
    if (id == SETUN_TEXT_NONE)
      return SETUN_TEXT_NONE;
    if (has_text(v, id, text, size))
      return id;
    place = place + 1 == v->num_places ? 0 : place + 1;
  }
  return SETUN_TEXT_NONE;
}

ptrdiff_t text_find_added(const text_vocabulary *v, int64_t id) {
  size_t begin = 0, end = v->num_added;
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    if (v->added[middle].id < id)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin < v->num_added && v->added[begin].id == id ? (ptrdiff_t)begin : -1;
}

/* Where a list lies, or -1 when it is not inside of the section. */
static int locate(text_span section, setun_text_list list, size_t element, const void **data, size_t *count) {
  if (list.offset % (element < 8 ? element : 8) || list.offset > section.size ||
      list.count > (section.size - list.offset) / element || list.count > UINT32_MAX)
    return -1;
  *data = section.data + list.offset;
  *count = (size_t)list.count;
  return 0;
}

static int locate_all(text_vocabulary *v, text_span section) {
  const setun_tokenizer_table *t = v->table;
#define LOCATE(list, field, count) locate(section, t->list, sizeof *v->field, (const void **)&v->field, &v->count)
  if (LOCATE(bytes, bytes.data, bytes.size) || LOCATE(texts, texts, num_texts) ||
      LOCATE(vocabulary, vocabulary, num_places) || LOCATE(merges, merges, num_merges) ||
      LOCATE(scores, scores, num_scores) || LOCATE(edges, trie.edges, trie.num_edges) ||
      LOCATE(ends, trie.ends, trie.num_nodes) || LOCATE(added, added, num_added) ||
      LOCATE(before, before, num_before) || LOCATE(after, after, num_after))
    return -1;
#undef LOCATE
  bool tried = t->model == SETUN_MODEL_UNIGRAM || t->model == SETUN_MODEL_WORDPIECE;
  if (t->model < SETUN_MODEL_BPE || t->model > SETUN_MODEL_WORDLEVEL || t->num_ids > SETUN_TEXT_MAX_IDS ||
      v->num_texts > t->num_ids || v->num_scores > t->num_ids || !v->num_places ||
      (tried && (!v->trie.num_nodes || v->trie.num_nodes > SETUN_TEXT_MAX_NODES || t->root >= v->trie.num_nodes)) ||
      (t->model == SETUN_MODEL_BPE ? !v->num_merges : t->unknown >= t->num_ids) ||
      (t->unknown != SETUN_TEXT_NONE && t->unknown >= t->num_ids))
    return -1;
  for (size_t i = 0; i < v->num_added; ++i) {
    text_span text = text_string(v, v->added[i].text);
    if (v->added[i].id >= t->num_ids || (i && v->added[i].id <= v->added[i - 1].id) || !text.data ||
        !text_is_valid(text.data, text.size))
      return -1;
  }
  for (size_t i = 0; i < v->num_before + v->num_after; ++i)
    if ((i < v->num_before ? v->before[i] : v->after[i - v->num_before]) >= t->num_ids)
      return -1;
  for (size_t i = 0; i < 256; ++i)
    if (t->byte_ids[i] >= t->num_ids && (t->byte_ids[i] != SETUN_TEXT_NONE || t->flags & SETUN_BPE_BYTES))
      return -1;
  return 0;
}

/* GPT-2's splits, which ByteLevel has built in. */
static const char bytes_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool holds_map(const text_step *step) {
  return step->kind == SETUN_NORM_PRECOMPILED || step->kind == SETUN_NORM_SENTENCEPIECE;
}

/* Whether a step of this kind has all that it needs. */
static bool is_sound(const text_step *step) {
  switch (step->kind) {
  case SETUN_NORM_PREPEND:
  case SETUN_NORM_REPLACE_REGEX:
  case SETUN_DECODE_WORDPIECE:
  case SETUN_DECODE_REPLACE_REGEX:
    return true;
  case SETUN_SPLIT_LENGTH:
    return step->value > 0;
  case SETUN_NORM_PRECOMPILED:
  case SETUN_NORM_SENTENCEPIECE: {
    uint32_t size = 0;
    if (step->kind == SETUN_NORM_SENTENCEPIECE && !step->a.size)
      return true;
    if (step->a.size >= 8)
      memcpy(&size, step->a.data, 4);
    return size >= 4 && size % 4 == 0 && size <= step->a.size - 4;
  }
  case SETUN_NORM_REPLACE:
  case SETUN_SPLIT_STRING:
  case SETUN_SPLIT_METASPACE:
  case SETUN_DECODE_STRIP:
  case SETUN_DECODE_REPLACE:
  case SETUN_DECODE_METASPACE:
  case SETUN_DECODE_SUFFIX:
    return step->a.size > 0;
  default:
    return true;
  }
}

static int open_steps(text_vocabulary *v, text_span section, setun_text_list list, uint32_t first, uint32_t last,
                      text_steps *steps, text_message message) {
  const setun_text_step *data;
  size_t count;
  static const char damaged[] = "damaged text table: the tokenizer's steps";
  if (locate(section, list, sizeof *data, (const void **)&data, &count) || count > 256)
    return text_fail(message, damaged);
  steps->data = calloc(count + 1, sizeof *steps->data);
  if (!steps->data)
    return text_fail(message, "not enough memory");
  bool fused = false;
  for (size_t i = 0; i < count; ++i) {
    text_step *step = &steps->data[i];
    *step = (text_step){data[i].kind, data[i].value, data[i].more, text_string(v, data[i].a), text_string(v, data[i].b),
                        NULL,         fused};
    if (step->kind < first || step->kind > last || !step->a.data || !step->b.data || !is_sound(step) ||
        (!holds_map(step) && !text_is_valid(step->a.data, step->a.size)) || !text_is_valid(step->b.data, step->b.size))
      return text_fail(message, damaged);
    steps->count = i + 1;
    fused |= step->kind == SETUN_DECODE_FUSE || step->kind == SETUN_DECODE_BYTES;
    bool bytes = step->kind == SETUN_SPLIT_BYTES && step->value & 2;
    if (bytes)
      step->regex = text_regex_compile((const uint8_t *)bytes_pattern, sizeof bytes_pattern - 1, message);
    else if (step->kind == SETUN_SPLIT_REGEX || step->kind == SETUN_NORM_REPLACE_REGEX ||
             step->kind == SETUN_DECODE_REPLACE_REGEX)
      step->regex = text_regex_compile(step->a.data, step->a.size, message);
    else
      continue;
    if (!step->regex)
      return -1;
  }
  return 0;
}

/* The texts by which added tokens are found, and what they are shown as. */
static int open_added(text_vocabulary *v) {
  v->shown = calloc(v->num_added + 1, sizeof *v->shown);
  v->hidden = calloc(v->num_added + 1, 1);
  text_span *found = calloc(v->num_added + 1, sizeof *found);
  size_t *places = calloc(v->num_added + 1, sizeof *places);
  text_context *context = text_context_take(v);
  int failed = !v->shown || !v->hidden || !found || !places || !context ? -1 : 0;
  /* First all texts, for the store moves while it grows. */
  for (size_t i = 0; i < v->num_added && !failed; ++i) {
    text_span text = text_string(v, v->added[i].text);
    bool start;
    if (v->added[i].flags & SETUN_ADDED_NORMALIZED && (failed = text_normalize(context, &text, &start)))
      break;
    places[i] = v->store.size;
    v->shown[i].size = text.size;
    failed = text_append(&v->store, text.data, text.size) || text_append(&v->store, "", 1) ? -1 : 0;
  }
  bool any_mixed = false;
  for (size_t i = 0; i < v->num_added && !failed; ++i) {
    text_span text = text_string(v, v->added[i].text);
    v->shown[i].data = v->store.data + places[i];
    bool same = v->shown[i].size == text.size && memcmp(v->shown[i].data, text.data, text.size) == 0;
    v->hidden[i] = v->added[i].flags & SETUN_ADDED_SPECIAL && same;
    any_mixed |= (v->added[i].flags & (SETUN_ADDED_SPECIAL | SETUN_ADDED_NORMALIZED)) ==
                 (SETUN_ADDED_SPECIAL | SETUN_ADDED_NORMALIZED);
  }
  for (int kind = 0; kind < 4 && !failed; ++kind) {
    for (size_t i = 0; i < v->num_added; ++i) {
      bool normalized = v->added[i].flags & SETUN_ADDED_NORMALIZED, special = v->added[i].flags & SETUN_ADDED_SPECIAL;
      text_span raw = text_string(v, v->added[i].text), none = {0};
      bool piece = v->added[i].flags & SETUN_ADDED_PIECE;
      found[i] = piece || kind == 3 ? (piece && kind == 3 ? raw : none)
                 : kind == 0        ? (normalized ? none : raw)
                 : kind == 1        ? (normalized ? v->shown[i] : none)
                                    : (any_mixed && (special || !normalized) ? raw : none);
    }
    text_added_trie *trie = kind == 0 ? &v->raw : kind == 1 ? &v->normalized : kind == 2 ? &v->mixed : &v->pieces;
    failed = text_added_trie_build(trie, found, v->num_added);
  }
  if (context)
    text_context_give(v, context);
  free(found);
  free(places);
  return failed;
}

static void free_steps(text_steps *steps) {
  for (size_t i = 0; steps->data && i < steps->count; ++i)
    text_regex_free(steps->data[i].regex);
  free(steps->data);
}

void text_vocabulary_close(text_vocabulary *v) {
  if (!v)
    return;
  text_context_free(v->parked);
  free_steps(&v->normalizer);
  free_steps(&v->splits);
  free_steps(&v->decoder);
  text_added_trie_free(&v->raw);
  text_added_trie_free(&v->normalized);
  text_added_trie_free(&v->mixed);
  text_added_trie_free(&v->pieces);
  text_buffer_free(&v->store);
  free(v->shown);
  free(v->hidden);
  free(v);
}

text_vocabulary *text_vocabulary_open(text_span section, text_message message) {
  text_vocabulary *v = calloc(1, sizeof *v);
  if (!v) {
    text_fail(message, "not enough memory");
    return NULL;
  }
  v->table = (const setun_tokenizer_table *)section.data;
  int failed = section.size < sizeof *v->table || locate_all(v, section)
                   ? text_fail(message, "damaged text table: the tokenizer's lists")
                   : 0;
  const setun_tokenizer_table *t = v->table;
  if (!failed)
    failed = open_steps(v, section, t->normalizer, SETUN_NORM_NFC, SETUN_NORM_SENTENCEPIECE, &v->normalizer, message) ||
             open_steps(v, section, t->splits, SETUN_SPLIT_BYTES, SETUN_SPLIT_LENGTH, &v->splits, message) ||
             open_steps(v, section, t->decoder, SETUN_DECODE_BYTES, SETUN_DECODE_SENTENCEPIECE, &v->decoder, message);
  int added = failed ? 0 : open_added(v);
  if (added)
    failed =
        text_fail(message, added == -2 ? "two added tokens are the same text once they are normalized, or one is empty"
                                       : "not enough memory");
  if (!failed)
    return v;
  text_vocabulary_close(v);
  return NULL;
}
