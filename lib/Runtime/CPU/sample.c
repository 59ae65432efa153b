/*===- sample.c - From logits to a token ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A heap gives the likeliest tokens one by one: a draw from a vocabulary of 128,000 rarely needs more than a few
 * hundred of them in order. Every sum is made in one stated order, in double, without fma (the library is compiled with
 * -ffp-contract=off). */

#include "setun-rt/sample.h"
#include "Internal.h"
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
  double logit;
  int64_t token;
} candidate;

struct setun_sampler {
  setun_sampling options;
  uint64_t random[4];
  setun_bias *biases;
  size_t counted_from;
  candidate *heap;
  uint32_t *counts; /* by token, zero between calls: 2 for each time it is counted, and 1 if it came at all */
  int64_t capacity;
};

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

/* xoshiro256**, of which the upper 53 bits make a number in [0, 1). */
static double draw(uint64_t s[4]) {
  uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return (double)(result >> 11) * 0x1p-53;
}

/* exp of x <= 0 by 2^n * e^r, |r| <= ln 2 / 2, e^r by its series: the same bits everywhere, good to 4e-16. */
static double exponential(double x) {
  if (!(x > -700))
    return 0;
  int64_t n = (int64_t)(x * 1.4426950408889634 - 0.5);
  double r = (x - (double)n * 0x1.62e42feep-1) - (double)n * 0x1.a39ef35793c76p-33, sum = 1;
  static const double inverse[] = {1.0 / 12, 1.0 / 11, 1.0 / 10, 1.0 / 9, 1.0 / 8, 1.0 / 7,
                                   1.0 / 6,  1.0 / 5,  1.0 / 4,  1.0 / 3, 1.0 / 2, 1.0};
  for (int i = 0; i < 12; ++i)
    sum = 1 + sum * (r * inverse[i]);
  uint64_t bits = (uint64_t)(n + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, sizeof scale);
  return sum * scale;
}

static bool before(candidate a, candidate b) { return a.logit > b.logit || (a.logit == b.logit && a.token < b.token); }

static void sift(candidate *heap, int64_t size, int64_t at) {
  candidate moving = heap[at];
  for (int64_t child; (child = 2 * at + 1) < size; at = child) {
    if (child + 1 < size && before(heap[child + 1], heap[child]))
      ++child;
    if (!before(heap[child], moving))
      break;
    heap[at] = heap[child];
  }
  heap[at] = moving;
}

/* Takes the likeliest off the heap and keeps it behind the end. */
static void pop(candidate *heap, int64_t size) {
  candidate best = heap[0];
  heap[0] = heap[size - 1];
  sift(heap, size - 1, 0);
  heap[size - 1] = best;
}

/* Candidates in order, as far as anyone asked: the first `size - left` stand behind the heap, backwards. */
typedef struct lottery {
  candidate *heap;
  int64_t size, left;
  double best, temperature;
} lottery;

static double weight(const lottery *lot, double logit) { return exponential((logit - lot->best) / lot->temperature); }

/* The weight of the n-th likeliest; every n is asked for after those before it. */
static double weight_of(lottery *lot, int64_t n) {
  if (lot->size - lot->left == n)
    pop(lot->heap, lot->left--);
  return weight(lot, lot->heap[lot->size - 1 - n].logit);
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
  sampler->options = o;
  seed_random(sampler->random, o.seed);
  return sampler;
}

void setun_sampler_close(setun_sampler *sampler) {
  if (sampler) {
    free(sampler->heap);
    free(sampler->counts);
    free(sampler->biases);
  }
  free(sampler);
}

void setun_sampler_count_from(setun_sampler *sampler, size_t first) { sampler->counted_from = first; }

static bool has_penalties(const setun_sampling *o) {
  return o->repetition_penalty != 1 || o->frequency_penalty != 0 || o->presence_penalty != 0;
}

