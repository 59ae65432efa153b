/*===- table.c - The text table's container ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdio.h>

int text_fail(text_message message, const char *format, ...) {
  if (!message.text || !message.size)
    return -1;
  va_list args;
  va_start(args, format);
  vsnprintf(message.text, message.size, format, args);
  va_end(args);
  return -1;
}

int text_check_table(const void *table, size_t size, text_message message) {
  const setun_text_header *header = table;
  if (!table || size < sizeof *header || (uintptr_t)table % 8 != 0 || header->magic != SETUN_TEXT_MAGIC)
    return text_fail(message, "not a text table, or a damaged one");
  if (header->version != SETUN_TEXT_VERSION)
    return text_fail(message,
                     "the text table has version %u, and this runtime reads version %u: compile the model again",
                     header->version, (unsigned)SETUN_TEXT_VERSION);
  size_t begin = sizeof *header;
  if (header->num_sections > (size - begin) / sizeof *header->sections)
    return text_fail(message, "damaged text table: its list of sections reaches past its end");
  begin += header->num_sections * sizeof *header->sections;
  for (uint32_t i = 0; i < header->num_sections; ++i) {
    const setun_text_section *section = &header->sections[i];
    if (section->offset % 8 || section->offset < begin || section->offset > size ||
        section->size > size - section->offset)
      return text_fail(message, "damaged text table: section %u is not inside of it", section->tag);
    for (uint32_t j = 0; j < i; ++j)
      if (header->sections[j].tag == section->tag)
        return text_fail(message, "damaged text table: two sections %u", section->tag);
    if (i >= 64) // there are three kinds today
      return text_fail(message, "damaged text table: %u sections", header->num_sections);
  }
  return 0;
}

text_span text_section(const void *table, uint32_t tag) {
  const setun_text_header *header = table;
  for (uint32_t i = 0; i < header->num_sections; ++i)
    if (header->sections[i].tag == tag)
      return (text_span){(const uint8_t *)table + header->sections[i].offset, (size_t)header->sections[i].size};
  return (text_span){0};
}
