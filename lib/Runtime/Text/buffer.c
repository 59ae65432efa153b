/*===- buffer.c - Bytes that grow, and UTF-8 ----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

int text_reserve(text_buffer *buffer, size_t more) {
  if (more <= buffer->capacity - buffer->size)
    return 0;
  if (more > SIZE_MAX / 4 - buffer->size)
    return -1;
  size_t capacity = buffer->size + more + buffer->size / 2 + 64;
  uint8_t *data = realloc(buffer->data, capacity);
  if (!data)
    return -1;
  buffer->data = data;
  buffer->capacity = capacity;
  return 0;
}

int text_append(text_buffer *buffer, const void *bytes, size_t size) {
  if (text_reserve(buffer, size))
    return -1;
  if (size)
    memcpy(buffer->data + buffer->size, bytes, size);
  buffer->size += size;
  return 0;
}

size_t text_write_char(uint8_t *bytes, uint32_t point) {
  if (point < 0x80) {
    bytes[0] = (uint8_t)point;
    return 1;
  }
  size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; --i, point >>= 6)
    bytes[i] = (uint8_t)(0x80 | (point & 63));
  bytes[0] = (uint8_t)((0xf00 >> size) | point);
  return size;
}

int text_append_char(text_buffer *buffer, uint32_t point) {
  if (text_reserve(buffer, 4))
    return -1;
  buffer->size += text_write_char(buffer->data + buffer->size, point);
  return 0;
}

void text_buffer_free(text_buffer *buffer) {
  free(buffer->data);
  *buffer = (text_buffer){0};
}

uint32_t text_read_char(const uint8_t *text, size_t *size) {
  uint8_t c = text[0];
  if (c < 0x80) {
    *size = 1;
    return c;
  }
  if (c < 0xe0) {
    *size = 2;
    return (uint32_t)(c & 31) << 6 | (text[1] & 63);
  }
  if (c < 0xf0) {
    *size = 3;
    return (uint32_t)(c & 15) << 12 | (uint32_t)(text[1] & 63) << 6 | (text[2] & 63);
  }
  *size = 4;
  return (uint32_t)(c & 7) << 18 | (uint32_t)(text[1] & 63) << 12 | (uint32_t)(text[2] & 63) << 6 | (text[3] & 63);
}

size_t text_last_char(const uint8_t *begin, const uint8_t *end) {
  size_t size = 1;
  while (size < 4 && end - begin > (ptrdiff_t)size && (end[-(ptrdiff_t)size] & 0xc0) == 0x80)
    ++size;
  return size;
}

/* How many bytes at `text` are the start of a character: up to `size`, at least 1. `whole`: they are a character;
 * `open`: more bytes could make them one. */
static size_t scan_char(const uint8_t *text, size_t size, bool *whole, bool *open) {
  uint8_t c = text[0];
  *whole = c < 0x80;
  *open = false;
  if (c < 0xc2 || c > 0xf4)
    return 1;
  size_t want = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  uint8_t least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < want; ++i) {
    if (i == size) {
      *open = true;
      return i;
    }
    if (text[i] < least || text[i] > most)
      return i;
    least = 0x80;
    most = 0xbf;
  }
  *whole = true;
  return want;
}

/* The size of the part of `text` that is UTF-8. */
static size_t valid_prefix(const uint8_t *text, size_t size) {
  size_t at = 0;
  while (at < size) {
    uint64_t word;
    if (size - at >= 8 && (memcpy(&word, text + at, 8), !(word & 0x8080808080808080u))) {
      at += 8;
      continue;
    }
    bool whole, open;
    size_t step = scan_char(text + at, size - at, &whole, &open);
    if (!whole)
      break;
    at += step;
  }
  return at;
}

bool text_is_valid(const uint8_t *text, size_t size) { return valid_prefix(text, size) == size; }

static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};

static int repair_rest(text_buffer *into, const uint8_t *text, size_t size, text_pending *pending) {
  while (size) {
    size_t good = valid_prefix(text, size);
    if (text_append(into, text, good))
      return -1;
    text += good;
    size -= good;
    if (!size)
      return 0;
    bool whole, open;
    size_t bad = scan_char(text, size, &whole, &open);
    if (open && pending) {
      memcpy(pending->bytes, text, bad);
      pending->size = bad;
      return 0;
    }
    if (text_append(into, replacement, sizeof replacement))
      return -1;
    text += bad;
    size -= bad;
  }
  return 0;
}

int text_repair(text_buffer *into, const uint8_t *text, size_t size, text_pending *pending) {
  while (pending && pending->size && size) { /* one byte after the other, until the character is whole or cannot be */
    pending->bytes[pending->size++] = *text;
    bool whole, open;
    size_t good = scan_char(pending->bytes, pending->size, &whole, &open);
    if (good < pending->size) { /* the new byte does not belong to it */
      pending->size = 0;
      if (text_append(into, replacement, sizeof replacement))
        return -1;
      break;
    }
    ++text;
    --size;
    if (whole) {
      if (text_append(into, pending->bytes, pending->size))
        return -1;
      pending->size = 0;
    }
  }
  return repair_rest(into, text, size, pending);
}

int text_repair_finish(text_buffer *into, text_pending *pending) {
  int failed = pending->size ? text_append(into, replacement, sizeof replacement) : 0;
  pending->size = 0;
  return failed;
}

const uint8_t *text_search(const uint8_t *text, size_t size, text_span what) {
  const uint8_t *end = text + size;
  while (what.size && (size_t)(end - text) >= what.size) {
    const uint8_t *found = memchr(text, what.data[0], (size_t)(end - text) - what.size + 1);
    if (!found)
      return NULL;
    if (memcmp(found, what.data, what.size) == 0)
      return found;
    text = found + 1;
  }
  return NULL;
}

int text_replace(text_buffer *into, text_span text, text_span a, text_span b, size_t *first) {
  const uint8_t *at = text.data, *end = text.data + text.size, *found;
  *first = SIZE_MAX;
  while ((found = text_search(at, (size_t)(end - at), a))) {
    if (*first == SIZE_MAX)
      *first = (size_t)(found - text.data);
    if (text_append(into, at, (size_t)(found - at)) || text_append(into, b.data, b.size))
      return -1;
    at = found + a.size;
  }
  return text_append(into, at, (size_t)(end - at));
}

/* Bytes that are shown as themselves; the others take the characters from U+0100 on, in their order. */
static bool is_shown(unsigned byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad); }

size_t text_byte_char(uint8_t byte, uint8_t into[2]) {
  uint32_t point = byte;
  if (!is_shown(byte))
    point = 0x100 + (byte <= ' ' ? byte : byte < 0xa1 ? byte - 0x7fu + 33u : 67u);
  return text_write_char(into, point);
}

int text_char_byte(uint32_t point) {
  if (point < 0x100)
    return is_shown(point) ? (int)point : -1;
  point -= 0x100;
  return point < 33 ? (int)point : point < 67 ? (int)point - 33 + 0x7f : point == 67 ? 0xad : -1;
}

int text_append_byte_chars(text_buffer *into, const uint8_t *bytes, size_t size) {
  if (size > SIZE_MAX / 8 || text_reserve(into, size * 2))
    return -1;
  for (size_t i = 0; i < size; ++i)
    into->size += text_byte_char(bytes[i], into->data + into->size);
  return 0;
}
