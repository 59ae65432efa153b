/*===- split.c - Pre-tokenizers -----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A text goes down through the steps piece by piece: the last step gives its pieces to the model. */

#include "Tokenizer.h"
#include <string.h>

/* Pieces of one text on their way to the next step: what is found, joined as `behavior` says. */
typedef struct splitter {
  text_context *context;
  const uint8_t *text;
  size_t next; /* step */
  uint32_t behavior;
  bool at_start, inverted;
  bool held, held_match; /* a piece that the next one may join */
  size_t held_begin, held_end;
} splitter;

static int pass(splitter *s, size_t begin, size_t end) {
  return begin == end ? 0 : text_split(s->context, s->next, s->text + begin, end - begin, s->at_start && begin == 0);
}

static int flush(splitter *s) {
  bool held = s->held;
  s->held = false;
  return held ? pass(s, s->held_begin, s->held_end) : 0;
}

static int hold(splitter *s, size_t begin, size_t end, bool match) {
  if (flush(s))
    return -1;
  s->held = true;
  s->held_match = match;
  s->held_begin = begin;
  s->held_end = end;
  return 0;
}

/* The next part of the text, a match or what is between two. */
static int feed(splitter *s, size_t begin, size_t end, bool match) {
  match ^= s->inverted;
  switch (s->behavior) {
  case SETUN_SPLIT_REMOVED:
    return match ? 0 : pass(s, begin, end);
  case SETUN_SPLIT_CONTIGUOUS:
    if (s->held && s->held_match == match) {
      s->held_end = end;
      return 0;
    }
    return hold(s, begin, end, match);
  case SETUN_SPLIT_PREVIOUS: /* a match joins what is before it, unless that is a match */
    if (!match)
      return hold(s, begin, end, false);
    if (s->held) {
      s->held_end = end;
      return flush(s);
    }
    return pass(s, begin, end);
  case SETUN_SPLIT_NEXT:
    if (match)
      return hold(s, begin, end, true);
    if (s->held) {
      s->held_end = end;
      return flush(s);
    }
    return pass(s, begin, end);
  default:
    return pass(s, begin, end);
  }
}

/* A match, and what is between it and the one before it. */
static int feed_match(splitter *s, size_t *last, size_t begin, size_t end) {
  if (*last != begin && feed(s, *last, begin, false))
    return -1;
  *last = end;
  return feed(s, begin, end, true);
}

static int finish(splitter *s, size_t last, size_t size) {
  return (last != size && feed(s, last, size, false)) || flush(s) ? -1 : 0;
}

static int split_regex(splitter *s, const text_regex *regex, text_buffer *shadow, size_t size) {
  text_matches matches;
  size_t begin, end, last = 0;
  int found;
  /* Steps behind this one match in texts of their own while this one's is in use. */
  text_buffer outer = s->context->matcher.shadow;
  s->context->matcher.shadow = *shadow;
  int failed = text_matches_begin(&matches, regex, &s->context->matcher, s->text, size);
  *shadow = s->context->matcher.shadow;
  s->context->matcher.shadow = outer;
  if (failed)
    return -1;
  while ((found = text_matches_next(&matches, &begin, &end)) > 0)
    if (feed_match(s, &last, begin, end))
      return -1;
  return found < 0 ? -1 : finish(s, last, size);
}

static int split_string(splitter *s, text_span what, size_t size) {
  size_t last = 0;
  const uint8_t *found;
  for (size_t at = 0; (found = text_search(s->text + at, size - at, what)); at = last)
    if (feed_match(s, &last, (size_t)(found - s->text), (size_t)(found - s->text) + what.size))
      return -1;
  return finish(s, last, size);
}

static int split_chars(splitter *s, bool (*is)(uint32_t), size_t size) {
  size_t last = 0, step;
  for (size_t at = 0; at < size; at += step)
    if (is(text_read_char(s->text + at, &step)) && feed_match(s, &last, at, at + step))
      return -1;
  return finish(s, last, size);
}

/* Rust's \w+|[^\w\s]+ */
static int split_words(splitter *s, size_t size) {
  size_t last = 0, begin = 0, step;
  int kind = 0; /* of the match that is open: 1 word, 2 neither word nor space */
  for (size_t at = 0; at < size; at += step) {
    uint32_t c = text_read_char(s->text + at, &step);
    int next = text_is_word(c) ? 1 : text_is_space(c) ? 0 : 2;
    if (next == kind)
      continue;
    if (kind && feed_match(s, &last, begin, at))
      return -1;
    kind = next;
    begin = at;
  }
  if (kind && feed_match(s, &last, begin, size))
    return -1;
  return finish(s, last, size);
}

