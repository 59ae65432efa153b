/*===- fingerprint.c - Telling models apart ----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* What a state means depends on the model's weights as much as on its shape, and two models of one family differ in the
 * weights alone. All of a large file would take seconds to hash: it is looked at in a few hundred places, which lie
 * close enough to meet each large tensor. */

#include "Internal.h"
#include <string.h>

enum { PLACES = 512, BYTES = 64 };

static uint64_t add(uint64_t hash, const void *data, uint64_t size) {
  for (uint64_t i = 0; i < size; ++i)
    hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
  return hash;
}

static uint64_t add_number(uint64_t hash, int64_t number) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i)
    bytes[i] = (uint8_t)((uint64_t)number >> 8 * i);
  return add(hash, bytes, sizeof bytes);
}

static uint64_t add_name(uint64_t hash, const char *name) { return name ? add(hash, name, strlen(name) + 1) : hash; }

uint64_t setun_fingerprint(const setun_program *program) {
  const setun_model_desc *model = program->model;
  uint64_t hash = add_name(0xcbf29ce484222325u, model->name);
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    hash = add_name(add_name(hash, argument->name), argument->output_name);
    hash = add_number(add_number(hash, argument->kind), argument->dtype);
    hash = add_number(add_number(hash, argument->axis), argument->rank);
    for (uint32_t d = 0; d < argument->rank; ++d)
      hash = add_number(hash, argument->dims[d]);
  }
  hash = add_number(add_number(hash, (int64_t)model->weights_size), (int64_t)model->header_hash);
  uint64_t size = program->weights.data ? model->weights_size - model->data_offset : 0;
  if (size <= PLACES * BYTES)
    return add(hash, program->weights.data, size);
  for (uint64_t i = 0; i < PLACES; ++i)
    hash = add(hash, program->weights.data + (size - BYTES) / (PLACES - 1) * i, BYTES);
  return hash;
}
