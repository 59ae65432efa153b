/*===- output.c - Text of one answer -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Text is held back as long as it may yet become a stop text: what is given is never taken back. */

#define _GNU_SOURCE
#include "Output.h"
#include <stdlib.h>
#include <string.h>

/* Tokens before the first that the decoder of its text gets to see, so that a space at its beginning stays. */
enum { BEFORE = 8 };

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

int setun_output_open(output *out, setun_lm *lm, const setun_generation *options, const int64_t *before,
                      int64_t count) {
  *out = (output){.lm = lm, .options = options, .first = count};
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
  for (int64_t i = count > BEFORE ? count - BEFORE : 0; options->continues && i < count; ++i)
    if (setun_stream_push(out->stream, before[i], &text, &size))
      return setun_lm_fail(lm, "out of memory");
  return 0;
}

void setun_output_close(output *out) {
  if (out->stream)
    setun_stream_close(out->stream);
  free(out->held);
}

int setun_output_take(output *out, int64_t token, int64_t count, bool full, setun_on_token on_token, void *user,
                      setun_finish *finish) {
  const setun_generation *options = out->options;
  bool end = ends(out->lm, options, token), enough = options->max_tokens > 0 && count + 1 >= options->max_tokens;
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
