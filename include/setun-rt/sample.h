/*===- sample.h - From logits to a token -------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Sampling of the next token. The same logits, options, history and seed give the same token on every machine, devices
 * among them: arithmetic is in doubles with an exponential of our own, each step rounded, sums are of whole numbers,
 * and random numbers are xoshiro256** seeded by splitmix64, 53 bits each.
 *
 * Order of steps, as in transformers and vLLM: logit biases, repetition penalty, frequency and presence penalty,
 * temperature, top-k, top-p, min-p; then one draw among what is left. Equal logits stand in order of their index, and
 * NaN counts as minus infinity.
 *
 * A token of logit l weighs exp(x) for x = (l - largest) * (1 / temperature), as a whole number of 2^-b, cut, where b
 * is 62 - ceil(log2(vocabulary)): 45 of a vocabulary of 128,000. Those with x below -b * log(2) do not weigh anything.
 * top-p keeps likelier tokens until what they weigh is p times the sum (a double); min-p those whose x is at least the
 * least number with an exponential of min_p. The draw goes by index: of the random number r (of 2^53) and the sum m of
 * what is kept, the first token with which the sum is above r * m / 2^53, cut. */

#ifndef SETUN_RT_SAMPLE_H
#define SETUN_RT_SAMPLE_H

#include "setun-rt/setun.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Added to a token's logit; minus infinity: the token never comes. */
typedef struct setun_bias {
  int64_t token;
  double bias;
} setun_bias;

typedef struct setun_sampling {
  double temperature;        /* 0: greedy, the largest logit; no draw is made */
  int64_t top_k;             /* keep the k likeliest; 0: all */
  double top_p;              /* keep the fewest of the likeliest whose share is at least p; 1 (or 0): all */
  double min_p;              /* keep those at least min_p times as likely as the likeliest; 0: all */
  double repetition_penalty; /* logits of tokens of the history: l > 0 ? l / r : l * r; 1 (or 0): none */
  uint64_t seed;
  double frequency_penalty; /* of tokens that came c > 0 times: l - c * f; 0: none. As OpenAI's, and below 0 a reward */
  double presence_penalty;  /* the same, but once: l - p; 0: none */
  const setun_bias *biases; /* copied; of tokens outside of the vocabulary nothing comes */
  size_t num_biases;
} setun_sampling;

typedef struct setun_sampler setun_sampler;

/* NULL when an option makes no sense, with a message. */
SETUN_API setun_sampler *setun_sampler_open(const setun_sampling *sampling, char *error, size_t error_size);
SETUN_API void setun_sampler_close(setun_sampler *sampler);
/* Frequency and presence penalties count the history from this token on (0 when opened): what was generated, without
 * the prompt. */
SETUN_API void setun_sampler_count_from(setun_sampler *sampler, size_t first);
/* Whether setun_sample gives the token of the largest logit, whatever the history: no temperature, penalty or bias. */
SETUN_API int setun_sampler_is_greedy(const setun_sampler *sampler);
/* Where a sampler stands: what its next draw and its penalties depend on beside the options. */
typedef struct setun_sampler_place {
  uint64_t random[4]; /* not all 0 */
  uint64_t counted_from;
} setun_sampler_place;
SETUN_API void setun_sampler_get_place(const setun_sampler *sampler, setun_sampler_place *place);
/* -1 where the numbers are all 0, which gives no draws. */
SETUN_API int setun_sampler_set_place(setun_sampler *sampler, const setun_sampler_place *place);
/* The next token, or -1 when no logit is above minus infinity or memory is short. `history` may be NULL when empty. */
SETUN_API int64_t setun_sample(setun_sampler *sampler, const float *logits, int64_t vocabulary, const int64_t *history,
                               size_t history_size);
/* The same of a row of a float output of the session's last run (rows as for setun_argmax), where the program runs on a
 * device whose code can draw: the logits stay there, what is new in the history goes there, and a run after it draws at
 * once for the history with the token behind it. Returns 0 with the token, or with -1 for none; 1 where the device
 * cannot draw or the program runs on the processor: setun_sample then has to; -1 on failure (setun_error). */
SETUN_API int setun_sample_on_device(setun_session *session, setun_sampler *sampler, const char *name, int64_t row,
                                     const int64_t *history, size_t history_size, int64_t *token);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_SAMPLE_H */
