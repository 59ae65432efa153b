/*===- unigram.c - Unigram models ---------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"

/* The best way to the end of each byte. */
typedef struct way {
  double score;
  uint32_t id, begin; /* NONE: there is none yet */
} way;

static void offer(way *to, double score, uint32_t id, size_t begin) {
  if (to->begin == SETUN_TEXT_NONE || score > to->score)
    *to = (way){score, id, (uint32_t)begin};
}

/* SentencePiece adds floats, and moves all scores that it still needs where they leave this range. */
static const double range = 100000;
static double add_scores(double a, double b, bool floats) { return floats ? (float)(a + b) : a + b; }
static void move_scores(way *ways, size_t at, size_t end) {
  float offset = (float)ways[at].score;
  for (size_t i = at; i <= end; ++i)
    if (ways[i].begin != SETUN_TEXT_NONE)
      ways[i].score = (float)(ways[i].score - offset);
}

/* A text that has no token: its bytes' tokens or the unknown one. */
static void emit_unknown(text_context *context, const uint8_t *text, size_t size) {
  const text_vocabulary *v = context->vocabulary;
  uint32_t id = v->table->flags & SETUN_UNIGRAM_FLOAT ? SETUN_TEXT_NONE : text_find_token(v, text, size);
  bool falls_back = id == SETUN_TEXT_NONE && v->table->flags & SETUN_MODEL_FALLBACK;
  for (size_t i = 0; i < size && falls_back; ++i)
    falls_back = v->table->byte_ids[text[i]] != SETUN_TEXT_NONE;
  if (!falls_back)
    text_emit(context, id == SETUN_TEXT_NONE ? v->table->unknown : id);
  for (size_t i = 0; i < size && falls_back; ++i)
    text_emit(context, v->table->byte_ids[text[i]]);
}

int text_unigram_word(text_context *context, const uint8_t *word, size_t size) {
  const text_vocabulary *v = context->vocabulary;
  text_buffer *buffer = &context->work[0];
  buffer->size = 0;
  if (size >= SETUN_TEXT_NONE || text_reserve(buffer, (size + 1) * sizeof(way)))
    return -1;
  way *ways = (way *)buffer->data;
  for (size_t i = 0; i <= size; ++i)
    ways[i] = (way){0, 0, SETUN_TEXT_NONE};
  bool floats = v->table->flags & SETUN_UNIGRAM_FLOAT;
  size_t mine, furthest = 0;
  for (size_t at = 0; at < size; at += mine) {
    if (floats && at && (ways[at].score < -range || ways[at].score > range))
      move_scores(ways, at, furthest);
    double score = ways[at].score;
    bool single = false;
    uint32_t node = 0;
    text_read_char(word + at, &mine);
    for (size_t end = at; end < size && (node = text_trie_step(&v->trie, node, word[end])) != SETUN_TEXT_NONE;) {
      uint32_t id = v->trie.ends[node];
      ++end;
      if (id >= v->num_scores)
        continue;
      offer(&ways[end], add_scores(score, v->scores[id], floats), id, at);
      furthest = end > furthest ? end : furthest;
      single |= end - at == mine;
    }
    if (!single) {
      offer(&ways[at + mine], add_scores(score, v->table->unknown_score, floats), v->table->unknown, at);
      furthest = at + mine > furthest ? at + mine : furthest;
    }
  }
  /* The way back, turned around in place: each begin points at the next end. Unknown neighbors are one. */
  size_t end = size, next = SETUN_TEXT_NONE;
  while (end) {
    size_t begin = ways[end].begin;
    if (begin >= end)
      return -1;
    ways[end].begin = (uint32_t)next;
    next = end;
    end = begin;
  }
  size_t begin = 0, unknown_begin = SIZE_MAX;
  for (end = next; begin < size; end = next) {
    next = ways[end].begin;
    uint32_t id = ways[end].id;
    if (id == v->table->unknown) {
      if (unknown_begin == SIZE_MAX)
        unknown_begin = begin;
    } else {
      if (unknown_begin != SIZE_MAX)
        emit_unknown(context, word + unknown_begin, begin - unknown_begin);
      unknown_begin = SIZE_MAX;
      text_emit(context, id);
    }
    begin = end;
  }
  if (unknown_begin != SIZE_MAX)
    emit_unknown(context, word + unknown_begin, size - unknown_begin);
  return 0;
}
