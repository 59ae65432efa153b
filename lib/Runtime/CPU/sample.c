/*===- sample.c - From logits to a token ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A heap gives the likeliest tokens one by one: top-k and top-p of a vocabulary of 128,000 rarely need more than a few
 * hundred of them in order. Weights are whole numbers, so that sums have no order, and a device that adds in another
 * one draws the same token; what has to be one rounding after the other is each token's own (the library is compiled
 * with -ffp-contract=off). */

#include "Sampler.h"
#include <stdlib.h>
#include <string.h>

static bool before(setun_candidate a, setun_candidate b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift(setun_candidate *heap, int64_t size, int64_t at) {
  setun_candidate moving = heap[at];
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
static void pop(setun_candidate *heap, int64_t size) {
  setun_candidate best = heap[0];
  heap[0] = heap[size - 1];
  sift(heap, size - 1, 0);
  heap[size - 1] = best;
}

static bool reserve(setun_sampler *sampler, int64_t vocabulary) {
  if (sampler->scratch.capacity >= vocabulary)
    return true;
  free(sampler->scratch.logits);
  free(sampler->scratch.weights);
  free(sampler->scratch.heap);
  free(sampler->scratch.counts);
  sampler->scratch.logits = calloc((size_t)vocabulary, sizeof *sampler->scratch.logits);
  sampler->scratch.weights = calloc((size_t)vocabulary, sizeof *sampler->scratch.weights);
  sampler->scratch.heap = calloc((size_t)vocabulary, sizeof *sampler->scratch.heap);
  sampler->scratch.counts = calloc((size_t)vocabulary, sizeof *sampler->scratch.counts);
  bool all = sampler->scratch.logits && sampler->scratch.weights && sampler->scratch.heap && sampler->scratch.counts;
  sampler->scratch.capacity = all ? vocabulary : 0;
  return all;
}

/* A token that came twice is punished once for having come, and by the frequency penalty twice. */
static double punish(const setun_sampling *o, double logit, uint32_t count) {
  logit = logit > 0 ? logit / o->repetition_penalty : logit * o->repetition_penalty;
  if (count >> 1)
    logit = logit - (double)(count >> 1) * o->frequency_penalty - o->presence_penalty;
  return logit;
}

/* Logits with biases and penalties. */
static bool load(setun_sampler *sampler, const float *logits, int64_t vocabulary, const int64_t *history, size_t size) {
  if (vocabulary <= 0 || !reserve(sampler, vocabulary))
    return false;
  const setun_sampling *o = &sampler->options;
  double *changed = sampler->scratch.logits;
  for (int64_t i = 0; i < vocabulary; ++i)
    changed[i] = logits[i] == logits[i] ? (double)logits[i] : -__builtin_inf();
  for (size_t i = 0; i < o->num_biases; ++i) {
    int64_t token = sampler->biases[i].token;
    if (token >= 0 && token < vocabulary && changed[token] > -__builtin_inf())
      changed[token] = sampler->biases[i].bias == -__builtin_inf() ? sampler->biases[i].bias
                                                                   : changed[token] + sampler->biases[i].bias;
  }
  if (!setun_has_penalties(o))
    return true;
  uint32_t *counts = sampler->scratch.counts;
  for (size_t i = 0; i < size; ++i)
    if (history[i] >= 0 && history[i] < vocabulary)
      counts[history[i]] = (counts[history[i]] + (i >= sampler->counted_from ? 2 : 0)) | 1;
  for (size_t i = 0; i < size; ++i) {
    int64_t token = history[i];
    if (token < 0 || token >= vocabulary || !counts[token])
      continue;
    changed[token] = punish(o, changed[token], counts[token]);
    counts[token] = 0;
  }
  return true;
}

/* So that no sum of weights passes 2^62. */
int setun_weight_bits(int64_t vocabulary) {
  int bits = 62;
  for (int64_t size = 1; size < vocabulary; size *= 2)
    --bits;
  return bits;
}

typedef struct lottery {
  setun_sampler *sampler;
  const double *logits;
  uint64_t *weights; /* by token; 0: not to be drawn */
  int64_t vocabulary;
  double best, cut, one;
} lottery;

static double distance(const lottery *lot, double logit) { return (logit - lot->best) * lot->sampler->inverse; }

static uint64_t weigh(const lottery *lot, double x) { return (uint64_t)(setun_exponential(x) * lot->one); }

/* Weighs the k likeliest, as they come off the heap, and of these the fewest whose share is p. */
static void weigh_likeliest(lottery *lot, int64_t most, double share) {
  setun_candidate *heap = lot->sampler->scratch.heap;
  int64_t size = 0, left;
  uint64_t total = 0, mass = 0;
  for (int64_t i = 0; i < lot->vocabulary; ++i)
    if (distance(lot, lot->logits[i]) >= lot->cut)
      heap[size++] = (setun_candidate){lot->logits[i], i};
  for (int64_t i = size / 2; i-- > 0;)
    sift(heap, size, i);
  for (left = size; left > 0 && size - left < most && most < lot->vocabulary; --left)
    pop(heap, left);
  /* The k likeliest now stand behind the heap, backwards; without a k, all in the heap. */
  int64_t first = most < lot->vocabulary ? left : 0;
  for (int64_t i = first; i < size; ++i)
    total += lot->weights[heap[i].token] = weigh(lot, distance(lot, heap[i].logit));
  if (share >= 1)
    return;
  double target = share * (double)total;
  int64_t next = size;
  for (; next > first && (double)mass < target; --next) {
    if (next == left)
      pop(heap, left--);
    mass += lot->weights[heap[next - 1].token];
  }
  while (next-- > first)
    lot->weights[heap[next].token] = 0;
}

static int64_t draw(const lottery *lot, double least) {
  uint64_t mass = 0, sum = 0;
  for (int64_t i = 0; i < lot->vocabulary; ++i) {
    if (lot->weights[i] && distance(lot, lot->logits[i]) < least)
      lot->weights[i] = 0;
    mass += lot->weights[i];
  }
  __extension__ typedef unsigned __int128 wide;
  uint64_t point = (uint64_t)((wide)setun_sampler_next(lot->sampler) * mass >> 64);
  for (int64_t i = 0; i < lot->vocabulary; ++i)
    if (point < (sum += lot->weights[i]))
      return i;
  return -1; /* never: the likeliest has a weight */
}

int64_t setun_sample(setun_sampler *sampler, const float *logits, int64_t vocabulary, const int64_t *history,
                     size_t history_size) {
  if (!load(sampler, logits, vocabulary, history, history_size))
    return -1;
  const setun_sampling *o = &sampler->options;
  lottery lot = {sampler, sampler->scratch.logits, sampler->scratch.weights, vocabulary, 0, 0, 0};
  int64_t best = 0;
  for (int64_t i = 1; i < vocabulary; ++i)
    if (lot.logits[i] > lot.logits[best])
      best = i;
  lot.best = lot.logits[best];
  if (lot.best == -__builtin_inf())
    return -1;
  if (!setun_draws(o) || lot.best == __builtin_inf())
    return best;
  int bits = setun_weight_bits(vocabulary);
  lot.one = (double)((uint64_t)1 << bits);
  lot.cut = bits * -SETUN_DRAW_LN2;
  memset(lot.weights, 0, (size_t)vocabulary * sizeof *lot.weights);
  int64_t most = o->top_k > 0 && o->top_k < vocabulary ? o->top_k : vocabulary;
  if (most < vocabulary || o->top_p < 1) {
    weigh_likeliest(&lot, most, o->top_p);
  } else {
    double cut = lot.cut > sampler->least ? lot.cut : sampler->least;
    for (int64_t i = 0; i < vocabulary; ++i)
      if (distance(&lot, lot.logits[i]) >= cut)
        lot.weights[i] = weigh(&lot, distance(&lot, lot.logits[i]));
  }
  return draw(&lot, sampler->least);
}
