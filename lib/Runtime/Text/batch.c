/*===- batch.c - Answers to several prompts ----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* All sequences of a batch stand at one position, also where their prompts differ in length: as far as the shortest
 * prompt goes all are taken at once, then those whose prompt has ended say something while the others still listen.
 * Nothing is padded on the left, so no mask is needed, positions are those of the prompt alone, and so are the bits of
 * an answer. A sequence that is over is given any token; no one looks at what it says. */

#include "Output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One sequence that someone waits for. */
typedef struct sequence {
  output out;
  setun_request *request;
  int64_t *tokens; /* prompt and answer */
  int64_t length, reserved;
  bool over;
  /* Who gets the tokens, and as whose. */
  setun_on_answer on_token;
  void *user;
  size_t index;
} sequence;

static int give(void *user, int64_t id, const char *text, size_t size) {
  const sequence *s = user;
  return s->on_token ? s->on_token(s->user, s->index, id, text, size) : 0;
}

static int append(setun_lm *lm, sequence *s, const int64_t *ids, int64_t count) {
  if (s->length + count > s->reserved) {
    int64_t reserved = (s->length + count) * 2;
    int64_t *tokens = realloc(s->tokens, (size_t)reserved * sizeof *tokens);
    if (!tokens)
      return setun_lm_fail(lm, "out of memory");
    s->tokens = tokens;
    s->reserved = reserved;
  }
  memcpy(s->tokens + s->length, ids, (size_t)count * sizeof *ids);
  s->length += count;
  return 0;
}

static int check(setun_lm *lm, const setun_request *requests, size_t count, const setun_generation *generation) {
  if (generation->overflow != SETUN_STOP)
    return setun_lm_fail(lm, "the context of several prompts does not shift");
  for (size_t i = 0; i < count; ++i) {
    if (requests[i].count < 1)
      return setun_lm_fail(lm, "prompt %zu: it has no tokens, and a generation needs one to begin from", i + 1);
    if (requests[i].count > setun_lm_room(lm))
      return setun_lm_fail(lm, "prompt %zu: it has %lld tokens, and the context holds %lld", i + 1,
                           (long long)requests[i].count, (long long)setun_lm_room(lm));
    for (int64_t t = 0; t < requests[i].count; ++t)
      if (setun_lm_check_token(lm, requests[i].prompt[t])) {
        char text[256];
        snprintf(text, sizeof text, "%s", lm->error);
        return setun_lm_fail(lm, "prompt %zu: %s", i + 1, text);
      }
  }
  return 0;
}

/* The likeliest token of each sequence. Where logits are on a device they stay there, and one kernel looks at all. */
static int find_likeliest(setun_lm *lm, int64_t *tokens) {
  bool all = lm->logits_each == 1;
  for (int64_t b = 0; b < (all ? 1 : lm->batch); ++b)
    if (setun_argmax_rows(lm->session, lm->logits.name, (b + 1) * lm->logits_each - 1, all ? lm->batch : 1, tokens + b))
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
  return 0;
}

/* The token after the last that was taken, of sequence `b`. `likeliest`: of each, once *known. */
static int draw(setun_lm *lm, sequence *s, int64_t b, int64_t *likeliest, bool *known, int64_t *token) {
  setun_sampler *sampler = s->request->sampler;
  if (lm->unread && setun_sampler_is_greedy(sampler) && lm->logits.dtype != SETUN_F64) {
    if (!*known && find_likeliest(lm, likeliest))
      return -1;
    *known = true;
    *token = likeliest[b];
  } else {
    int64_t row = (b + 1) * lm->logits_each - 1;
    int status = 1;
    setun_sampler_count_from(sampler, (size_t)s->request->count);
    if (lm->unread)
      status = setun_sample_on_device(lm->session, sampler, lm->logits.name, row, s->tokens, (size_t)s->length, token);
    if (status < 0)
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
    const float *logits = status ? setun_lm_logits(lm) : NULL;
    if (status && !logits)
      return -1;
    if (status)
      *token = setun_sample(sampler, logits + b * lm->vocabulary, lm->vocabulary, s->tokens, (size_t)s->length);
  }
  return *token < 0 ? setun_lm_fail(lm, "the logits of token %lld are no numbers", (long long)s->length) : 0;
}

