/*===- decode.c - Tokens to text ----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Decoders are stages that tokens are pushed through; the last one's tokens, put together, are the text. A stage holds
 * back what later tokens may change, and no more. Behind Fuse or ByteLevel ("fused") there is but one token, the whole
 * text, that comes in parts. All at once is the same, token by token. */

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

typedef struct stage {
  size_t count; /* tokens so far; Strip: characters that were cut */
  bool begun;   /* Strip, fused: the start was passed */
  text_buffer held;
  text_buffer work;
  text_pending pending;
} stage;

struct setun_stream {
  const text_vocabulary *vocabulary;
  uint32_t flags;
  text_buffer out;
  stage stages[];
};

static int push(setun_stream *stream, size_t index, const uint8_t *text, size_t size);

static int push_buffer(setun_stream *stream, size_t index, const text_buffer *buffer) {
  return push(stream, index, buffer->data, buffer->size);
}

/* ByteLevel: a token is the bytes its characters stand for, unless one stands for none. */
static int push_bytes(setun_stream *stream, size_t index, const uint8_t *text, size_t size) {
  stage *s = &stream->stages[index];
  size_t step;
  s->held.size = s->work.size = 0;
  if (text_reserve(&s->held, size))
    return -1;
  for (size_t at = 0; at < size; at += step) {
    int byte = text_char_byte(text_read_char(text + at, &step));
    if (byte < 0) {
      s->held.size = 0;
      if (text_append(&s->held, text, size))
        return -1;
      break;
    }
    s->held.data[s->held.size++] = (uint8_t)byte;
  }
  if (text_repair(&s->work, s->held.data, s->held.size, &s->pending))
    return -1;
  return push_buffer(stream, index + 1, &s->work);
}