static int split_length(splitter *s, uint32_t length, size_t size) {
  size_t step, begin = 0, at = 0;
  for (uint32_t count = 0; at < size; at += step) {
    text_read_char(s->text + at, &step);
    if (++count < length)
      continue;
    if (pass(s, begin, at + step))
      return -1;
    begin = at + step;
    count = 0;
  }
  return pass(s, begin, size);
}

static int split_metaspace(splitter *s, const text_step *step, text_buffer *buffer, size_t size) {
  const text_span space = {(const uint8_t *)" ", 1}, mark = step->a;
  uint32_t scheme = step->value & 3;
  bool starts = size && (s->text[0] == ' ' || (size >= mark.size && memcmp(s->text, mark.data, mark.size) == 0));
  size_t first;
  buffer->size = 0;
  if (!starts && (scheme == 2 || (scheme == 1 && s->at_start)) && text_append(buffer, mark.data, mark.size))
    return -1;
  if (text_replace(buffer, (text_span){s->text, size}, space, mark, &first))
    return -1;
  s->text = buffer->data;
  if (!(step->value & 4))
    return pass(s, 0, buffer->size);
  s->behavior = SETUN_SPLIT_NEXT;
  return split_string(s, mark, buffer->size);
}

/* GPT-2's way: the pieces of the text's bytes, then each byte as a character, unless the model takes bytes. */
static int split_bytes(splitter *s, const text_step *step, text_buffer *buffers, size_t size) {
  if (step->value & 1 && s->text[0] != ' ') {
    buffers[0].size = 0;
    if (text_append(&buffers[0], " ", 1) || text_append(&buffers[0], s->text, size))
      return -1;
    s->text = buffers[0].data;
    ++size;
  }
  s->behavior = SETUN_SPLIT_ISOLATED;
  return step->value & 2 ? split_regex(s, step->regex, &buffers[1], size) : pass(s, 0, size);
}

/* A piece behind a ByteLevel step. */
static int pass_bytes(text_context *context, size_t next, text_buffer *buffer, const uint8_t *text, size_t size,
                      bool at_start) {
  buffer->size = 0;
  return text_append_byte_chars(buffer, text, size) || text_split(context, next, buffer->data, buffer->size, at_start)
             ? -1
             : 0;
}

int text_split(text_context *context, size_t index, const uint8_t *text, size_t size, bool at_start) {
  const text_steps *steps = &context->vocabulary->splits;
  /* An odd index is the second half of a ByteLevel step. */
  const text_step *step = index / 2 < steps->count ? &steps->data[index / 2] : NULL;
  if (!step)
    return text_model_word(context, text, size);
  text_buffer *buffers = &context->steps[index / 2 * 3];
  if (index % 2)
    return pass_bytes(context, index + 1, &buffers[2], text, size, at_start);
  splitter s = {context, text, index + 2, step->value & SETUN_SPLIT_BEHAVIOR, at_start, false, false, false, 0, 0};
  s.inverted = step->value & SETUN_SPLIT_INVERT;
  switch (step->kind) {
  case SETUN_SPLIT_REGEX:
    return split_regex(&s, step->regex, &buffers[1], size);
  case SETUN_SPLIT_STRING:
    return split_string(&s, step->a, size);
  case SETUN_SPLIT_METASPACE:
    s.inverted = false;
    return split_metaspace(&s, step, &buffers[0], size);
  case SETUN_SPLIT_WORDS:
    return split_words(&s, size);
  case SETUN_SPLIT_SPACES:
    return split_chars(&s, text_is_space, size);
  case SETUN_SPLIT_DIGITS:
    return split_chars(&s, text_is_numeric, size);
  case SETUN_SPLIT_PUNCTUATION:
    return split_chars(&s, text_is_punctuation, size);
  case SETUN_SPLIT_LENGTH:
    return split_length(&s, step->value, size);
  default:
    s.inverted = false;
    if (!(context->vocabulary->table->flags & SETUN_BPE_BYTES && index / 2 + 1 == steps->count))
      s.next = index + 1;
    return split_bytes(&s, step, buffers, size);
  }
}
