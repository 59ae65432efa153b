/*===- language.c - A model as a language model ------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Language.h"
#include "Half.h"
#include "Internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scratch memory grows with the tokens of a run, and its speed does not from some hundreds on. */
enum { DEFAULT_CHUNK = 512 };

int setun_lm_fail(setun_lm *lm, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(lm->error, sizeof lm->error, format, args);
  va_end(args);
  return -1;
}

/* A program whose text library has nothing to work with runs on token ids. */
#ifdef SETUN_TEXT_LIBRARIES
enum { HAS_TEXT = true };
#else
enum { HAS_TEXT = false };
#endif

static int open_text(setun_lm *lm) {
  size_t size;
  const void *table = setun_text_table(lm->program, &size);
  if (table && HAS_TEXT && !(lm->tokenizer = setun_tokenizer_open(table, size, lm->error, sizeof lm->error)))
    return -1;
  return 0;
}

const char *setun_lm_no_tokenizer(const setun_lm *lm) {
  size_t size;
  return lm->tokenizer ? ""
         : setun_text_table(lm->program, &size)
             ? TEXT_MISSING
             : "the model was compiled without a tokenizer (setun compile --tokenizer)";
}

static int open_model(setun_lm *lm, const setun_lm_options *options) {
  if (options->context < 0 || options->chunk < 0)
    return setun_lm_fail(lm, "the context and the chunk of a language model cannot be negative");
  /* A state of fixed size carries the past as well. */
  lm->carries = setun_count(lm->program, SETUN_STATE) > 0;
  if (setun_lm_find(lm) || open_text(lm))
    return -1;
  int64_t each = DEFAULT_CHUNK / lm->batch;
  lm->chunk = options->chunk ? options->chunk : each > 0 ? each : 1;
  lm->filled = calloc(setun_count(lm->program, SETUN_INPUT) + 1, sizeof *lm->filled);
  if (!lm->filled)
    return setun_lm_fail(lm, "out of memory");
  lm->session = setun_session_open(lm->program, options->context, lm->error, sizeof lm->error);
  return lm->session ? 0 : -1;
}

setun_lm *setun_lm_open(setun_program *program, const setun_lm_options *options, char *error, size_t error_size) {
  static const setun_lm_options defaults;
  setun_lm *lm = calloc(1, sizeof *lm);
  if (lm)
    lm->program = program;
  if (lm && !open_model(lm, options ? options : &defaults))
    return lm;
  if (error && error_size)
    snprintf(error, error_size, "%s", lm ? lm->error : "out of memory");
  setun_lm_close(lm);
  return NULL;
}

void setun_lm_close(setun_lm *lm) {
  if (!lm)
    return;
  for (size_t i = 0; lm->filled && i < setun_count(lm->program, SETUN_INPUT); ++i)
    free(lm->filled[i]);
  free(lm->filled);
  free(lm->tokens);
  free(lm->rows);
  free(lm->note);
  setun_session_close(lm->session);
  setun_tokenizer_close(lm->tokenizer);
  free(lm);
}

const char *setun_lm_error(const setun_lm *lm) { return lm->error; }
int64_t setun_lm_batch(const setun_lm *lm) { return lm->batch; }
int64_t setun_lm_vocabulary(const setun_lm *lm) { return lm->vocabulary; }
const setun_tokenizer *setun_lm_tokenizer(const setun_lm *lm) { return lm->tokenizer; }
int64_t setun_lm_length(const setun_lm *lm) { return lm->length; }
const int64_t *setun_lm_tokens(const setun_lm *lm) { return lm->tokens; }

int64_t setun_lm_room(const setun_lm *lm) {
  int64_t capacity = setun_capacity(lm->session);
  if (lm->carries)
    return capacity ? capacity - lm->length : INT64_MAX;
  return lm->fixed_length > 0 ? lm->fixed_length - lm->length : INT64_MAX;
}

void setun_lm_on_logits(setun_lm *lm, setun_on_logits on_logits, void *user) {
  lm->on_logits = on_logits;
  lm->user = user;
}

