/*===- fake-lm.c - A language model by hand ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* What the compiler would make, small enough to know every answer: the likeliest next token is the sum of all tokens so
 * far, modulo 16. With FAKE_STATELESS the past is not kept, and positions and a mask are asked for; with FAKE_KEPT the
 * model is told whose logits are wanted, and refuses to make more than it should. With FAKE_TEXT the model has a
 * tokenizer and the next token is the one after the last, but for what chat_model.py says of its special tokens;
 * FAKE_SLOW in the environment makes each run last 20 ms. */

#define _DEFAULT_SOURCE
#include "setun-rt/abi.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef FAKE_TEXT
enum { WORDS = 266, CAPACITY = 256 };
#else
enum { WORDS = 16, CAPACITY = 32 };
#endif
enum { HEADS = 2, WIDTH = 4 };

#ifdef FAKE_STATELESS
enum { IDS, POSITIONS, MASK, LOGITS };
static const int64_t ids_dims[] = {-2, -1}, logits_dims[] = {-1, -1, WORDS};
static const setun_symbol symbols[] = {{"length", SETUN_DIM, 0}, {"batch", SETUN_DIM, 0}};
static const setun_argument arguments[] = {
    {"input_ids", NULL, SETUN_INPUT, SETUN_I32, 2, -1, ids_dims, -1, 0},
    {"position_ids", NULL, SETUN_INPUT, SETUN_I64, 2, -1, ids_dims, -1, 0},
    {"attention_mask", NULL, SETUN_INPUT, SETUN_F32, 2, -1, ids_dims, -1, 0},
    {"logits", NULL, SETUN_OUTPUT, SETUN_F16, 3, -1, logits_dims, -1, 0},
};

static void run(setun_rt *rt, const setun_frame *frame) {
  const int32_t *ids = frame->buffers[IDS];
  const int64_t *positions = frame->buffers[POSITIONS];
  const float *mask = frame->buffers[MASK];
  uint16_t *logits = frame->buffers[LOGITS];
  int64_t length = frame->symbols[0], sum = 0;
  for (int64_t i = 0; i < length; ++i) {
    if (positions[i] != i || mask[i] != 1)
      rt->fail(rt, "positions or mask are wrong");
    sum += ids[i];
    for (int v = 0; v < WORDS; ++v)
      logits[i * WORDS + v] = v == sum % WORDS ? 0x4800 : 0x3c00; /* 8, 1 */
  }
}

static void plan(const int64_t *symbols, int64_t *values) {
  values[0] = 0;
  values[1] = symbols[1];
  values[2] = symbols[0];
  values[3] = WORDS;
}
#else
#ifdef FAKE_KEPT
enum { IDS, KEPT, LOGITS, PAST };
#define ROWS 3
#else
enum { IDS, LOGITS, PAST };
#define ROWS 0
#endif
static const int64_t ids_dims[] = {1, -1}, logits_dims[] = {1, -1, WORDS}, past_dims[] = {1, HEADS, -3, WIDTH};
static const setun_symbol symbols[] = {
    {"seq", SETUN_DIM, 0},
    {"past", SETUN_POSITION, 0},
    {"capacity", SETUN_CAPACITY, 0},
#ifdef FAKE_KEPT
    {"logits", SETUN_DIM, 0},
#endif
};
#ifdef FAKE_KEPT
static const int64_t kept_dims[] = {-4};
#endif
static const setun_argument arguments[] = {
    {"input_ids", NULL, SETUN_INPUT, SETUN_I64, 2, -1, ids_dims, -1, 0},
#ifdef FAKE_KEPT
    {"logits_to_keep", NULL, SETUN_INPUT, SETUN_I64, 1, -1, kept_dims, -1, 0},
#endif
    {"logits", NULL, SETUN_OUTPUT, SETUN_F32, 3, -1, logits_dims, -1, 0},
    {"past_key", "present_key", SETUN_STATE, SETUN_F32, 4, 2, past_dims, 1, 0},
};

typedef struct environment {
  setun_rt *rt;
  const setun_frame *frame;
} environment;