/* One token more for each sequence whose last one was taken. */
static int speak(setun_lm *lm, sequence *sequences, int64_t count, int64_t *likeliest) {
  bool known = false;
  for (int64_t b = 0; b < count; ++b) {
    sequence *s = &sequences[b];
    if (s->over || s->length > lm->length)
      continue;
    if (setun_lm_room(lm) < 1) {
      s->request->finish = SETUN_FINISH_CONTEXT;
      s->over = true;
      continue;
    }
    int64_t token = 0, before = s->length - s->request->count;
    if (draw(lm, s, b, likeliest, &known, &token) || append(lm, s, &token, 1))
      return -1;
    int result = setun_output_take(&s->out, token, before, setun_lm_room(lm) < 2, give, s, &s->request->finish);
    if (result < 0)
      return -1;
    s->over = result == 0;
  }
  return 0;
}

/* Takes `count` tokens of each sequence. */
static int listen(setun_lm *lm, const sequence *sequences, int64_t number, int64_t count) {
  int64_t *ids = malloc((size_t)(count * lm->batch) * sizeof *ids);
  if (!ids)
    return setun_lm_fail(lm, "out of memory");
  for (int64_t t = 0; t < count; ++t)
    for (int64_t b = 0; b < lm->batch; ++b) {
      int64_t at = lm->length + t;
      ids[t * lm->batch + b] =
          b < number && at < sequences[b].length ? sequences[b].tokens[at] : sequences[0].tokens[0];
    }
  int failed = setun_lm_extend(lm, ids, count);
  free(ids);
  return failed;
}

/* At most as many requests as the model takes sequences. */
static int answer(setun_lm *lm, sequence *sequences, int64_t number, int64_t *likeliest) {
  if (setun_lm_truncate(lm, 0))
    return -1;
  for (;;) {
    int64_t known = INT64_MAX; /* tokens that wait in every sequence that goes on */
    for (int64_t b = 0; b < number; ++b)
      if (!sequences[b].over && sequences[b].length - lm->length < known)
        known = sequences[b].length - lm->length;
    if (known == INT64_MAX)
      return 0;
    if (known > 0 ? listen(lm, sequences, number, known) : speak(lm, sequences, number, likeliest))
      return -1;
  }
}

int setun_lm_generate_all(setun_lm *lm, setun_request *requests, size_t count, const setun_generation *generation,
                          setun_on_answer on_token, void *user) {
  static const setun_generation defaults;
  generation = generation ? generation : &defaults;
  lm->error[0] = 0;
  if (setun_lm_truncate(lm, 0) || check(lm, requests, count, generation))
    return -1;
  sequence *sequences = calloc((size_t)lm->batch, sizeof *sequences);
  int64_t *likeliest = calloc((size_t)lm->batch, sizeof *likeliest);
  int failed = sequences && likeliest ? 0 : setun_lm_fail(lm, "out of memory");
  for (size_t first = 0; !failed && first < count; first += (size_t)lm->batch) {
    int64_t number = 0;
    for (; !failed && number < lm->batch && first + (size_t)number < count; ++number) {
      sequence *s = &sequences[number];
      size_t index = first + (size_t)number;
      *s = (sequence){.request = &requests[index], .on_token = on_token, .user = user, .index = index};
      s->request->finish = SETUN_FINISH_LENGTH;
      failed = setun_output_open(&s->out, lm, generation, s->request->prompt, s->request->count) ||
               append(lm, s, s->request->prompt, s->request->count);
    }
    failed = failed || answer(lm, sequences, number, likeliest) ? -1 : 0;
    for (int64_t b = 0; b < number; ++b) {
      setun_output_close(&sequences[b].out);
      free(sequences[b].tokens);
    }
  }
  free(sequences);
  free(likeliest);
  return failed;
}
