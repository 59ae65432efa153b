/*===- language.c - A model as a language model --------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Exported language models differ in what they ask for beside token ids: positions, a mask, token types. What a run
 * needs of these follows from the names and shapes, and is filled in here; anything else is an error that says what is
 * missing. */

#define _GNU_SOURCE
#include "Main.h"
#include <stdlib.h>
#include <string.h>

/* Scratch memory grows with the tokens of a run, and its speed does not from some hundreds on. */
enum { DEFAULT_CHUNK = 512 };

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
         !has(info, "type") && !is_kept(info) && (info->rank == 1 || info->dims[0] < 0 || info->dims[0] == 1);
}

static int find_ids(setun_language *lm, setun_text *error) {
  setun_info info;
  bool found = false;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_INPUT, i, &info) == 0; ++i)
    if (is_ids(&info) && (!found || (!has(&lm->ids, "id") && has(&info, "id")))) {
      lm->ids = info;
      found = true;
    }
  if (!found)
    return setun_text_fail(error, "not a language model: it has no integer input of shape [1, length] for token ids");
  lm->fixed_length = lm->ids.dims[lm->ids.rank - 1] < 0 ? -1 : lm->ids.dims[lm->ids.rank - 1];
  return lm->fixed_length ? 0 : setun_text_fail(error, "not a language model: it takes no tokens");
}

static int find_logits(setun_language *lm, setun_text *error) {
  setun_info info;
  bool found = false;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_OUTPUT, i, &info) == 0; ++i)
    if (is_float(info.dtype) && info.rank >= 2 && (!found || (!has(&lm->logits, "logits") && has(&info, "logits")))) {
      lm->logits = info;
      found = true;
    }
  if (!found)
    return setun_text_fail(error, "not a language model: it has no float output of shape [1, length, vocabulary]");
  lm->vocabulary = lm->logits.dims[lm->logits.rank - 1];
  return 0;
}

int setun_language_open(setun_language *lm, setun_program *program, int64_t context, setun_text *error) {
  memset(lm, 0, sizeof *lm);
  lm->program = program;
  setun_info info;
  for (size_t i = 0; setun_get_info(program, SETUN_STATE, i, &info) == 0; ++i)
    lm->grows = true; /* a state of fixed size carries the past as well */
  if (find_ids(lm, error) || find_logits(lm, error))
    return -1;
  lm->filled = calloc(setun_count(program, SETUN_INPUT) + 1, sizeof *lm->filled);
  lm->session = setun_session_open(program, context > 0 ? context : 0, error->text, sizeof error->text);
  if (!lm->filled || !lm->session)
    return lm->session ? setun_text_fail(error, "out of memory") : -1;
  return 0;
}

void setun_language_close(setun_language *lm) {
  for (size_t i = 0; lm->filled && i < setun_count(lm->program, SETUN_INPUT); ++i)
    free(lm->filled[i]);
  free(lm->filled);
  free(lm->text);
  free(lm->rows);
  setun_session_close(lm->session);
  memset(lm, 0, sizeof *lm);
}

void setun_language_reset(setun_language *lm) {
  setun_reset(lm->session);
  lm->length = 0;
  lm->last = NULL;
}

int64_t setun_language_room(const setun_language *lm) {
  int64_t capacity = setun_capacity(lm->session);
  if (lm->grows)
    return capacity ? capacity - lm->length : INT64_MAX;
  return lm->fixed_length > 0 ? lm->fixed_length - lm->length : INT64_MAX;
}

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

/* Makes one input for a run on the tokens [past, past + count) of the text, of which the last `fresh` are new. Logits are
 * asked for of the last one alone, unless someone wants those of all new ones: a large vocabulary times a long prompt is
 * never made for nothing. */
static int fill_input(setun_language *lm, size_t index, const setun_info *info, int64_t past, int64_t count,
                      int64_t fresh, setun_text *error) {
  bool ids = strcmp(info->name, lm->ids.name) == 0, mask = has(info, "mask") && info->rank <= 2;
  bool positions = is_positions(info), types = has(info, "type") && is_integer(info->dtype), kept = is_kept(info);
  int64_t length = lm->ids.dims[lm->ids.rank - 1], dims[SETUN_NPY_MAX_RANK], total = 1;
  if (!(ids || mask || positions || types || kept) || info->rank == 0 || info->rank > SETUN_NPY_MAX_RANK)
    return setun_text_fail(error, "generation cannot make the input '%s': run the model with --input", info->name);
  for (uint32_t d = 0; d < info->rank; ++d) {
    /* Any other size than the run's length is the batch, or of a mask that also covers the past. */
    dims[d] = info->dims[d] >= 0        ? info->dims[d]
              : kept                    ? (lm->on_rows ? fresh : 1)
              : info->dims[d] == length ? count
              : d + 1 < info->rank      ? 1
              : mask                    ? past + count
                                        : count;
    total *= dims[d];
  }
  free(lm->filled[index]);
  lm->filled[index] = aligned_alloc(SETUN_ALIGNMENT, ((size_t)total * 8 / SETUN_ALIGNMENT + 1) * SETUN_ALIGNMENT);
  if (!lm->filled[index])
    return setun_text_fail(error, "out of memory");
  int64_t row = dims[info->rank - 1];
  for (int64_t i = 0; i < total; ++i) {
    if (mask)
      put_one(lm->filled[index], info->dtype, i);
    else
      put(lm->filled[index], info->dtype, i,
          ids         ? lm->text[past + i]
          : kept      ? count - row + i
          : positions ? past + i % row
                      : 0);
  }
  if (setun_set_input(lm->session, info->name, info->dtype, dims, info->rank, lm->filled[index]))
    return setun_text_fail(error, "%s", setun_error(lm->session));
  return 0;
}

