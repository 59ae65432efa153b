/*===- list.c - Launches on record --------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Records stand one behind the other, padding zero, so that two lists compare as bytes. */

#include "Cuda.h"
#include <stdlib.h>
#include <string.h>

void setun_cuda_list_clear(cuda_list *list) { list->size = list->count = list->upload = list->tokens = 0; }

void setun_cuda_list_free(cuda_list *list) {
  free(list->bytes);
  free(list->starts);
  *list = (cuda_list){0};
}

static bool grow(void **data, size_t needed, size_t element, size_t *reserved) {
  if (needed <= *reserved)
    return true;
  size_t size = needed * 2;
  void *larger = realloc(*data, size * element);
  if (!larger)
    return false;
  *data = larger;
  *reserved = size;
  return true;
}

static size_t record_size(uint64_t params_size) { return sizeof(cuda_record) + (size_t)((params_size + 15) & ~15ull); }

int setun_cuda_list_add(cuda_list *list, const setun_launch *launch) {
  size_t size = record_size(launch->params_size);
  if (!grow((void **)&list->bytes, list->size + size, 1, &list->reserved) ||
      !grow((void **)&list->starts, list->count + 1, sizeof *list->starts, &list->starts_reserved))
    return -1;
  uint8_t *at = list->bytes + list->size;
  memset(at, 0, size);
  cuda_record record = {.kernel = launch->kernel, .shared = launch->shared_bytes, .params_size = launch->params_size};
  memcpy(record.grid, launch->grid, sizeof record.grid);
  memcpy(record.block, launch->block, sizeof record.block);
  memcpy(at, &record, sizeof record);
  if (launch->params_size)
    memcpy(at + sizeof record, launch->params, (size_t)launch->params_size);
  list->starts[list->count++] = list->size;
  list->size += size;
  return 0;
}

bool setun_cuda_record_equals(const cuda_record *a, const cuda_record *b) {
  return a->params_size == b->params_size && memcmp(a, b, record_size(a->params_size)) == 0;
}

size_t setun_cuda_list_differences(const cuda_list *a, const cuda_list *b, size_t most) {
  if (a->count != b->count || a->size != b->size || a->upload != b->upload || a->tokens != b->tokens)
    return SIZE_MAX;
  if (a->count && memcmp(a->bytes, b->bytes, a->size) == 0)
    return 0;
  size_t differences = 0;
  for (size_t i = 0; i < a->count; ++i) {
    const cuda_record *x = setun_cuda_record(a, i), *y = setun_cuda_record(b, i);
    if (x->kernel != y->kernel || x->params_size != y->params_size)
      return SIZE_MAX;
    if (differences <= most && !setun_cuda_record_equals(x, y))
      ++differences;
  }
  return differences;
}
