/*===- generation.c - Tokens until something ends it -------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Text is held back as long as it may yet become a stop text: what is given is never taken back. */

#define _GNU_SOURCE
#include "Language.h"
#include <stdlib.h>
#include <string.h>

/* Tokens before the first that the decoder of its text gets to see, so that a space at its beginning stays. */
enum { BEFORE = 8 };

typedef struct output {
  setun_lm *lm;
  const setun_generation *options;
  setun_stream *stream; /* NULL: no text */
  int64_t first;        /* of the tokens that are generated */
  char *held;           /* text that was not given yet */
  size_t size, reserved;
} output;

static int hold(output *out, const char *text, size_t size) {
  if (out->size + size > out->reserved) {
    size_t reserved = (out->size + size) * 2;
    char *held = realloc(out->held, reserved);
    if (!held)
      return setun_lm_fail(out->lm, "out of memory");
    out->held = held;
    out->reserved = reserved;
  }
  if (size)
    memcpy(out->held + out->size, text, size);
  out->size += size;
  return 0;
}

/* Where the first stop text begins in what is held, or its size. */
static size_t find_stop(const output *out) {
  size_t first = out->size;
  for (size_t i = 0; i < out->options->num_stops; ++i) {
    const char *stop = out->options->stop[i];
    const char *found = out->size ? memmem(out->held, out->size, stop, strlen(stop)) : NULL;
    if (found && (size_t)(found - out->held) < first)
      first = (size_t)(found - out->held);
  }
  return first;
}

/* How much of what is held cannot be the beginning of a stop text. */
static size_t find_sure(const output *out) {
  size_t sure = out->size;
  for (size_t i = 0; i < out->options->num_stops; ++i) {
    const char *stop = out->options->stop[i];
    size_t length = strlen(stop), at = out->size >= length ? out->size - length + 1 : 0;
    while (at < sure && memcmp(out->held + at, stop, out->size - at) != 0)
      ++at;
    sure = at < sure ? at : sure;
  }
  return sure;
}

static bool ends(const setun_lm *lm, const setun_generation *options, int64_t token) {
  const int64_t *ids = options->end_tokens;
  size_t count = ids ? options->num_end_tokens : 0;
  if (!ids && lm->tokenizer)
    count = setun_end_tokens(lm->tokenizer, &ids);
  for (size_t i = 0; i < count; ++i)
    if (ids[i] == token)
      return true;
  return false;
}

/* Adds the text of a token; `shown`: it has one. At the end also what never became a character. */
static int add_text(output *out, int64_t token, bool shown, bool last) {
  const char *text;
  size_t size;
  if (!out->stream)
    return 0;
  if (shown && (setun_stream_push(out->stream, token, &text, &size) ? setun_lm_fail(out->lm, "out of memory")
                                                                    : hold(out, text, size)))
    return -1;
  if (last && (setun_stream_finish(out->stream, &text, &size) ? setun_lm_fail(out->lm, "out of memory")
                                                              : hold(out, text, size)))
    return -1;
  return 0;
}

static int prepare(output *out, setun_lm *lm, const setun_generation *options) {
  *out = (output){.lm = lm, .options = options};
  for (size_t i = 0; i < options->num_stops; ++i)
    if (!options->stop[i][0])
      return setun_lm_fail(lm, "a stop text is empty");
  if (options->num_stops && !lm->tokenizer)
    return setun_lm_fail(lm, "stop texts need a tokenizer, and the model was compiled without one");
  if (!lm->tokenizer)
    return 0;
  out->stream = setun_stream_open(lm->tokenizer, options->show_special ? 0 : SETUN_SKIP_SPECIAL);
  if (!out->stream)
    return setun_lm_fail(lm, "out of memory");
  const char *text;
  size_t size;
  for (int64_t i = lm->length > BEFORE ? lm->length - BEFORE : 0; options->continues && i < lm->length; ++i)
    if (setun_stream_push(out->stream, lm->tokens[i], &text, &size))
      return setun_lm_fail(lm, "out of memory");
  return 0;
}

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

/* The next token. A greedy one needs no logits: where these are on a device they stay there. */
static int draw(output *out, setun_sampler *sampler, int64_t *token) {
  setun_lm *lm = out->lm;
  if (setun_lm_take(lm))
    return -1;
  if (lm->unread && setun_sampler_is_greedy(sampler) && lm->logits.dtype != SETUN_F64) { /* that has ties as f32 */
    if (setun_argmax(lm->session, lm->logits.name, -1, token))
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
  } else {
    const float *logits = setun_lm_logits(lm);
    if (!logits)
      return lm->error[0] ? -1 : setun_lm_fail(lm, "a generation needs a token to begin from");
    setun_sampler_count_from(sampler, (size_t)out->first);
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
  bool end = ends(lm, options, token), full = options->overflow == SETUN_STOP && setun_lm_room(lm) < 1;
  bool enough = options->max_tokens > 0 && count + 1 >= options->max_tokens;
  if (add_text(out, token, !end || options->show_special, end || enough || full))
    return -1;
  size_t stop = find_stop(out);
  *finish = end                ? SETUN_FINISH_END
            : stop < out->size ? SETUN_FINISH_STOP
            : enough           ? SETUN_FINISH_LENGTH
                               : SETUN_FINISH_CONTEXT;
  bool over = end || enough || full || stop < out->size;
  size_t give = over ? stop : find_sure(out);
  if (on_token && on_token(user, token, out->held, give)) {
    *finish = SETUN_FINISH_CALLER;
    return 0;
  }
  out->size -= give;
  if (out->size)
    memmove(out->held, out->held + give, out->size);
  return !over;
}

int setun_lm_generate(setun_lm *lm, setun_sampler *sampler, const setun_generation *generation, setun_on_token on_token,
                      void *user, setun_finish *finish) {
  static const setun_generation defaults;
  output out;
  setun_finish why = SETUN_FINISH_LENGTH;
  lm->error[0] = 0;
  int result = prepare(&out, lm, generation ? generation : &defaults);
  out.first = lm->length;
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
  if (out.stream)
    setun_stream_close(out.stream);
  free(out.held);
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
