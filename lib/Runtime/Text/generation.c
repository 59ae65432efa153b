/*===- generation.c - Tokens until something ends it -------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Output.h"
#include <stdlib.h>
#include <string.h>

/* Makes room by forgetting the older half of what follows the first `keep` tokens. */
static int shift(output *out) {
  setun_lm *lm = out->lm;
  int64_t keep = out->options->keep, rest = lm->length - keep, kept = rest / 2;
  if (keep < 0 || rest < 1)
    return setun_lm_fail(lm, "the context cannot shift: the first %lld tokens are to be kept, and there are %lld",
                         (long long)keep, (long long)lm->length);
  int64_t *tail = malloc((size_t)(lm->length + 1) * sizeof *tail);
  if (!tail)
    return setun_lm_fail(lm, "out of memory");
  memcpy(tail, lm->tokens, (size_t)keep * sizeof *tail);
  memcpy(tail + keep, lm->tokens + lm->length - kept, (size_t)kept * sizeof *tail);
  /* States that cannot go back take what is kept anew as well. */
  int64_t begin = keep < lm->taken && setun_lm_truncate(lm, keep) ? 0 : keep;
  int failed = setun_lm_truncate(lm, begin) || setun_lm_extend(lm, tail + begin, keep + kept - begin) ? -1 : 0;
  free(tail);
  if (out->first > keep)
    out->first = out->first - (rest - kept) > keep ? out->first - (rest - kept) : keep;
  return failed;
}

/* The next token. Where the logits are on a device, and it has kernels for that, they stay there. */
static int draw(output *out, setun_sampler *sampler, int64_t *token) {
  setun_lm *lm = out->lm;
  if (setun_lm_take(lm))
    return -1;
  if (lm->unread && setun_sampler_is_greedy(sampler) && lm->logits.dtype != SETUN_F64) { /* that has ties as f32 */
    if (setun_argmax(lm->session, lm->logits.name, -1, token))
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
  } else {
    setun_sampler_count_from(sampler, (size_t)out->first);
    int status = 1;
    if (lm->unread)
      status = setun_sample_on_device(lm->session, sampler, lm->logits.name, -1, lm->tokens, (size_t)lm->length, token);
    if (status < 0)
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
    const float *logits = status ? setun_lm_logits(lm) : NULL;
    if (status && !logits)
      return lm->error[0] ? -1 : setun_lm_fail(lm, "a generation needs a token to begin from");
    if (status)
      *token = setun_sample(sampler, logits, lm->vocabulary, lm->tokens, (size_t)lm->length);
  }
  return *token < 0 ? setun_lm_fail(lm, "the logits of token %lld are no numbers", (long long)lm->length) : 0;
}

/* One token more. Returns 1 to go on, 0 when *finish tells why not, -1 on failure. */
static int step(output *out, setun_sampler *sampler, int64_t count, setun_on_token on_token, void *user,
                setun_finish *finish) {
  setun_lm *lm = out->lm;
  const setun_generation *options = out->options;
  *finish = SETUN_FINISH_CONTEXT;
  if (setun_lm_room(lm) < 1 && options->overflow == SETUN_STOP)
    return 0;
  if (setun_lm_room(lm) < 1 && shift(out))
    return -1;
  int64_t token;
  if (draw(out, sampler, &token))
    return -1;
  if (setun_lm_reserve(lm, lm->length + 1))
    return -1;
  lm->tokens[lm->length++] = token; /* taken by the next call */
  bool full = options->overflow == SETUN_STOP && setun_lm_room(lm) < 1;
  return setun_output_take(out, token, count, full, on_token, user, finish);
}

int setun_lm_generate(setun_lm *lm, setun_sampler *sampler, const setun_generation *generation, setun_on_token on_token,
                      void *user, setun_finish *finish) {
  static const setun_generation defaults;
  output out;
  setun_finish why = SETUN_FINISH_LENGTH;
  lm->error[0] = 0;
  if (lm->batch > 1)
    return setun_lm_fail(lm, "the model takes %lld sequences at a time: setun_lm_generate_all generates",
                         (long long)lm->batch);
  int result = setun_output_open(&out, lm, generation ? generation : &defaults, lm->tokens, lm->length);
  if (lm->resumed && lm->generated == lm->length)
    out.first = (int64_t)lm->place.counted_from;
  lm->resumed = false;
  for (int64_t count = 0; result >= 0 && (result = step(&out, sampler, count, on_token, user, &why)) > 0; ++count)
    ;
  if (result >= 0) {
    setun_sampler_count_from(sampler, (size_t)out.first);
    setun_sampler_get_place(sampler, &lm->place);
    lm->generated = lm->length;
  }
  setun_output_close(&out);
  if (finish)
    *finish = why;
  return result;
}

int setun_lm_resume(setun_lm *lm, setun_sampler *sampler) {
  if (setun_sampler_set_place(sampler, &lm->place))
    return 0;
  lm->resumed = true;
  return 1;
}
