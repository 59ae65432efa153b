/*===- unicode.c - Properties and normal forms of characters ------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The one file that knows utf8proc. */

#include "Tokenizer.h"
#include "UnicodeDifferences.h"
#include <string.h>

static const text_range *find_range(const text_range *ranges, size_t count, uint32_t c) {
  size_t begin = 0, end = count;
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    if (ranges[middle].last < c)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin < count && ranges[begin].first <= c ? &ranges[begin] : NULL;
}

#define FIND(ranges, c) find_range(ranges, sizeof ranges / sizeof *ranges, c)

bool text_is_space(uint32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

#ifdef SETUN_TEXT_LIBRARIES
#include <utf8proc.h>

static utf8proc_category_t category(uint32_t c) { return utf8proc_category((utf8proc_int32_t)c); }

bool text_is_numeric(uint32_t c) {
  if (c < 0x80)
    return c >= '0' && c <= '9';
  utf8proc_category_t kind = category(c);
  bool numeric = kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
  return numeric != !!FIND(numeric_differences, c);
}

bool text_is_punctuation(uint32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  utf8proc_category_t kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO) != !!FIND(punctuation_differences, c);
}

bool text_is_mark(uint32_t c, bool nonspacing) {
  if (c < 0x300)
    return false;
  utf8proc_category_t kind = category(c);
  if (nonspacing)
    return (kind == UTF8PROC_CATEGORY_MN) != !!FIND(nonspacing_differences, c);
  bool mark = kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ME;
  return mark != !!FIND(mark_differences, c);
}

bool text_is_other(uint32_t c) {
  if (c < 0x80)
    return c < 0x20 || c == 0x7f;
  utf8proc_category_t kind = category(c);
  bool other = kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
  return other != !!FIND(other_differences, c);
}

static bool is_word(uint32_t c) {
  switch (category(c)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default: /* joiners, and symbols that are Alphabetic: letters in circles and squares */
    return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
  }
}

bool text_is_word(uint32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  return is_word(c) != !!FIND(word_differences, c);
}

uint32_t text_lower(uint32_t c) {
  if (c < 0x80)
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const text_range *range = c < 0x1c89 ? NULL : FIND(lower_differences, c);
  if (range)
    return c + (uint32_t)range->other;
  return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Whether a text of only such characters is in form C: none joins with what is before it, none is made of others. */
static bool is_composed(uint32_t c) {
  return c < 0x300 || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0x400 && c <= 0x482) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30a1 && c <= 0x30fa) || (c >= 0x2010 && c <= 0x2027) ||
         (c >= 0x3000 && c <= 0x3029);
}

/* A run that begins with an ASCII character, or where the text does, and has none behind it. */
static int normalize_run(text_buffer *into, const uint8_t *text, size_t size, utf8proc_option_t options) {
  utf8proc_ssize_t room = (utf8proc_ssize_t)size + 16;
  for (;;) {
    /* Decomposed characters, then their UTF-8, in the room behind what is there; four bytes before them for alignment.
     */
    if ((size_t)room > SIZE_MAX / 16 || text_reserve(into, ((size_t)room + 2) * sizeof(utf8proc_int32_t)))
      return -1;
    uint8_t *free_room = into->data + into->size;
    utf8proc_int32_t *points = (utf8proc_int32_t *)(free_room + (-(uintptr_t)free_room & 3));
    utf8proc_ssize_t count = utf8proc_decompose(text, (utf8proc_ssize_t)size, points, room, options);
    if (count > room) {
      room = count;
      continue;
    }
    if (count < 0)
      return -1;
    count = utf8proc_normalize_utf32(points, count, options);
    if (count < 0)
      return -1;
    uint8_t *out = free_room; /* no character is longer than its place */
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      out += text_write_char(out, (uint32_t)points[i]);
    into->size = (size_t)(out - into->data);
    return 0;
  }
}

int text_normal_form(text_buffer *into, const uint8_t *text, size_t size, uint32_t form) {
  bool composes = form == SETUN_NORM_NFC || form == SETUN_NORM_NFKC;
  utf8proc_option_t options = UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
  if (form == SETUN_NORM_NFKC || form == SETUN_NORM_NFKD)
    options |= UTF8PROC_COMPAT;
  for (size_t at = 0; at < size;) {
    size_t begin = at;
    while (at < size && text[at] < 0x80)
      ++at;
    /* The last ASCII character may take marks that follow. */
    size_t plain = at < size && at > begin ? at - 1 : at;
    if (text_append(into, text + begin, plain - begin))
      return -1;
    if (at == size)
      break;
    bool done = form == SETUN_NORM_NFC, newer = false;
    size_t step = 0;
    for (; at < size && text[at] >= 0x80; at += step) {
      uint32_t c = text_read_char(text + at, &step);
      if (is_composed(c))
        continue;
      if ((newer = FIND(newer_differences, c)))
        break;
      done = false;
    }
    if (done ? text_append(into, text + plain, at - plain) : normalize_run(into, text + plain, at - plain, options))
      return -1;
    if (newer) { /* it stands as it is, and nothing joins across it */
      if (text_append(into, text + at, step))
        return -1;
      at += step;
    }
  }
  return 0;
}

size_t text_first_grapheme(const uint8_t *text, size_t size) {
  size_t at, step;
  uint32_t before = text_read_char(text, &at);
  utf8proc_int32_t state = 0;
  while (at < size) {
    uint32_t next = text_read_char(text + at, &step);
    if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)next, &state))
      break;
    before = next;
    at += step;
  }
  return at;
}
#else
bool text_is_numeric(uint32_t c) { return FIND(numeric_differences, c); }
bool text_is_punctuation(uint32_t c) { return FIND(punctuation_differences, c); }
bool text_is_mark(uint32_t c, bool nonspacing) {
  return nonspacing ? FIND(nonspacing_differences, c) : FIND(mark_differences, c);
}
bool text_is_other(uint32_t c) { return FIND(other_differences, c); }
bool text_is_word(uint32_t c) { return FIND(word_differences, c); }
uint32_t text_lower(uint32_t c) { return FIND(lower_differences, c) || FIND(newer_differences, c) ? 0 : c; }
int text_normal_form(text_buffer *into, const uint8_t *text, size_t size, uint32_t form) {
  (void)into, (void)text, (void)size, (void)form;
  return -1;
}
size_t text_first_grapheme(const uint8_t *text, size_t size) {
  (void)text;
  return size;
}
#endif

/* Characters below have no shadow, and hide none. */
static bool has_no_shadow(uint32_t c) {
  return c < 0x897 || (c >= 0x3200 && c <= 0xa7ca) || (c >= 0xac00 && c <= 0x104ff);
}

const uint8_t *text_shadow(text_buffer *buffer, const uint8_t *text, size_t size) {
  bool copied = false;
  size_t step;
  for (size_t at = 0; at < size; at += step) {
    if (text[at] < 0xe0) {
      step = text[at] < 0x80 ? 1 : 2;
      continue;
    }
    uint32_t c = text_read_char(text + at, &step);
    const text_range *range = has_no_shadow(c) ? NULL : FIND(shadows, c);
    if (!range)
      continue;
    if (!copied) {
      buffer->size = 0;
      if (text_append(buffer, text, size))
        return NULL;
      copied = true;
    }
    text_write_char(buffer->data + at, (uint32_t)range->other);
  }
  return copied ? buffer->data : text;
}