int setun_lm_truncate(setun_lm *lm, int64_t length) {
  lm->error[0] = 0;
  if (length < 0 || length > lm->length)
    return setun_lm_fail(lm, "cannot go back to %lld tokens from %lld", (long long)length, (long long)lm->length);
  if (length < lm->taken) {
    if (lm->carries && setun_truncate(lm->session, length))
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
    lm->taken = length;
    lm->last = NULL;
    lm->unread = false;
  }
  if (length < lm->generated)
    lm->generated = (int64_t)(lm->place.counted_from = 0);
  lm->length = length;
  return 0;
}

static int64_t count_rows(const setun_tensor *logits) {
  int64_t rows = 1;
  for (uint32_t d = 0; d + 1 < logits->rank; ++d)
    rows *= logits->dims[d];
  return rows;
}

static int reserve_rows(setun_lm *lm, int64_t size) {
  if (lm->rows_size >= size)
    return 0;
  free(lm->rows);
  lm->rows_size = 0;
  if (!(lm->rows = malloc((size_t)size * sizeof *lm->rows)))
    return setun_lm_fail(lm, "out of memory");
  lm->rows_size = size;
  return 0;
}

/* The last `count` rows of each sequence's logits, as f32; `last` is the last of them. Of several sequences count is 1.
 */
static const float *read_rows(setun_lm *lm, int64_t count) {
  setun_tensor tensor;
  if (setun_get_output(lm->session, lm->logits.name, &tensor)) {
    setun_lm_fail(lm, "%s", setun_error(lm->session));
    return NULL;
  }
  int64_t each = count_rows(&tensor) / lm->batch * lm->vocabulary, size = count * lm->vocabulary;
  bool as_it_is = tensor.dtype == SETUN_F32 && (lm->batch == 1 || each == size);
  if (!as_it_is && reserve_rows(lm, lm->batch * size))
    return NULL;
  for (int64_t b = 0; !as_it_is && b < lm->batch; ++b) {
    const char *data = (const char *)tensor.data + (size_t)((b + 1) * each - size) * setun_dtype_size(tensor.dtype);
    if (tensor.dtype == SETUN_F32)
      memcpy(lm->rows + b * size, data, (size_t)size * sizeof *lm->rows);
    else
      setun_widen(tensor.dtype, data, size, lm->rows + b * size);
  }
  const float *rows = as_it_is ? (const float *)tensor.data + (each - size) : lm->rows;
  lm->last = rows + (count - 1) * lm->vocabulary;
  lm->unread = false;
  return rows;
}

int setun_lm_read(setun_lm *lm) { return lm->unread && !read_rows(lm, 1) ? -1 : 0; }

/* Takes the logits of a run of which the last `fresh` tokens are new. They stay where they are until someone wants
 * them. */
static int take_logits(setun_lm *lm, int64_t fresh) {
  setun_tensor tensor;
  if (setun_get_output_device(lm->session, lm->logits.name, &tensor))
    return setun_lm_fail(lm, "%s", setun_error(lm->session));
  int64_t rows = count_rows(&tensor), vocabulary = tensor.dims[tensor.rank - 1];
  if (rows < 1 || vocabulary < 1)
    return setun_lm_fail(lm, "the output '%s' is empty", lm->logits.name);
  if (rows % lm->batch)
    return setun_lm_fail(lm, "the output '%s' has %lld rows for %lld sequences", lm->logits.name, (long long)rows,
                         (long long)lm->batch);
  lm->vocabulary = vocabulary;
  lm->unread = true;
  lm->logits_each = rows / lm->batch;
  if (!lm->on_logits)
    return 0;
  if (lm->batch > 1)
    return setun_lm_fail(lm, "the logits of every token are given of models of one sequence, and this one takes %lld",
                         (long long)lm->batch);
  int64_t count = rows < fresh ? rows : fresh;
  const float *wanted = read_rows(lm, count);
  if (!wanted)
    return -1;
  return lm->on_logits(lm->user, wanted, count, vocabulary)
             ? setun_lm_fail(lm, "ended by the function that gets the logits")
             : 0;
}

