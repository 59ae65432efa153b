/*===- normalize.c - Normalizers ----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <string.h>

/* Every function below appends what `text` becomes to `into`, and clears `start` when the text's first character has no
 * part in the first one of the result: Metaspace's "first" asks for it. */

static int strip(text_buffer *into, text_span text, uint32_t sides, bool *start) {
  size_t size;
  if (sides & 1)
    while (text.size && text_is_space(text_read_char(text.data, &size))) {
      text.data += size;
      text.size -= size;
      *start = false;
    }
  if (sides & 2)
    while (text.size) {
      size_t last = text_last_char(text.data, text.data + text.size);
      if (!text_is_space(text_read_char(text.data + text.size - last, &size)))
        break;
      text.size -= last;
    }
  return text_append(into, text.data, text.size);
}

/* Leaves out marks. */
static int strip_marks(text_buffer *into, text_span text, bool nonspacing, bool *start) {
  size_t size, before = into->size;
  for (size_t at = 0; at < text.size; at += size) {
    uint32_t c = text_read_char(text.data + at, &size);
    if (!text_is_mark(c, nonspacing)) {
      if (text_append(into, text.data + at, size))
        return -1;
    } else if (into->size == before) {
      *start = false;
    }
  }
  return 0;
}

static int lowercase(text_buffer *into, text_span text) {
  size_t size;
  if (text_reserve(into, text.size))
    return -1;
  for (size_t at = 0; at < text.size; at += size) {
    uint32_t c = text_read_char(text.data + at, &size);
    /* The one character whose small form is two. */
    if (c == 0x130 ? text_append(into, "i\xcc\x87", 3) : text_append_char(into, text_lower(c)))
      return -1;
  }
  return 0;
}

static int clean(text_buffer *into, text_span text, bool *start) {
  size_t size, before = into->size;
  for (size_t at = 0; at < text.size; at += size) {
    uint32_t c = text_read_char(text.data + at, &size);
    bool space = text_is_space(c), plain = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == 0xfffd || (!plain && text_is_other(c))) {
      if (into->size == before)
        *start = false;
    } else if (space || plain ? text_append(into, " ", 1) : text_append(into, text.data + at, size)) {
      return -1;
    }
  }
  return 0;
}

