/*===- memory.c - Aligned blocks -----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Large blocks are mappings of their own, aligned to huge pages and zero without being touched: a state's buffer costs
 * memory only as far as it has been filled. */

#include "Internal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static void *map_aligned(size_t size) {
  uint8_t *base =
      mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return NULL;
  size_t skip = -(uintptr_t)base % HUGE_PAGE;
  if (skip)
    munmap(base, skip);
  munmap(base + skip + size, HUGE_PAGE - skip);
  return base + skip;
}

int setun_block_reserve(setun_block *block, size_t size, bool huge) {
  if (block->data && block->size >= size)
    return 0;
  setun_block_free(block);
  if (size > (size_t)1 << 62)
    return -1;
  bool mapped = size >= HUGE_PAGE;
  size_t unit = mapped ? HUGE_PAGE : SETUN_ALIGNMENT;
  size = size ? (size + unit - 1) / unit * unit : unit;
  void *data = mapped ? map_aligned(size) : aligned_alloc(SETUN_ALIGNMENT, size);
  if (!data)
    return -1;
  if (!mapped)
    memset(data, 0, size);
  else if (huge)
    (void)madvise(data, size, MADV_HUGEPAGE);
  *block = (setun_block){data, size, mapped};
  return 0;
}

void setun_block_free(setun_block *block) {
  if (block->mapped)
    munmap(block->data, block->size);
  else
    free(block->data);
  *block = (setun_block){0};
}

int64_t setun_tensor_bytes(setun_dtype dtype, const int64_t *dims, uint32_t rank) {
  int64_t bytes = (int64_t)setun_dtype_size(dtype), limit = (int64_t)1 << 62;
  bool empty = false;
  for (uint32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return -1;
    empty |= dims[i] == 0;
    /* An empty tensor's other sizes must be sane as well: generated code multiplies them in some order. */
    if (dims[i] > 0 && __builtin_mul_overflow(bytes, dims[i], &bytes))
      return -1;
    if (bytes > limit)
      return -1;
  }
  return empty ? 0 : bytes;
}