/* One run, after which all tokens up to past + count are taken. */
static int run_tokens(setun_lm *lm, int64_t past, int64_t count) {
  int64_t fresh = past + count - lm->taken;
  lm->last = NULL;
  lm->unread = false;
  if (setun_lm_fill(lm, past, count, fresh))
    return -1;
  if (setun_run(lm->session))
    return setun_lm_fail(lm, "%s", setun_error(lm->session));
  lm->taken = past + count;
  return take_logits(lm, fresh);
}

static int take_all(setun_lm *lm) {
  int64_t count = lm->length - lm->taken, step = lm->fixed_length > 0 ? lm->fixed_length : lm->chunk;
  if (!lm->carries) {
    if (lm->fixed_length > 0 && lm->length != lm->fixed_length)
      return setun_lm_fail(lm, "the model takes exactly %lld tokens, not %lld", (long long)lm->fixed_length,
                           (long long)lm->length);
    return run_tokens(lm, 0, lm->length);
  }
  if (lm->fixed_length > 0 && count % lm->fixed_length)
    return setun_lm_fail(lm, "the model takes %lld tokens at a time, and %lld is no multiple of that",
                         (long long)lm->fixed_length, (long long)count);
  while (lm->taken < lm->length)
    if (run_tokens(lm, lm->taken, lm->length - lm->taken < step ? lm->length - lm->taken : step))
      return -1;
  return 0;
}

int setun_lm_take(setun_lm *lm) {
  if (lm->taken == lm->length)
    return 0;
  int failed = take_all(lm);
  if (failed)
    lm->length = lm->taken;
  return failed;
}

int setun_lm_reserve(setun_lm *lm, int64_t length) {
  if (length <= lm->reserved)
    return 0;
  int64_t reserved = lm->reserved * 2 > length ? lm->reserved * 2 : length;
  int64_t *tokens = realloc(lm->tokens, (size_t)(reserved * lm->batch) * sizeof *tokens);
  if (!tokens)
    return setun_lm_fail(lm, "out of memory");
  lm->tokens = tokens;
  lm->reserved = reserved;
  return 0;
}

int setun_lm_check_token(setun_lm *lm, int64_t id) {
  if (id < 0 || (lm->vocabulary > 0 && id >= lm->vocabulary) || (lm->ids.dtype == SETUN_I32 && id > INT32_MAX))
    return setun_lm_fail(lm, "token %lld is not in the vocabulary of %lld", (long long)id, (long long)lm->vocabulary);
  return 0;
}

int setun_lm_extend(setun_lm *lm, const int64_t *ids, int64_t count) {
  lm->error[0] = 0;
  for (int64_t i = 0; i < count * lm->batch; ++i)
    if (setun_lm_check_token(lm, ids[i]))
      return -1;
  if (count > setun_lm_room(lm))
    return setun_lm_fail(lm, "%lld tokens do not fit into the context, which has room for %lld more", (long long)count,
                         (long long)setun_lm_room(lm));
  if (count <= 0)
    return count ? setun_lm_fail(lm, "a negative number of tokens") : setun_lm_take(lm);
  if (setun_lm_reserve(lm, lm->length + count))
    return -1;
  memcpy(lm->tokens + lm->length * lm->batch, ids, (size_t)(count * lm->batch) * sizeof *ids);
  lm->length += count;
  return setun_lm_take(lm);
}

const float *setun_lm_logits(setun_lm *lm) { return setun_lm_take(lm) || setun_lm_read(lm) ? NULL : lm->last; }

void setun_lm_sampling(const setun_lm *lm, setun_sampling *sampling) {
  *sampling = (setun_sampling){.top_p = 1, .repetition_penalty = 1};
  text_span section = lm->tokenizer ? text_section(lm->tokenizer->table, SETUN_TEXT_SAMPLING) : (text_span){0};
  setun_text_sampling said;
  if (section.size != sizeof said)
    return;
  memcpy(&said, section.data, sizeof said);
  sampling->temperature = said.temperature;
  sampling->top_k = said.top_k;
  sampling->top_p = said.top_p;
  sampling->min_p = said.min_p;
  sampling->repetition_penalty = said.repetition_penalty;
}
