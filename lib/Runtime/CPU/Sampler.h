/*===- Sampler.h - The inside of setun_sampler -------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_SAMPLER_INTERNAL_H
#define SETUN_RT_SAMPLER_INTERNAL_H

#include "Internal.h"
#include "setun-rt/sample.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct setun_candidate {
  double logit;
  int64_t token;
} setun_candidate;

struct setun_sampler {
  setun_sampling options;
  double inverse; /* of the temperature */
  double least;   /* distance from the likeliest that min-p keeps */
  uint64_t random[4];
  setun_bias *biases;
  size_t counted_from;
  struct {
    int64_t capacity; /* of each of the next */
    double *logits;   /* by token, biases and penalties applied */
    uint64_t *weights;
    setun_candidate *heap;
    uint32_t *counts; /* by token, zero between calls: 2 for each time it is counted, and 1 if it came at all */
  } scratch;
};

bool setun_has_penalties(const setun_sampling *options);
/* The next random number: its upper 53 bits, the others 0. */
uint64_t setun_sampler_peek(const setun_sampler *sampler);
uint64_t setun_sampler_next(setun_sampler *sampler);
double setun_exponential(double x);
/* Whether a token is drawn at all, if the likeliest is no infinity. */
static inline bool setun_draws(const setun_sampling *options) {
  return options->temperature > 0 && options->top_k != 1;
}

/* What a device is told, but for addresses and what is new in the history. */
void setun_draw_tell(const setun_sampler *sampler, int64_t vocabulary, setun_draw_options *options);
/* Bits that a token's weight has at most. */
int setun_weight_bits(int64_t vocabulary);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_SAMPLER_INTERNAL_H */