int setun_sampler_is_greedy(const setun_sampler *sampler) {
  const setun_sampling *o = &sampler->options;
  return (o->temperature == 0 || o->top_k == 1) && !o->num_biases && !has_penalties(o);
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

static bool reserve(setun_sampler *sampler, int64_t vocabulary) {
  if (sampler->capacity >= vocabulary)
    return true;
  free(sampler->heap);
  free(sampler->counts);
  sampler->heap = calloc((size_t)vocabulary, sizeof *sampler->heap);
  sampler->counts = calloc((size_t)vocabulary, sizeof *sampler->counts);
  sampler->capacity = sampler->heap && sampler->counts ? vocabulary : 0;
  return sampler->capacity > 0;
}

/* A token that came twice is punished once for having come, and by the frequency penalty twice. */
static double punish(const setun_sampling *o, double logit, uint32_t count) {
  logit = logit > 0 ? logit / o->repetition_penalty : logit * o->repetition_penalty;
  if (count >> 1)
    logit = logit - (double)(count >> 1) * o->frequency_penalty - o->presence_penalty;
  return logit;
}

/* Candidates by token, biases and penalties applied. */
static bool load(setun_sampler *sampler, const float *logits, int64_t vocabulary, const int64_t *history, size_t size) {
  if (vocabulary <= 0 || !reserve(sampler, vocabulary))
    return false;
  const setun_sampling *o = &sampler->options;
  candidate *heap = sampler->heap;
  for (int64_t i = 0; i < vocabulary; ++i)
    heap[i] = (candidate){logits[i] == logits[i] ? (double)logits[i] : -__builtin_inf(), i};
  for (size_t i = 0; i < o->num_biases; ++i) {
    int64_t token = sampler->biases[i].token;
    if (token >= 0 && token < vocabulary && heap[token].logit > -__builtin_inf())
      heap[token].logit = sampler->biases[i].bias == -__builtin_inf() ? sampler->biases[i].bias
                                                                      : heap[token].logit + sampler->biases[i].bias;
  }
  if (!has_penalties(o))
    return true;
  uint32_t *counts = sampler->counts;
  for (size_t i = 0; i < size; ++i)
    if (history[i] >= 0 && history[i] < vocabulary)
      counts[history[i]] = (counts[history[i]] + (i >= sampler->counted_from ? 2 : 0)) | 1;
  for (size_t i = 0; i < size; ++i) {
    int64_t token = history[i];
    if (token < 0 || token >= vocabulary || !counts[token])
      continue;
    heap[token].logit = punish(o, heap[token].logit, counts[token]);
    counts[token] = 0;
  }
  return true;
}

int64_t setun_sample(setun_sampler *sampler, const float *logits, int64_t vocabulary, const int64_t *history,
                     size_t history_size) {
  if (!load(sampler, logits, vocabulary, history, history_size))
    return -1;
  const setun_sampling *o = &sampler->options;
  candidate *heap = sampler->heap, best = heap[0];
  for (int64_t i = 1; i < vocabulary; ++i)
    if (before(heap[i], best))
      best = heap[i];
  if (best.logit == -__builtin_inf())
    return -1;
  if (o->temperature == 0 || best.logit == __builtin_inf() || o->top_k == 1)
    return best.token;
  for (int64_t i = vocabulary / 2; i-- > 0;)
    sift(heap, vocabulary, i);
  lottery lot = {heap, vocabulary, vocabulary, best.logit, o->temperature};
  int64_t most = o->top_k > 0 && o->top_k < vocabulary ? o->top_k : vocabulary;
  bool all = most == vocabulary && o->top_p >= 1 && o->min_p <= 0;
  /* Shares are of the k likeliest, which are added in their order; all are added by token. */
  double total = 0;
  for (int64_t i = 0; i < most && most < vocabulary; ++i)
    total += weight_of(&lot, i);
  for (int64_t i = 0; i < vocabulary && most == vocabulary && (all || o->top_p < 1); ++i)
    total += weight(&lot, heap[i].logit);
  /* kept: how many top-p and min-p leave; mass: their sum, the likeliest first. */
  int64_t kept = all ? vocabulary : 0;
  double mass = all ? total : 0, target = o->top_p < 1 ? o->top_p * total : __builtin_inf();
  while (!all && kept < most && mass < target) {
    double next = weight_of(&lot, kept);
    if (next < o->min_p)
      break;
    mass += next;
    ++kept;
  }
  double point = draw(sampler->random) * mass, sum = 0;
  int64_t token = best.token;
  for (int64_t i = 0; i < kept; ++i) {
    double next = weight_of(&lot, i);
    if (next <= 0)
      break; /* rounding left the point at the very end */
    token = lot.heap[vocabulary - 1 - i].token;
    sum += next;
    if (point < sum)
      break;
  }
  return token;
}