/* The byte of a token <0xNN>, or -1. */
static int fallback_byte(const uint8_t *text, size_t size) {
  if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
    return -1;
  int value = 0;
  for (int i = 3; i < 5; ++i) {
    uint8_t c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                : i == 3 && c == '+'   ? 0 /* Rust reads a sign */
                                       : -1;
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* A run of bytes is a text, or each byte is U+FFFD. */
static int end_run(setun_stream *stream, size_t index) {
  stage *s = &stream->stages[index];
  size_t size = s->held.size;
  s->held.size = 0;
  if (size && text_is_valid(s->held.data, size))
    return push(stream, index + 1, s->held.data, size);
  for (size_t i = 0; i < size; ++i)
    if (push(stream, index + 1, (const uint8_t *)"\xef\xbf\xbd", 3))
      return -1;
  return 0;
}

static int push_fallback(setun_stream *stream, size_t index, const uint8_t *text, size_t size) {
  int value = fallback_byte(text, size);
  uint8_t byte = (uint8_t)value;
  if (value >= 0)
    return text_append(&stream->stages[index].held, &byte, 1);
  return end_run(stream, index) || push(stream, index + 1, text, size) ? -1 : 0;
}

static bool begins_with(const uint8_t *text, size_t size, text_span what) {
  return size >= what.size && memcmp(text, what.data, what.size) == 0;
}

static bool ends_with(const uint8_t *text, size_t size, text_span what) {
  return size >= what.size && memcmp(text + size - what.size, what.data, what.size) == 0;
}

static int push_strip(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text, size_t size) {
  stage *s = &stream->stages[index];
  text_span what = step->a;
  if (!step->fused) {
    for (uint32_t i = 0; i < step->value && begins_with(text, size, what); ++i)
      text += what.size, size -= what.size;
    for (uint32_t i = 0; i < step->more && ends_with(text, size, what); ++i)
      size -= what.size;
    return push(stream, index + 1, text, size);
  }
  for (; !s->begun && s->count < step->value && begins_with(text, size, what); ++s->count)
    text += what.size, size -= what.size;
  if (!size)
    return 0;
  s->begun = true;
  if (text_append(&s->held, text, size))
    return -1;
  size_t kept = s->held.size; /* what may yet be the end is held */
  for (uint32_t i = 0; i < step->more && ends_with(s->held.data, kept, what); ++i)
    kept -= what.size;
  if (push(stream, index + 1, s->held.data, kept))
    return -1;
  memmove(s->held.data, s->held.data + kept, s->held.size - kept);
  s->held.size -= kept;
  return 0;
}

/* In parts of one text: what may be the start of `what` is held. */
static int push_replace_fused(setun_stream *stream, size_t index, text_span what, text_span by, const uint8_t *text,
                              size_t size) {
  stage *s = &stream->stages[index];
  const uint8_t *found;
  if (!size)
    return 0;
  s->work.size = 0;
  if (text_append(&s->held, text, size))
    return -1;
  size_t at = 0;
  while ((found = text_search(s->held.data + at, s->held.size - at, what))) {
    if (text_append(&s->work, s->held.data + at, (size_t)(found - s->held.data) - at) ||
        text_append(&s->work, by.data, by.size))
      return -1;
    at = (size_t)(found - s->held.data) + what.size;
  }
  size_t rest = s->held.size - at, kept = rest < what.size ? rest : what.size - 1;
  while (kept && memcmp(s->held.data + s->held.size - kept, what.data, kept) != 0)
    --kept;
  if (text_append(&s->work, s->held.data + at, rest - kept))
    return -1;
  memmove(s->held.data, s->held.data + s->held.size - kept, kept);
  s->held.size = kept;
  return push_buffer(stream, index + 1, &s->work);
}

static int push_replace(setun_stream *stream, size_t index, text_span what, text_span by, const uint8_t *text,
                        size_t size) {
  text_buffer *work = &stream->stages[index].work;
  size_t first;
  work->size = 0;
  if (text_replace(work, (text_span){text, size}, what, by, &first))
    return -1;
  return push_buffer(stream, index + 1, work);
}

static int push_replace_regex(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text,
                              size_t size) {
  text_buffer *work = &stream->stages[index].work;
  text_matcher matcher = {0};
  text_matches matches;
  size_t at = 0, begin, end;
  work->size = 0;
  int found = text_matches_begin(&matches, step->regex, &matcher, text, size);
  while (found >= 0 && (found = text_matches_next(&matches, &begin, &end)) > 0) {
    if (text_append(work, text + at, begin - at) || text_append(work, step->b.data, step->b.size))
      found = -1;
    at = end;
  }
  text_matcher_free(&matcher);
  return found < 0 || text_append(work, text + at, size - at) || push_buffer(stream, index + 1, work) ? -1 : 0;
}

/* The first token loses its replacements where they were prepended; elsewhere they are spaces. */
static int push_metaspace(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text, size_t size) {
  stage *s = &stream->stages[index];
  bool first = (step->fused || s->count == 0) && step->value != 0;
  ++s->count;
  return push_replace(stream, index, step->a, (text_span){(const uint8_t *)" ", first ? 0 : 1}, text, size);
}

/* Whether any of cleanup's replacements may be found: each begins with a space. */
static bool may_clean(const text_buffer *text) {
  for (size_t i = 0; i + 1 < text->size; ++i) {
    size_t rest = text->size - i;
    const uint8_t *at = text->data + i;
    if (at[0] == ' ' && (memchr(".?!,'", at[1], 5) || (rest >= 4 && memcmp(at, " n't", 4) == 0) ||
                         (rest >= 7 && memcmp(at, " do not", 7) == 0)))
      return true;
  }
  return false;
}

/* What WordPiece's decoder does to each token, one replacement after the other. */
static int cleanup(text_buffer *text, text_buffer *work) {
  static const char *const pairs[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                         {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                         {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i) {
    text_span a = {(const uint8_t *)pairs[i][0], strlen(pairs[i][0])},
              b = {(const uint8_t *)pairs[i][1], strlen(pairs[i][1])};
    size_t first;
    work->size = 0;
    if (text_replace(work, (text_span){text->data, text->size}, a, b, &first))
      return -1;
    text_buffer old = *text;
    *text = *work;
    *work = old;
  }
  return 0;
}

static int push_piece(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text, size_t size) {
  stage *s = &stream->stages[index];
  s->held.size = 0;
  if (s->count++) {
    if (begins_with(text, size, step->a))
      text += step->a.size, size -= step->a.size;
    else if (text_append(&s->held, " ", 1))
      return -1;
  }
  if (text_append(&s->held, text, size) || (step->value & 1 && may_clean(&s->held) && cleanup(&s->held, &s->work)))
    return -1;
  return push_buffer(stream, index + 1, &s->held);
}

/* BPEDecoder: the last token's suffix is dropped, the others' are spaces; one token is held. */
static int push_suffix(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text, size_t size) {
  stage *s = &stream->stages[index];
  if (step->fused)
    return push_replace_fused(stream, index, step->a, (text_span){(const uint8_t *)"", 0}, text, size);
  if (s->count++ &&
      push_replace(stream, index, step->a, (text_span){(const uint8_t *)" ", 1}, s->held.data, s->held.size))
    return -1;
  s->held.size = 0;
  return text_append(&s->held, text, size);
}

/* SentencePiece's own way. Bytes give what characters they are, each other one U+FFFD. */
static int drain_bytes(setun_stream *stream, size_t index, bool last) {
  text_buffer *held = &stream->stages[index].held;
  while (held->size) {
    uint8_t lead = held->data[0];
    size_t size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > held->size && !last)
      return 0;
    bool valid = size <= held->size && text_is_valid(held->data, size);
    stream->stages[index].begun = true;
    if (valid ? push(stream, index + 1, held->data, size) : push(stream, index + 1, (const uint8_t *)"\xef\xbf\xbd", 3))
      return -1;
    size = valid ? size : 1;
    held->size -= size;
    memmove(held->data, held->data + size, held->size);
  }
  return 0;
}

/* Spaces at the start, which the normalizer made, are dropped: `begun` says that there was text, `count` that one piece
 * lost its space. */
static int push_sentencepiece(setun_stream *stream, size_t index, const text_step *step, const uint8_t *text,
                              size_t size) {
  static const text_span mark = {(const uint8_t *)"\xe2\x96\x81", 3}, space = {(const uint8_t *)" ", 1};
  stage *s = &stream->stages[index];
  int value = step->value & SETUN_PIECE_BYTES ? fallback_byte(text, size) : -1;
  if (value >= 0 && text[3] <= 'F' && text[4] <= 'F' && text[3] != '+') {
    uint8_t byte = (uint8_t)value;
    return text_append(&s->held, &byte, 1) || drain_bytes(stream, index, false) ? -1 : 0;
  }
  if (drain_bytes(stream, index, true))
    return -1;
  if (size == step->a.size && memcmp(text, step->a.data, size) == 0) {
    s->begun |= step->b.size > 0;
    return push(stream, index + 1, step->b.data, step->b.size);
  }
  if (!s->begun && !s->count && step->value & (SETUN_PIECE_PREFIX | SETUN_PIECE_TRIM) &&
      begins_with(text, size, mark)) {
    text += mark.size;
    size -= mark.size;
    s->count = !(step->value & SETUN_PIECE_TRIM);
  }
  s->begun |= size > 0;
  return push_replace(stream, index, mark, space, text, size);
}

static int push(setun_stream *stream, size_t index, const uint8_t *text, size_t size) {
  const text_steps *steps = &stream->vocabulary->decoder;
  if (index == steps->count)
    return text_append(&stream->out, text, size);
  const text_step *step = &steps->data[index];
  stage *s = &stream->stages[index];
  switch (step->kind) {
  case SETUN_DECODE_BYTES:
    return push_bytes(stream, index, text, size);
  case SETUN_DECODE_FALLBACK:
    return push_fallback(stream, index, text, size);
  case SETUN_DECODE_STRIP:
    return push_strip(stream, index, step, text, size);
  case SETUN_DECODE_REPLACE:
    return (step->fused ? push_replace_fused : push_replace)(stream, index, step->a, step->b, text, size);
  case SETUN_DECODE_REPLACE_REGEX:
    return push_replace_regex(stream, index, step, text, size);
  case SETUN_DECODE_METASPACE:
    return push_metaspace(stream, index, step, text, size);
  case SETUN_DECODE_WORDPIECE:
    return push_piece(stream, index, step, text, size);
  case SETUN_DECODE_SUFFIX:
    return push_suffix(stream, index, step, text, size);
  case SETUN_DECODE_SENTENCEPIECE:
    return push_sentencepiece(stream, index, step, text, size);
  case SETUN_DECODE_SPACES:
    if (s->count++ && push(stream, index + 1, (const uint8_t *)" ", 1))
      return -1;
    return push(stream, index + 1, text, size);
  default:
    return push(stream, index + 1, text, size);
  }
}

/* What a stage holds at the end; it is then as at the beginning. */
static int finish_stage(setun_stream *stream, size_t index) {
  const text_step *step = &stream->vocabulary->decoder.data[index];
  stage *s = &stream->stages[index];
  int failed = 0;
  if (step->kind == SETUN_DECODE_BYTES) {
    s->work.size = 0;
    failed = text_repair_finish(&s->work, &s->pending) || push_buffer(stream, index + 1, &s->work);
  } else if (step->kind == SETUN_DECODE_FALLBACK) {
    failed = end_run(stream, index);
  } else if (step->kind == SETUN_DECODE_SENTENCEPIECE) {
    failed = drain_bytes(stream, index, true);
  } else if (step->kind == SETUN_DECODE_SUFFIX && !step->fused && s->count) {
    failed = push_replace(stream, index, step->a, (text_span){(const uint8_t *)"", 0}, s->held.data, s->held.size);
  } else if (step->fused && (step->kind == SETUN_DECODE_REPLACE || step->kind == SETUN_DECODE_SUFFIX)) {
    failed = push_buffer(stream, index + 1, &s->held);
  }
  s->count = s->held.size = s->pending.size = 0;
  s->begun = false;
  return failed ? -1 : 0;
}

setun_stream *setun_stream_open(const setun_tokenizer *tokenizer, uint32_t flags) {
  const text_vocabulary *v = tokenizer->vocabulary;
  setun_stream *stream = calloc(1, sizeof *stream + v->decoder.count * sizeof *stream->stages);
  if (stream) {
    stream->vocabulary = v;
    stream->flags = flags;
  }
  return stream;
}

void setun_stream_close(setun_stream *stream) {
  if (!stream)
    return;
  for (size_t i = 0; i < stream->vocabulary->decoder.count; ++i) {
    text_buffer_free(&stream->stages[i].held);
    text_buffer_free(&stream->stages[i].work);
  }
  text_buffer_free(&stream->out);
  free(stream);
}

static int push_id(setun_stream *stream, int64_t id) {
  const text_vocabulary *v = stream->vocabulary;
  ptrdiff_t added = text_find_added(v, id);
  text_span text = {0};
  if (added >= 0) {
    if (stream->flags & SETUN_SKIP_SPECIAL && v->hidden[added])
      return 0;
    text = v->shown[added];
  } else if (id >= 0 && (uint64_t)id < v->num_texts) {
    text = text_string(v, v->texts[id]);
    /* Of a text that is there twice (Unigram) the other one may be special. */
    if (stream->flags & SETUN_SKIP_SPECIAL && v->table->model == SETUN_MODEL_UNIGRAM && text.data) {
      added = text_find_added(v, text_find_token(v, text.data, text.size));
      if (added >= 0 && v->hidden[added])
        return 0;
    }
  }
  return text.data && text_is_valid(text.data, text.size) ? push(stream, 0, text.data, text.size) : 0;
}

static int finish_all(setun_stream *stream) {
  int failed = 0;
  for (size_t i = 0; i < stream->vocabulary->decoder.count; ++i)
    failed |= finish_stage(stream, i);
  return failed;
}

static int hand_out(setun_stream *stream, int failed, const char **text, size_t *size) {
  *text = failed || !stream->out.data ? "" : (const char *)stream->out.data;
  *size = failed ? 0 : stream->out.size;
  return failed ? -1 : 0;
}

int setun_stream_push(setun_stream *stream, int64_t id, const char **text, size_t *size) {
  stream->out.size = 0;
  return hand_out(stream, push_id(stream, id), text, size);
}

int setun_stream_finish(setun_stream *stream, const char **text, size_t *size) {
  stream->out.size = 0;
  return hand_out(stream, finish_all(stream), text, size);
}

int64_t setun_decode(const setun_tokenizer *tokenizer, const int64_t *ids, size_t count, uint32_t flags, char *text,
                     size_t capacity) {
  setun_stream *stream = setun_stream_open(tokenizer, flags);
  if (!stream)
    return -1;
  int failed = 0;
  for (size_t i = 0; i < count && !failed; ++i)
    failed = push_id(stream, ids[i]);
  failed = failed || finish_all(stream);
  size_t size = stream->out.size;
  if (!failed && capacity && size)
    memcpy(text, stream->out.data, size < capacity ? size : capacity);
  setun_stream_close(stream);
  return failed ? -1 : (int64_t)size;
}
