/*===- draw.c - Tokens drawn on a device ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Who asks for a draw asks after every token, and the next draw is known before its run: the same options, the history
 * with the token behind it, the generator's next number. So the run makes the answer along with the rest, in the same
 * graph, and if it is this that is asked for afterwards, one wait is enough. Answers are recognized by what was asked:
 * nothing is kept of the sampler itself. */

#include "Sampler.h"
#include <stdlib.h>
#include <string.h>

typedef struct setun_drawing {
  struct setun_drawing *next;
  int64_t place;               /* among the tokens of a run */
  setun_draw_options asked;    /* what the next answer is for, or the last one was */
  setun_bias *biases, *sorted; /* as given; by token, on their way to the device */
  int64_t *history;            /* what the device has counted, */
  size_t length, reserved;     /* how many, */
  size_t counted_from;         /* and from which on for frequency and presence */
  bool lost;                   /* nobody knows what the device has counted */
  uint32_t argument;
  int64_t row, vocabulary, answer;
  int idle;                                             /* runs since it was asked for */
  bool follow, ready;                                   /* the next run makes the answer; it is there */
  const void *given;                                    /* the options of the run that is being made */
  setun_block options, memory, bias_block, token_block; /* of the device */
} setun_drawing;

void setun_draw_tell(const setun_sampler *sampler, int64_t vocabulary, setun_draw_options *options) {
  const setun_sampling *o = &sampler->options;
  int bits = setun_weight_bits(vocabulary);
  memset(options, 0, sizeof *options);
  options->inverse = sampler->inverse;
  options->top_p = o->top_p;
  options->least = sampler->least;
  options->repetition = o->repetition_penalty;
  options->frequency = o->frequency_penalty;
  options->presence = o->presence_penalty;
  options->one = (double)((uint64_t)1 << bits);
  options->cut = bits * -SETUN_DRAW_LN2;
  options->step = SETUN_DRAW_CHUNK / (bits * -SETUN_DRAW_LN2);
  options->random = setun_sampler_peek(sampler);
  options->top_k = o->top_k > 0 ? o->top_k : INT64_MAX;
  options->draws = setun_draws(o);
  options->has_history = setun_has_penalties(o);
  options->num_biases = (int64_t)o->num_biases;
}

void setun_draw_forget(setun_session *session) {
  for (setun_drawing *d = session->drawings; d; d = d->next)
    d->follow = d->ready = false;
}

void setun_draw_close(setun_session *session) {
  for (setun_drawing *d = session->drawings, *next; d; d = next) {
    next = d->next;
    setun_session_release(session, &d->options);
    setun_session_release(session, &d->memory);
    setun_session_release(session, &d->bias_block);
    setun_session_release(session, &d->token_block);
    free(d->biases);
    free(d->sorted);
    free(d->history);
    free(d);
  }
  session->drawings = NULL;
}

/* That of a row: its own, or one that nobody has asked for a while, or a new one; NULL where there are too many or no
 * memory. */
static setun_drawing *find_drawing(setun_session *session, uint32_t index, int64_t row) {
  int64_t count = 0;
  setun_drawing **last = &session->drawings, *idle = NULL;
  for (; *last; last = &(*last)->next, ++count) {
    if ((*last)->argument == index && (*last)->row == row)
      return *last;
    idle = idle || (*last)->idle < 2 ? idle : *last;
  }
  if (!idle) {
    if (count == SETUN_DEVICE_TOKENS || !(idle = *last = calloc(1, sizeof **last)))
      return NULL;
    idle->place = count;
  }
  idle->argument = index;
  idle->row = row;
  return idle;
}

/* Enqueues the kernels. Returns -1 when there are none. */
static int enqueue(setun_session *session, const setun_drawing *d, const void *options, int64_t place, int64_t places) {
  const setun_argument *argument = &session->program->model->arguments[d->argument];
  const setun_slot *slot = &session->slots[d->argument];
  int64_t start = setun_find_row(slot, argument->rank, d->row);
  if (start < 0 || slot->dims[argument->rank - 1] != d->vocabulary)
    return -1;
  setun_device_draw draw = {(setun_dtype)argument->dtype,
                            d->vocabulary,
                            (const uint8_t *)slot->block.data + (size_t)start * setun_dtype_size(argument->dtype),
                            options,
                            d->memory.data,
                            d->asked.draws != 0,
                            d->asked.top_k < d->vocabulary,
                            d->asked.top_p < 1,
                            place,
                            places};
  return session->program->driver->draw(session->queue, &draw);
}

/*===-- With a run --------------------------------------------------------===*/