static void remember(void *env, int64_t begin, int64_t end) {
  const environment *e = env;
  const int64_t *ids = e->frame->buffers[IDS], *symbols = e->frame->symbols;
  float *past = e->frame->buffers[PAST];
  for (int64_t i = begin; i < end; ++i) {
    if (ids[i] < 0 || ids[i] >= WORDS) {
      e->rt->fail(e->rt, "a token is out of range");
      continue;
    }
    for (int h = 0; h < HEADS; ++h)
      for (int d = 0; d < WIDTH; ++d)
        past[(h * symbols[2] + symbols[1] + i) * WIDTH + d] = (float)(ids[i] * (h + 1) + d);
  }
}

/* The token after the last of those that `past` holds. */
static int64_t next_token(const float *past, int64_t count) {
#ifdef FAKE_TEXT
  enum { USER = 256, SYSTEM, END, ASSISTANT, HELLO, BANG = 263, AGAIN, YES };
  int64_t last = (int64_t)past[(count - 1) * WIDTH], users = 0, systems = 0;
  for (int64_t p = 0; p < count; ++p) {
    users += past[p * WIDTH] == USER;
    systems += past[p * WIDTH] == SYSTEM;
  }
  if (last == ASSISTANT)
    return users > 1 ? AGAIN : systems ? YES : HELLO;
  return last == YES ? HELLO : last == BANG || last == AGAIN ? END : last + 1;
#else
  int64_t sum = 0;
  for (int64_t p = 0; p < count; ++p)
    sum += (int64_t)past[p * WIDTH];
  return sum % WORDS;
#endif
}

static void answer(void *env, int64_t begin, int64_t end) {
  const environment *e = env;
  const float *past = e->frame->buffers[PAST];
  for (int64_t i = begin; i < end; ++i) {
    float *row = (float *)e->frame->buffers[LOGITS] + i * WORDS;
    int64_t at = i;
#ifdef FAKE_KEPT
    at = ((const int64_t *)e->frame->buffers[KEPT])[i];
    if (at < 0 || at >= e->frame->symbols[0]) {
      e->rt->fail(e->rt, "logits_to_keep is out of range");
      continue;
    }
#endif
    int64_t next = next_token(past, e->frame->symbols[1] + at + 1);
    for (int v = 0; v < WORDS; ++v)
      row[v] = v == next ? 8.0f : -(float)v / 4;
  }
}

static void run(setun_rt *rt, const setun_frame *frame) {
  environment env = {rt, frame};
  if (getenv("FAKE_SLOW"))
    usleep(20000);
  memset(frame->arena, 1, (size_t)frame->symbols[0] * 100);
  rt->parallel_for(rt, frame->symbols[0], 1, remember, &env);
#ifdef FAKE_KEPT
  if (frame->symbols[ROWS] > FAKE_KEPT)
    rt->fail(rt, "more logits are asked for than are needed");
#endif
  rt->parallel_for(rt, frame->symbols[ROWS], 1, answer, &env);
}

static void plan(const int64_t *symbols, int64_t *values) {
  const int64_t sizes[] = {symbols[0] * 100, 1, symbols[ROWS], WORDS, 1, HEADS, symbols[1] + symbols[0], WIDTH};
  memcpy(values, sizes, sizeof sizes);
}
#endif

static const setun_level levels[] = {
    {"avx2", SETUN_X86_AVX2, run, plan}, {"generic", 0, run, plan}, {"future", 1ull << 63, run, plan}};

extern const setun_model_desc setun_model;
__attribute__((visibility("default"))) const setun_model_desc setun_model = {
    .abi_version = SETUN_ABI_VERSION,
    .num_symbols = sizeof symbols / sizeof *symbols,
    .num_arguments = sizeof arguments / sizeof *arguments,
    .num_levels = sizeof levels / sizeof *levels,
    .name = "fake-lm",
    .symbols = symbols,
    .arguments = arguments,
    .levels = levels,
    .default_capacity = CAPACITY,
    .parameters = 2512345678,
#ifdef FAKE_TEXT
    .weights_file = "fake-text.safetensors",
    .weights_size = FAKE_WEIGHTS_SIZE,
    .data_offset = FAKE_DATA_OFFSET,
    .header_hash = FAKE_HEADER_HASH,
    .text_size = FAKE_TEXT,
#endif
};