/* Takes the logits of a run of which the last `fresh` tokens are new. */
static int take_logits(setun_language *lm, int64_t fresh, setun_text *error) {
  setun_tensor tensor;
  if (setun_get_output(lm->session, lm->logits.name, &tensor))
    return setun_text_fail(error, "%s", setun_error(lm->session));
  int64_t rows = 1, vocabulary = tensor.dims[tensor.rank - 1];
  for (uint32_t d = 0; d + 1 < tensor.rank; ++d)
    rows *= tensor.dims[d];
  if (rows < 1 || vocabulary < 1)
    return setun_text_fail(error, "the output '%s' is empty", lm->logits.name);
  lm->vocabulary = vocabulary;
  const float *all = tensor.data;
  if (tensor.dtype != SETUN_F32) {
    if (lm->rows_size < rows * vocabulary) {
      free(lm->rows);
      lm->rows_size = 0;
      if (!(lm->rows = malloc((size_t)(rows * vocabulary) * sizeof *lm->rows)))
        return setun_text_fail(error, "out of memory");
      lm->rows_size = rows * vocabulary;
    }
    setun_widen(tensor.dtype, tensor.data, rows * vocabulary, lm->rows);
    all = lm->rows;
  }
  int64_t count = rows < fresh ? rows : fresh;
  lm->last = all + (rows - 1) * vocabulary;
  return lm->on_rows ? lm->on_rows(lm->context, all + (rows - count) * vocabulary, count, vocabulary, error) : 0;
}

static int run_tokens(setun_language *lm, int64_t past, int64_t count, int64_t fresh, setun_text *error) {
  setun_info info;
  for (size_t i = 0; setun_get_info(lm->program, SETUN_INPUT, i, &info) == 0; ++i)
    if (fill_input(lm, i, &info, past, count, fresh, error))
      return -1;
  if (setun_run(lm->session))
    return setun_text_fail(error, "%s", setun_error(lm->session));
  return take_logits(lm, fresh, error);
}

int setun_language_extend(setun_language *lm, const int64_t *ids, int64_t count, setun_text *error) {
  for (int64_t i = 0; i < count; ++i)
    if (ids[i] < 0 || (lm->vocabulary > 0 && ids[i] >= lm->vocabulary) ||
        (lm->ids.dtype == SETUN_I32 && ids[i] > INT32_MAX))
      return setun_text_fail(error, "token %lld is not in the vocabulary of %lld", (long long)ids[i],
                             (long long)lm->vocabulary);
  if (count > setun_language_room(lm))
    return setun_text_fail(error, "%lld tokens do not fit into the context, which has room for %lld more%s",
                           (long long)count, (long long)setun_language_room(lm), lm->grows ? " (see --context)" : "");
  if (lm->length + count > lm->room) {
    int64_t room = lm->room * 2 > lm->length + count ? lm->room * 2 : lm->length + count;
    int64_t *text = realloc(lm->text, (size_t)room * sizeof *text);
    if (!text)
      return setun_text_fail(error, "out of memory");
    lm->text = text;
    lm->room = room;
  }
  memcpy(lm->text + lm->length, ids, (size_t)count * sizeof *ids);
  int64_t past = lm->length, chunk = lm->fixed_length > 0 ? lm->fixed_length : lm->chunk > 0 ? lm->chunk : DEFAULT_CHUNK;
  lm->length += count;
  if (!lm->grows) {
    if (lm->fixed_length > 0 && lm->length != lm->fixed_length)
      return setun_text_fail(error, "the model takes exactly %lld tokens, not %lld", (long long)lm->fixed_length,
                             (long long)lm->length);
    return run_tokens(lm, 0, lm->length, count, error);
  }
  if (lm->fixed_length > 0 && count % lm->fixed_length)
    return setun_text_fail(error, "the model takes %lld tokens at a time, and %lld is no multiple of that",
                           (long long)lm->fixed_length, (long long)count);
  for (; past < lm->length; past += chunk) {
    int64_t step = lm->length - past < chunk ? lm->length - past : chunk;
    if (run_tokens(lm, past, step, step, error))
      return -1;
  }
  return 0;
}
