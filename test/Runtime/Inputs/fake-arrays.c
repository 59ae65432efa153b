/*===- fake-arrays.c - A model of arrays by hand -------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Every type of input and output that is special, a state of fixed size, names that are no file names, and weights:
 * beside the program, or appended with FAKE_APPENDED. */

#include "setun-rt/abi.h"
#include <stddef.h>
#include <string.h>

enum { X, HALF, FLAG, COPY, HALF_COPY, HIDDEN, WEIGHTS };
static const int64_t x_dims[] = {2, -1}, half_dims[] = {-1}, three[] = {3}, four[] = {4};
static const setun_symbol symbols[] = {{"n", SETUN_DIM, 0}};
static const setun_argument arguments[] = {
    {"x", NULL, SETUN_INPUT, SETUN_BF16, 2, -1, x_dims, -1, 0},
    {"layer/half", NULL, SETUN_INPUT, SETUN_F16, 1, -1, half_dims, -1, 0},
    {"flag", NULL, SETUN_INPUT, SETUN_BOOL, 0, -1, NULL, -1, 0},
    {"out/x", NULL, SETUN_OUTPUT, SETUN_BF16, 2, -1, x_dims, -1, 0},
    {"half", NULL, SETUN_OUTPUT, SETUN_F16, 1, -1, half_dims, -1, 0},
    {"hidden", "hidden_out", SETUN_STATE, SETUN_I32, 1, -1, three, -1, 0},
    {"w", NULL, SETUN_OUTPUT, SETUN_F32, 1, -1, four, -1, 0},
};

static void run(setun_rt *rt, const setun_frame *frame) {
  int64_t n = frame->symbols[0];
  if (!*(const uint8_t *)frame->buffers[FLAG])
    rt->fail(rt, "the flag is not set");
  memcpy(frame->buffers[COPY], frame->buffers[X], (size_t)n * 4);
  memcpy(frame->buffers[HALF_COPY], frame->buffers[HALF], (size_t)n * 2);
  for (int i = 0; i < 3; ++i)
    ((int32_t *)frame->buffers[HIDDEN])[i] += i + 1;
  memcpy(frame->buffers[WEIGHTS], frame->weights, 16);
}

static void plan(const int64_t *symbols, int64_t *values) {
  const int64_t sizes[] = {0, 2, symbols[0], symbols[0], 3, 4};
  memcpy(values, sizes, sizeof sizes);
}

static const setun_level levels[] = {{"generic", 0, run, plan}};

extern const setun_model_desc setun_model;
__attribute__((visibility("default"))) const setun_model_desc setun_model = {
    .abi_version = SETUN_ABI_VERSION,
    .num_symbols = 1,
    .num_arguments = sizeof arguments / sizeof *arguments,
    .num_levels = 1,
    .name = "fake-arrays",
    .symbols = symbols,
    .arguments = arguments,
    .levels = levels,
#ifndef FAKE_APPENDED
    .weights_file = "fake.safetensors",
#endif
    .weights_size = FAKE_WEIGHTS_SIZE, /* of what make-weights.py writes */
    .data_offset = FAKE_DATA_OFFSET,
    .header_hash = FAKE_HEADER_HASH,
};
