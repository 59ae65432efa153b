/*===- generate.c - Text from a prompt -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <stdlib.h>

typedef struct recorder {
  setun_npy_file npy;
  int64_t rows, vocabulary;
} recorder;

static int record(void *context, const float *rows, int64_t count, int64_t vocabulary, setun_text *error) {
  recorder *to = context;
  to->rows += count;
  to->vocabulary = vocabulary;
  return setun_npy_append(&to->npy, SETUN_F32, rows, count * vocabulary, error);
}

static bool contains(const int64_t *ids, size_t count, int64_t id) {
  for (size_t i = 0; i < count; ++i)
    if (ids[i] == id)
      return true;
  return false;
}

static int generate(const setun_command *command, setun_language *lm, setun_sampler *sampler, const int64_t *stop,
                    size_t num_stops, setun_text *error) {
  int64_t count = command->count >= 0 ? command->count : 100;
  for (int64_t i = 0; i < count; ++i) {
    int64_t token = setun_sample(sampler, lm->last, lm->vocabulary, lm->text, (size_t)lm->length);
    if (token < 0)
      return setun_text_fail(error, "the logits of token %lld are no numbers", (long long)lm->length);
    printf(command->stream ? "%lld\n" : i ? ",%lld" : "%lld", (long long)token);
    if (command->stream)
      fflush(stdout);
    if (contains(stop, num_stops, token))
      break;
    if (i + 1 == count)
      break;
    if (setun_language_room(lm) < 1) {
      fprintf(stderr, "%s: note: stopped after %lld tokens: the context is full\n", command->program, (long long)i + 1);
      break;
    }
    if (setun_language_extend(lm, &token, 1, error))
      return -1;
  }
  if (!command->stream && count > 0)
    printf("\n");
  return 0;
}

int setun_command_generate(const setun_command *command, setun_program *program, setun_text *error) {
  int64_t *ids = NULL, *stop = NULL;
  size_t count = 0, num_stops = 0;
  recorder logits = {0};
  setun_language lm = {0};
  setun_sampler *sampler = NULL;
  int failed = command->tokens ? setun_parse_ids(command->tokens, "--tokens", &ids, &count, error)
                               : setun_read_ids(command->tokens_file, &ids, &count, error);
  if (!failed && command->stop)
    failed = setun_parse_ids(command->stop, "--stop", &stop, &num_stops, error);
  if (!failed && !(sampler = setun_sampler_open(&command->sampling, error->text, sizeof error->text)))
    failed = -1;
  if (!failed)
    failed = setun_language_open(&lm, program, command->context, error);
  if (!failed && command->logits) {
    failed = setun_npy_create(&logits.npy, command->logits, error);
    lm.on_rows = record;
    lm.context = &logits;
  }
  lm.chunk = command->chunk > 0 ? command->chunk : 0;
  if (!failed)
    failed = setun_language_extend(&lm, ids, (int64_t)count, error) ||
             generate(command, &lm, sampler, stop, num_stops, error);
  if (!failed && command->logits)
    failed = setun_npy_finish(&logits.npy, SETUN_F32, (int64_t[]){logits.rows, logits.vocabulary}, 2, error) ||
             setun_npy_commit(&logits.npy, error);
  setun_npy_close(&logits.npy);
  setun_language_close(&lm);
  setun_sampler_close(sampler);
  free(ids);
  free(stop);
  return failed;
}
