/*===- sampler.c - How tokens are drawn ----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Sampler.h"
#include <stdlib.h>
#include <string.h>

/* splitmix64, which xoshiro's authors recommend for seeding. */
static void seed_random(uint64_t random[4], uint64_t seed) {
  for (int i = 0; i < 4; ++i) {
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    random[i] = z ^ z >> 31;
  }
}

static uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

/* xoshiro256**, of which the upper 53 bits are taken. */
static uint64_t next_random(uint64_t s[4]) {
  uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result >> 11 << 11;
}

uint64_t setun_sampler_peek(const setun_sampler *sampler) {
  uint64_t random[4];
  memcpy(random, sampler->random, sizeof random);
  return next_random(random);
}

uint64_t setun_sampler_next(setun_sampler *sampler) { return next_random(sampler->random); }

/* exp of -700 < x <= 0 by 2^n * e^r, |r| <= ln 2 / 2, e^r by its series: the same bits everywhere, good to 4e-16. */
double setun_exponential(double x) {
  static const double inverse[] = {1.0 / 12, 1.0 / 11, 1.0 / 10, 1.0 / 9, 1.0 / 8, 1.0 / 7,
                                   1.0 / 6,  1.0 / 5,  1.0 / 4,  1.0 / 3, 1.0 / 2, 1.0};
  int64_t n = (int64_t)(x * SETUN_DRAW_LOG2E - 0.5);
  double r = (x - (double)n * SETUN_DRAW_LN2_HIGH) - (double)n * SETUN_DRAW_LN2_LOW, sum = 1;
  for (int i = 0; i < SETUN_DRAW_TERMS; ++i)
    sum = 1 + sum * (r * inverse[i]);
  uint64_t bits = (uint64_t)(n + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, sizeof scale);
  return sum * scale;
}

/* The least number whose exponential is min_p or more. A limit of distances is one of logits, whatever rounding does.
 */
static double find_least(double min_p) {
  double below = -64, above = 0;
  if (min_p == 0)
    return -__builtin_inf();
  for (double middle; (middle = (below + above) / 2) != below && middle != above;)
    *(setun_exponential(middle) >= min_p ? &above : &below) = middle;
  return above;
}

setun_sampler *setun_sampler_open(const setun_sampling *sampling, char *error, size_t error_size) {
  setun_message message = {error, error_size};
  setun_sampling o = *sampling;
  if (o.top_p == 0)
    o.top_p = 1;
  if (o.repetition_penalty == 0)
    o.repetition_penalty = 1;
  const char *wrong = !(o.temperature >= 0 && o.temperature <= 1e9) ? "temperature must not be negative"
                      : o.top_k < 0                                 ? "top-k must not be negative"
                      : !(o.top_p > 0 && o.top_p <= 1)              ? "top-p must be above 0 and at most 1"
                      : !(o.min_p >= 0 && o.min_p <= 1)             ? "min-p must be from 0 to 1"
                      : !(o.repetition_penalty > 0 && o.repetition_penalty <= 1e9)
                          ? "repetition penalty must be above 0"
                      : !(__builtin_fabs(o.frequency_penalty) <= 1e9) ? "frequency penalty must be a number"
                      : !(__builtin_fabs(o.presence_penalty) <= 1e9)  ? "presence penalty must be a number"
                                                                      : NULL;
  for (size_t i = 0; i < o.num_biases; ++i)
    if (!(o.biases[i].bias <= 1e9))
      wrong = "a logit bias must be a number or minus infinity";
  setun_sampler *sampler = wrong ? NULL : calloc(1, sizeof *sampler);
  if (sampler && o.num_biases && !(sampler->biases = calloc(o.num_biases, sizeof *o.biases))) {
    free(sampler);
    sampler = NULL;
  }
  if (!sampler) {
    setun_fail(message, "%s", wrong ? wrong : "out of memory");
    return NULL;
  }
  if (o.num_biases)
    memcpy(sampler->biases, o.biases, o.num_biases * sizeof *o.biases);
  o.biases = sampler->biases;
  sampler->options = o;
  /* Below that a temperature leaves the likeliest alone, and above it its inverse is a number. */
  sampler->inverse = 1 / (o.temperature > 1e-300 ? o.temperature : 1e-300);
  sampler->least = find_least(o.min_p);
  seed_random(sampler->random, o.seed);
  return sampler;
}

void setun_sampler_close(setun_sampler *sampler) {
  if (sampler) {
    free(sampler->scratch.heap);
    free(sampler->scratch.logits);
    free(sampler->scratch.weights);
    free(sampler->scratch.counts);
    free(sampler->biases);
  }
  free(sampler);
}

void setun_sampler_count_from(setun_sampler *sampler, size_t first) { sampler->counted_from = first; }

bool setun_has_penalties(const setun_sampling *o) {
  return o->repetition_penalty != 1 || o->frequency_penalty != 0 || o->presence_penalty != 0;
}

int setun_sampler_is_greedy(const setun_sampler *sampler) {
  const setun_sampling *o = &sampler->options;
  return (o->temperature == 0 || o->top_k == 1) && !o->num_biases && !setun_has_penalties(o);
}

void setun_sampler_get_place(const setun_sampler *sampler, setun_sampler_place *place) {
  memcpy(place->random, sampler->random, sizeof place->random);
  place->counted_from = sampler->counted_from;
}

int setun_sampler_set_place(setun_sampler *sampler, const setun_sampler_place *place) {
  if (!(place->random[0] | place->random[1] | place->random[2] | place->random[3]))
    return -1;
  memcpy(sampler->random, place->random, sizeof place->random);
  sampler->counted_from = (size_t)place->counted_from;
  return 0;
}