static bool remember(setun_drawing *d, const int64_t *tokens, size_t count) {
  if (d->length + count > d->reserved) {
    size_t reserved = (d->length + count) * 2;
    int64_t *history = realloc(d->history, reserved * sizeof *history);
    if (!history)
      return false;
    d->history = history;
    d->reserved = reserved;
  }
  if (count)
    memcpy(d->history + d->length, tokens, count * sizeof *tokens);
  d->length += count;
  return true;
}

static void prepare(setun_session *session, setun_drawing *d) {
  const setun_device_driver *driver = session->program->driver;
  d->ready = false;
  d->given = NULL;
  d->idle += d->idle < 2;
  if (!d->follow)
    return;
  d->follow = false; /* unless it is asked for */
  if (d->asked.has_history) {
    int64_t token = d->answer & ~SETUN_DRAW_DREW;
    const void *fresh = driver->give(session->queue, &token, sizeof token);
    d->asked.tokens = (uint64_t)(uintptr_t)fresh;
    d->asked.num_tokens = 1;
    d->asked.counted = d->length < d->counted_from; /* of one */
    if (!fresh || !remember(d, &token, 1))
      return;
  }
  d->given = driver->give(session->queue, &d->asked, sizeof d->asked);
  d->lost |= d->asked.has_history; /* until it has run */
}

void setun_draw_prepare(setun_session *session) {
  for (setun_drawing *d = session->drawings; d; d = d->next)
    prepare(session, d);
}

void setun_draw_follow(setun_session *session) {
  int64_t places = 0;
  for (setun_drawing *d = session->drawings; d; d = d->next)
    places = d->given ? d->place + 1 : places;
  for (setun_drawing *d = session->drawings; d; d = d->next)
    if (d->given)
      d->ready = enqueue(session, d, d->given, d->place, places) == 0;
}

void setun_draw_end(setun_session *session, bool failed) {
  for (setun_drawing *d = session->drawings; d; d = d->next) {
    if (!d->given)
      continue;
    d->ready &= !failed;
    d->lost &= !(d->ready && d->asked.has_history);
    d->answer = session->program->driver->tokens(session->queue)[d->place];
  }
}

/*===-- By itself ---------------------------------------------------------===*/

static bool same_biases(const setun_drawing *d, const setun_sampling *o) {
  for (size_t i = 0; i < o->num_biases; ++i)
    if (d->biases[i].token != o->biases[i].token || d->biases[i].bias != o->biases[i].bias)
      return false;
  return true;
}

/* Whether the device has counted all of the history's beginning. */
static bool same_history(const setun_drawing *d, const setun_sampler *sampler, const int64_t *history, size_t size) {
  return !d->lost && d->length <= size && d->counted_from == sampler->counted_from &&
         (!d->length || memcmp(d->history, history, d->length * sizeof *history) == 0);
}

/* Whether the answer that is there is to this question. */
static bool is_answer(const setun_drawing *d, const setun_sampler *sampler, const int64_t *history, size_t size) {
  setun_draw_options now;
  setun_draw_tell(sampler, d->vocabulary, &now);
  now.counted = d->asked.counted;
  now.num_tokens = d->asked.num_tokens;
  now.biases = d->asked.biases;
  now.tokens = d->asked.tokens;
  if (memcmp(&now, &d->asked, sizeof now) != 0 || !same_biases(d, &sampler->options))
    return false;
  return !now.has_history || (d->length == size && same_history(d, sampler, history, size));
}

static int compare_tokens(const void *a, const void *b) {
  const setun_bias *x = *(const setun_bias *const *)a, *y = *(const setun_bias *const *)b;
  return x->token != y->token ? (x->token > y->token) - (x->token < y->token) : (x > y) - (x < y);
}

/* Brings a copy of what the host has; the host's stays until the wait. */
static int bring(setun_session *session, setun_block *block, const void *data, size_t size) {
  return setun_session_reserve(session, block, size, false) ||
         setun_session_copy(session, block->data, data, size, SETUN_TO_DEVICE);
}

/* Biases in order of their tokens, those of one token as they were given. */
static int bring_biases(setun_session *session, setun_drawing *d, const setun_sampling *o) {
  if (!o->num_biases || (d->asked.num_biases == (int64_t)o->num_biases && same_biases(d, o)))
    return 0;
  const setun_bias **order = malloc(o->num_biases * sizeof *order);
  free(d->biases);
  free(d->sorted);
  d->biases = malloc(o->num_biases * sizeof *d->biases);
  d->sorted = malloc(o->num_biases * sizeof *d->sorted);
  d->asked.num_biases = 0;
  bool fits = order && d->biases && d->sorted;
  if (fits) {
    for (size_t i = 0; i < o->num_biases; ++i)
      order[i] = &o->biases[i];
    qsort(order, o->num_biases, sizeof *order, compare_tokens);
    for (size_t i = 0; i < o->num_biases; ++i)
      d->sorted[i] = *order[i];
    memcpy(d->biases, o->biases, o->num_biases * sizeof *d->biases);
  }
  free(order);
  return !fits || bring(session, &d->bias_block, d->sorted, o->num_biases * sizeof *d->sorted) ? -1 : 0;
}

