/*===- answers.c - Answers to several prompts --------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* They come side by side, so each is printed when all are there, in the order of the prompts. */

#include "Main.h"
#include <stdlib.h>
#include <string.h>

/* Each prompt has draws of its own: the first those of --seed, the others those of the numbers after it. */
typedef struct answers {
  setun_request *requests;
  setun_answer *answers;
  size_t count;
  double start;
} answers;

static int keep(void *user, size_t index, int64_t id, const char *text, size_t size) {
  answers *all = user;
  setun_answer *answer = &all->answers[index];
  double now = setun_now() - all->start;
  if (answer->count == 0)
    answer->prompt_seconds = now;
  answer->seconds = now - answer->prompt_seconds;
  return setun_answer_keep(answer, id, text, size);
}

static int prepare(answers *all, const setun_command *command, setun_talk *talk, setun_text *error) {
  all->count = setun_count_prompts(command);
  all->requests = calloc(all->count + 1, sizeof *all->requests);
  all->answers = calloc(all->count + 1, sizeof *all->answers);
  if (!all->requests || !all->answers)
    return setun_text_fail(error, "out of memory");
  for (size_t i = 0; i < all->count; ++i) {
    setun_request *request = &all->requests[i];
    int64_t *ids = NULL;
    size_t count = 0;
    if (setun_read_prompt(command, talk, i, &ids, &count, error))
      return -1;
    request->prompt = ids;
    request->count = (int64_t)count;
    all->answers[i].prompt = count;
    setun_sampling sampling = talk->sampling;
    sampling.seed += i;
    if (!(request->sampler = setun_sampler_open(&sampling, error->text, sizeof error->text)))
      return -1;
  }
  return 0;
}

static void print(const answers *all, const setun_command *command, const setun_lm *lm, bool by_text) {
  for (size_t i = 0; i < all->count; ++i) {
    setun_answer *answer = &all->answers[i];
    answer->finish = all->requests[i].finish;
    if (command->json) {
      setun_answer_print(answer, lm, all->requests[i].count + (int64_t)answer->count);
    } else if (by_text) {
      bool ended = answer->size && answer->text[answer->size - 1] == '\n';
      printf("%s", i ? "\n" : "");
      fwrite(answer->text, 1, answer->size, stdout);
      printf("%s", ended ? "" : "\n");
    } else {
      for (size_t t = 0; t < answer->count; ++t)
        printf("%s%lld", t ? "," : "", (long long)answer->ids[t]);
      printf("\n");
    }
    if (answer->finish == SETUN_FINISH_CONTEXT)
      fprintf(stderr, "%s: note: prompt %zu: stopped after %zu tokens: the context is full\n", command->program, i + 1,
              answer->count);
  }
}

int setun_command_answers(const setun_command *command, setun_talk *talk, setun_text *error) {
  bool by_text = (command->prompt.size || command->prompt_file.size) && setun_lm_tokenizer(talk->lm);
  if (command->stream || command->logits || command->load_state || command->save_state)
    return setun_text_fail(error,
                           "--stream, --logits, --load-state and --save-state go with a model of one sequence, and "
                           "this one takes %lld at a time",
                           (long long)setun_lm_batch(talk->lm));
  if (command->count.size && command->count.items[0] == 0)
    return setun_text_fail(error, "-n 0: several prompts, and models of batches, are given to be answered");
  if (!by_text && !command->count.size)
    talk->generation.max_tokens = 100;
  talk->generation.continues = 1;
  answers all = {0};
  int failed = prepare(&all, command, talk, error);
  if (!failed) {
    all.start = setun_now();
    if (setun_lm_generate_all(talk->lm, all.requests, all.count, &talk->generation, keep, &all))
      failed = setun_text_fail(error, "%s", setun_lm_error(talk->lm));
  }
  if (!failed)
    print(&all, command, talk->lm, by_text);
  for (size_t i = 0; i < all.count && all.requests && all.answers; ++i) {
    free((void *)all.requests[i].prompt);
    setun_sampler_close(all.requests[i].sampler);
    setun_answer_free(&all.answers[i]);
  }
  free(all.requests);
  free(all.answers);
  return failed;
}