static bool is_chinese(uint32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static int space_chinese(text_buffer *into, text_span text) {
  size_t size;
  for (size_t at = 0; at < text.size; at += size) {
    bool chinese = is_chinese(text_read_char(text.data + at, &size));
    if ((chinese && text_append(into, " ", 1)) || text_append(into, text.data + at, size) ||
        (chinese && text_append(into, " ", 1)))
      return -1;
  }
  return 0;
}

static int nmt(text_buffer *into, text_span text, bool *start) {
  size_t size, before = into->size;
  for (size_t at = 0; at < text.size; at += size) {
    uint32_t c = text_read_char(text.data + at, &size);
    bool dropped = (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
    bool space = c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    if (dropped && into->size == before)
      *start = false;
    if (!dropped && text_append(into, space ? (const uint8_t *)" " : text.data + at, space ? 1 : size))
      return -1;
  }
  return 0;
}

static uint32_t read_unit(text_span map, size_t index) {
  uint32_t unit;
  memcpy(&unit, map.data + 4 + index * 4, 4);
  return unit;
}

/* What SentencePiece's map makes of a prefix of `key` it knows, the shortest one or, where `length` is asked for, the
 * longest; none: data is NULL. The map is a double array (darts-clone), whose leaves are places in the texts behind
 * it. */
static text_span map_prefix(text_span map, const uint8_t *key, size_t size, size_t *length) {
  text_span result = {0};
  uint32_t bytes;
  memcpy(&bytes, map.data, 4);
  size_t units = bytes / 4, node = 0;
  text_span texts = {map.data + 4 + bytes, map.size - 4 - bytes};
  uint32_t unit = read_unit(map, 0);
  node ^= (unit >> 10) << ((unit & 0x200) >> 6);
  for (size_t i = 0; i < size && key[i]; ++i) {
    node ^= key[i];
    if (node >= units)
      break;
    unit = read_unit(map, node);
    if ((unit & 0x800000ffu) != key[i])
      break;
    node ^= (unit >> 10) << ((unit & 0x200) >> 6);
    if (node >= units)
      break;
    if (unit >> 8 & 1) {
      size_t place = read_unit(map, node) & 0x7fffffffu;
      const uint8_t *end = place < texts.size ? memchr(texts.data + place, 0, texts.size - place) : NULL;
      if (!end)
        end = texts.data + texts.size;
      if (place > texts.size)
        break;
      result = (text_span){texts.data + place, (size_t)(end - texts.data) - place};
      if (!length)
        return result;
      *length = i + 1;
    }
  }
  return result;
}

static int precompiled(text_buffer *into, text_span text, text_span map, bool *start) {
  size_t first = into->size;
  for (size_t at = 0; at < text.size;) {
    size_t grapheme = text_first_grapheme(text.data + at, text.size - at), size;
    text_span found = grapheme < 6 ? map_prefix(map, text.data + at, grapheme, NULL) : (text_span){0};
    if (found.data && text_append(into, found.data, found.size))
      return -1;
    for (size_t i = 0; !found.data && i < grapheme; i += size) {
      text_read_char(text.data + at + i, &size);
      text_span part = map_prefix(map, text.data + at + i, size, NULL);
      if (part.data ? text_append(into, part.data, part.size) : text_append(into, text.data + at + i, size))
        return -1;
    }
    at += grapheme;
    if (into->size == first)
      *start = false;
  }
  return 0;
}

/* What the text's first characters become: `size` gets how many bytes they are. User-defined pieces stay as they are.
 */
static text_span piece_prefix(const text_vocabulary *v, text_span map, text_span text, size_t *size) {
  if (v->pieces.used && text_added_trie_longest(&v->pieces, text.data, text.size, size) >= 0)
    return (text_span){text.data, *size};
  text_span found = map.size ? map_prefix(map, text.data, text.size, size) : (text_span){0};
  if (found.data)
    return found;
  text_read_char(text.data, size);
  return (text_span){text.data, *size};
}

/* SentencePiece's own normalizer, as its Normalizer::Normalize does it. */
static int sentencepiece(const text_vocabulary *v, text_buffer *into, text_span text, const text_step *step,
                         bool at_start) {
  bool begins = at_start || !(step->value & SETUN_PIECE_FIRST); /* or goes on behind a special token */
  bool trims = step->value & SETUN_PIECE_TRIM, after_space = trims && begins;
  bool prefix = step->value & SETUN_PIECE_PREFIX && begins;
  text_span space = step->value & SETUN_PIECE_ESCAPE ? (text_span){(const uint8_t *)"\xe2\x96\x81", 3}
                                                     : (text_span){(const uint8_t *)" ", 1};
  size_t size, first = into->size;
  for (; after_space && text.size; text.data += size, text.size -= size) {
    text_span part = piece_prefix(v, step->a, text, &size);
    if (part.size != 1 || part.data[0] != ' ')
      break;
  }
  if (!text.size)
    return 0;
  if (prefix && !(step->value & SETUN_PIECE_SUFFIX) && text_append(into, space.data, space.size))
    return -1;
  for (; text.size; text.data += size, text.size -= size) {
    text_span part = piece_prefix(v, step->a, text, &size);
    for (; after_space && part.size && part.data[0] == ' '; ++part.data)
      --part.size;
    for (size_t i = 0; i < part.size; ++i)
      if (part.data[i] == ' ' ? text_append(into, space.data, space.size) : text_append(into, part.data + i, 1))
        return -1;
    if (part.size)
      after_space = trims && part.data[part.size - 1] == ' ';
  }
  while (trims && into->size - first >= space.size &&
         memcmp(into->data + into->size - space.size, space.data, space.size) == 0)
    into->size -= space.size;
  return prefix && step->value & SETUN_PIECE_SUFFIX ? text_append(into, space.data, space.size) : 0;
}

static int replace_regex(text_context *context, text_buffer *into, text_span text, const text_step *step, bool *start) {
  text_matches matches;
  size_t at = 0, begin, end;
  int found;
  if (text_matches_begin(&matches, step->regex, &context->matcher, text.data, text.size))
    return -1;
  while ((found = text_matches_next(&matches, &begin, &end)) > 0) {
    size_t size = 0;
    if (begin == 0 && text.size)
      text_read_char(text.data, &size);
    if (begin == 0 && (end > size || !step->b.size))
      *start = false;
    if (text_append(into, text.data + at, begin - at) || text_append(into, step->b.data, step->b.size))
      return -1;
    at = end;
  }
  return found < 0 ? -1 : text_append(into, text.data + at, text.size - at);
}

static int replace(text_buffer *into, text_span text, const text_step *step, bool *start) {
  size_t first, size = 0;
  if (text_replace(into, text, step->a, step->b, &first))
    return -1;
  if (first == 0)
    text_read_char(text.data, &size);
  if (first == 0 && (step->a.size > size || !step->b.size))
    *start = false;
  return 0;
}

/* The parts of BertNormalizer, in its order. */
static int bert(text_context *context, text_buffer *into, text_span text, uint32_t parts, bool *start) {
  text_buffer *work = context->work;
  int failed = 0, which = 0;
  for (uint32_t part = SETUN_BERT_CLEAN; part <= SETUN_BERT_LOWERCASE && !failed; part <<= 1) {
    if (!(parts & part))
      continue;
    text_buffer *to = &work[which ^= 1];
    to->size = 0;
    if (part == SETUN_BERT_CLEAN) {
      failed = clean(to, text, start);
    } else if (part == SETUN_BERT_CHINESE) {
      failed = space_chinese(to, text);
    } else if (part == SETUN_BERT_LOWERCASE) {
      failed = lowercase(to, text);
    } else {
      work[2].size = 0;
      failed = text_normal_form(&work[2], text.data, text.size, SETUN_NORM_NFD) ||
               strip_marks(to, (text_span){work[2].data, work[2].size}, true, start);
    }
    text = (text_span){to->data, to->size};
  }
  return failed ? -1 : text_append(into, text.data, text.size);
}

static int normalize_step(text_context *context, const text_step *step, text_buffer *into, text_span text,
                          bool *start) {
  switch (step->kind) {
  case SETUN_NORM_NFC:
  case SETUN_NORM_NFD:
  case SETUN_NORM_NFKC:
  case SETUN_NORM_NFKD:
    return text_normal_form(into, text.data, text.size, step->kind);
  case SETUN_NORM_LOWERCASE:
    return lowercase(into, text);
  case SETUN_NORM_PREPEND:
    return (text.size && text_append(into, step->a.data, step->a.size)) || text_append(into, text.data, text.size) ? -1
                                                                                                                   : 0;
  case SETUN_NORM_REPLACE:
    return replace(into, text, step, start);
  case SETUN_NORM_REPLACE_REGEX:
    return replace_regex(context, into, text, step, start);
  case SETUN_NORM_STRIP:
    return strip(into, text, step->value, start);
  case SETUN_NORM_STRIP_ACCENTS:
    return strip_marks(into, text, false, start);
  case SETUN_NORM_BERT:
    return bert(context, into, text, step->value, start);
  case SETUN_NORM_PRECOMPILED:
    return precompiled(into, text, step->a, start);
  case SETUN_NORM_SENTENCEPIECE:
    return sentencepiece(context->vocabulary, into, text, step, *start);
  case SETUN_NORM_NMT:
    return nmt(into, text, start);
  default:
    return text_append_byte_chars(into, text.data, text.size);
  }
}

int text_normalize(text_context *context, text_span *text, bool *at_start) {
  const text_steps *steps = &context->vocabulary->normalizer;
  for (size_t i = 0; i < steps->count; ++i) {
    text_buffer *into = &context->normal[i % 2];
    into->size = 0;
    if (text_reserve(into, text->size + 1) || normalize_step(context, &steps->data[i], into, *text, at_start))
      return -1;
    *text = (text_span){into->data, into->size};
  }
  return 0;
}
