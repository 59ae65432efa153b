/*===- inputs.c - What a language model asks for -----------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Language models differ in what they ask for beside token ids: positions, a mask, token types, whose logits are
 * wanted. What a run needs of these follows from the names and shapes, and is filled in here; anything else is an error
 * that says what is missing. */

#define _GNU_SOURCE
#include "Language.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 8 };

static bool is_integer(setun_dtype dtype) { return dtype == SETUN_I64 || dtype == SETUN_I32; }
static bool is_float(setun_dtype dtype) { return dtype >= SETUN_F32 && dtype <= SETUN_BF16; }
static bool has(const setun_info *info, const char *part) { return strcasestr(info->name, part) != NULL; }
static bool is_positions(const setun_info *info) { return is_integer(info->dtype) && has(info, "pos"); }
/* transformers' logits_to_keep: the positions of the run's tokens whose logits are wanted. */
static bool is_kept(const setun_info *info) {
  return is_integer(info->dtype) && info->rank == 1 && has(info, "logits_to_keep");
}

static bool is_ids(const setun_info *info) {
  return is_integer(info->dtype) && (info->rank == 1 || info->rank == 2) && !has(info, "pos") && !has(info, "mask") &&
         !has(info, "type") && !is_kept(info) && (info->rank == 1 || info->dims[0] != 0);
}

static int find_ids(setun_lm *lm) {
  setun_info info;
  bool found = false;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_INPUT, i, &info) == 0; ++i)
    if (is_ids(&info) && (!found || (!has(&lm->ids, "id") && has(&info, "id")))) {
      lm->ids = info;
      found = true;
    }
  if (!found)
    return setun_lm_fail(lm, "not a language model: it has no integer input of shape [batch, length] for token ids");
  lm->batch = lm->ids.rank == 2 && lm->ids.dims[0] > 1 ? lm->ids.dims[0] : 1; /* a dynamic one is 1 */
  lm->fixed_length = lm->ids.dims[lm->ids.rank - 1] < 0 ? -1 : lm->ids.dims[lm->ids.rank - 1];
  return lm->fixed_length ? 0 : setun_lm_fail(lm, "not a language model: it takes no tokens");
}

static int find_logits(setun_lm *lm) {
  setun_info info;
  bool found = false;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_OUTPUT, i, &info) == 0; ++i)
    if (is_float(info.dtype) && info.rank >= 2 && (!found || (!has(&lm->logits, "logits") && has(&info, "logits")))) {
      lm->logits = info;
      found = true;
    }
  if (!found)
    return setun_lm_fail(lm, "not a language model: it has no float output of shape [batch, length, vocabulary]");
  int64_t words = lm->logits.dims[lm->logits.rank - 1];
  lm->vocabulary = words > 0 ? words : 0;
  return 0;
}

int setun_lm_find(setun_lm *lm) { return find_ids(lm) || find_logits(lm) ? -1 : 0; }

static void put(void *data, setun_dtype dtype, int64_t index, int64_t value) {
  if (dtype == SETUN_I64)
    ((int64_t *)data)[index] = value;
  else
    ((int32_t *)data)[index] = (int32_t)value;
}

/* Ones of any type. */
static void put_one(void *data, setun_dtype dtype, int64_t index) {
  size_t size = setun_dtype_size(dtype);
  const float one = 1;
  const double wide = 1;
  const uint16_t half = dtype == SETUN_F16 ? 0x3c00 : 0x3f80;
  const uint8_t whole[8] = {1};
  memcpy((char *)data + (size_t)index * size,
         dtype == SETUN_F32   ? (const void *)&one
         : dtype == SETUN_F64 ? (const void *)&wide
         : is_float(dtype)    ? (const void *)&half
                              : whole,
         size);
}

/* Makes one input for a run on the tokens [past, past + count) of the text, of which the last `fresh` are new. Logits
 * are asked for of the last one alone, unless someone wants those of all new ones: a large vocabulary times a long
 * prompt is never made for nothing. */
static int fill_input(setun_lm *lm, size_t index, const setun_info *info, int64_t past, int64_t count, int64_t fresh) {
  bool ids = strcmp(info->name, lm->ids.name) == 0, mask = has(info, "mask") && info->rank <= 2;
  bool positions = is_positions(info), types = has(info, "type") && is_integer(info->dtype), kept = is_kept(info);
  int64_t length = lm->ids.dims[lm->ids.rank - 1], dims[MAX_RANK], total = 1;
  if (!(ids || mask || positions || types || kept) || info->rank == 0 || info->rank > MAX_RANK)
    return setun_lm_fail(lm, "cannot tell what the input '%s' should hold: it is none that language models have",
                         info->name);
  for (uint32_t d = 0; d < info->rank; ++d) {
    /* Any other size than the run's length is the batch, or of a mask that also covers the past. */
    dims[d] = info->dims[d] >= 0        ? info->dims[d]
              : kept                    ? (lm->on_logits ? fresh : 1)
              : info->dims[d] == length ? count
              : d + 1 < info->rank      ? 1
              : mask                    ? past + count
                                        : count;
    total *= dims[d];
  }
  free(lm->filled[index]);
  lm->filled[index] = aligned_alloc(SETUN_ALIGNMENT, ((size_t)total * 8 / SETUN_ALIGNMENT + 1) * SETUN_ALIGNMENT);
  if (!lm->filled[index])
    return setun_lm_fail(lm, "out of memory");
  int64_t row = dims[info->rank - 1];
  for (int64_t i = 0; i < total; ++i) {
    if (mask)
      put_one(lm->filled[index], info->dtype, i);
    else
      put(lm->filled[index], info->dtype, i,
          ids         ? lm->tokens[(past + i % row) * lm->batch + i / row]
          : kept      ? (count - row + i > 0 ? count - row + i : 0)
          : positions ? past + i % row
                      : 0);
  }
  if (setun_set_input(lm->session, info->name, info->dtype, dims, info->rank, lm->filled[index]))
    return setun_lm_fail(lm, "%s", setun_error(lm->session));
  return 0;
}

int setun_lm_fill(setun_lm *lm, int64_t past, int64_t count, int64_t fresh) {
  setun_info info;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_INPUT, i, &info) == 0; ++i)
    if (fill_input(lm, i, &info, past, count, fresh))
      return -1;
  return 0;
}