/* What the device has not counted yet; everything where that is not a continuation. */
static int bring_history(setun_session *session, setun_drawing *d, const setun_sampler *sampler, const int64_t *history,
                         size_t size, setun_draw_options *options) {
  if (!options->has_history)
    return 0;
  if (!same_history(d, sampler, history, size)) {
    uint8_t *counts = (uint8_t *)d->memory.data + sizeof(setun_draw_memory) + (size_t)d->vocabulary * 24;
    if (setun_session_zero(session, counts, (size_t)d->vocabulary * 4))
      return -1;
    d->length = 0;
    d->counted_from = sampler->counted_from;
  }
  d->lost = true; /* until it has run */
  size_t known = d->length, fresh = size - known;
  options->num_tokens = (int64_t)fresh;
  options->counted = d->counted_from > known ? (int64_t)(d->counted_from - known) : 0;
  if (!remember(d, history + known, fresh))
    return -1;
  if (fresh && bring(session, &d->token_block, history + known, fresh * sizeof *history))
    return -1;
  options->tokens = (uint64_t)(uintptr_t)d->token_block.data;
  return 0;
}

static int bring_all(setun_session *session, setun_drawing *d, const setun_sampler *sampler, const int64_t *history,
                     size_t size) {
  const setun_sampling *o = &sampler->options;
  size_t bytes = sizeof(setun_draw_memory) + (size_t)d->vocabulary * SETUN_DRAW_BYTES_A_TOKEN;
  setun_draw_options options;
  setun_draw_tell(sampler, d->vocabulary, &options);
  if (setun_session_reserve(session, &d->memory, bytes, false) || bring_biases(session, d, o) ||
      bring_history(session, d, sampler, history, size, &options))
    return -1;
  options.biases = (uint64_t)(uintptr_t)d->bias_block.data;
  d->asked = options;
  return bring(session, &d->options, &d->asked, sizeof d->asked);
}

/* Asks the device now. Returns 1 when it has no kernels. */
static int ask(setun_session *session, setun_drawing *d, const setun_sampler *sampler, const int64_t *history,
               size_t size) {
  const setun_device_driver *driver = session->program->driver;
  char text[512] = "";
  int64_t ignored;
  if (bring_all(session, d, sampler, history, size)) {
    (void)setun_session_fail(session, "out of memory: a draw of %lld tokens%s", (long long)d->vocabulary,
                             session->detail);
    (void)setun_session_wait(session); /* what was brought is the caller's */
    return -1;
  }
  driver->begin(session->queue, NULL);
  if (enqueue(session, d, d->options.data, 0, 1)) {
    (void)driver->finish(session->queue, true, &ignored, (setun_message){text, sizeof text});
    return 1;
  }
  if (driver->finish(session->queue, false, &d->answer, (setun_message){text, sizeof text}))
    return setun_session_fail(session, "%s", text);
  d->lost &= !d->asked.has_history;
  return 0;
}

int setun_sample_on_device(setun_session *session, setun_sampler *sampler, const char *name, int64_t row,
                           const int64_t *history, size_t history_size, int64_t *token) {
  uint32_t index;
  int64_t start;
  if (setun_find_logits(session, name, row, &index, &start))
    return -1;
  const setun_argument *argument = &session->program->model->arguments[index];
  int64_t vocabulary = session->slots[index].dims[argument->rank - 1];
  if (!session->queue || argument->dtype == SETUN_F64 || vocabulary < 1 || vocabulary > INT32_MAX)
    return 1;
  setun_drawing *d = find_drawing(session, index, row);
  if (!d)
    return 1;
  d->idle = 0;
  if (!d->ready || d->vocabulary != vocabulary || !is_answer(d, sampler, history, history_size)) {
    d->follow = d->ready = false;
    d->lost |= d->vocabulary != vocabulary;
    d->vocabulary = vocabulary;
    int status = ask(session, d, sampler, history, history_size);
    if (status)
      return status;
  }
  *token = d->answer < 0 ? -1 : d->answer & ~SETUN_DRAW_DREW;
  if (d->answer >= 0 && d->answer & SETUN_DRAW_DREW)
    (void)setun_sampler_next(sampler);
  d->asked.random = setun_sampler_peek(sampler);
  d->ready = false; /* a second draw is another */
  d->follow = d->answer >= 0;
  session->argmax.follow = session->argmax.ready = false;
  return 0;
}
