/*===- generate.c - Text from a prompt ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <stdlib.h>
#include <string.h>

typedef struct recorder {
  setun_npy_file npy;
  int64_t rows, vocabulary;
  setun_text error;
} recorder;

static int record(void *user, const float *rows, int64_t count, int64_t vocabulary) {
  recorder *to = user;
  to->rows += count;
  to->vocabulary = vocabulary;
  return setun_npy_append(&to->npy, SETUN_F32, rows, count * vocabulary, &to->error);
}

/* How tokens are printed as they come. */
typedef struct printer {
  bool text, stream;
  bool any;
  char last;
} printer;

static int print_token(void *user, int64_t id, const char *text, size_t size) {
  printer *to = user;
  if (to->text) {
    fwrite(text, 1, size, stdout);
    to->last = size ? text[size - 1] : to->last;
  } else {
    printf(to->stream ? "%lld\n" : to->any ? ",%lld" : "%lld", (long long)id);
  }
  to->any = true;
  if (to->text || to->stream)
    fflush(stdout);
  return 0;
}

size_t setun_count_prompts(const setun_command *command) {
  return command->tokens.size + command->tokens_file.size + command->prompt.size + command->prompt_file.size;
}

int setun_read_prompt(const setun_command *command, const setun_talk *talk, size_t index, int64_t **ids, size_t *count,
                      setun_text *error) {
  if (command->tokens.size)
    return setun_parse_ids(command->tokens.items[index], "--tokens", ids, count, error);
  if (command->tokens_file.size)
    return setun_read_ids(command->tokens_file.items[index], ids, count, error);
  const char *prompt = command->prompt.size ? command->prompt.items[index] : NULL;
  char *text = NULL;
  size_t size = prompt ? strlen(prompt) : 0;
  if (command->prompt_file.size && setun_read_text(command->prompt_file.items[index], &text, &size, error))
    return -1;
  if (!prompt && !text) /* goes on from a state */
    return 0;
  int failed =
      setun_talk_encode(talk, command, text ? text : prompt, size, setun_lm_length(talk->lm) == 0, ids, count, error);
  free(text);
  return failed;
}

static int answer(const setun_command *command, setun_talk *talk, const int64_t *ids, size_t count, setun_text *error) {
  bool by_text = !command->tokens.size && !command->tokens_file.size && setun_lm_tokenizer(talk->lm);
  printer printer = {.text = by_text, .stream = command->stream};
  setun_answer answer = {.on_token = command->json ? NULL : print_token, .user = &printer};
  if (!by_text && !command->count.size)
    talk->generation.max_tokens = 100;
  talk->generation.continues = 1;
  int failed = setun_talk_answer(talk, command, ids, count, NULL, &answer, error);
  if (!failed && command->json)
    setun_answer_print(&answer, talk->lm, setun_lm_length(talk->lm));
  else if (printer.any && (by_text ? printer.last != '\n' : !command->stream))
    printf("\n");
  if (!failed && answer.finish == SETUN_FINISH_CONTEXT)
    fprintf(stderr, "%s: note: stopped after %zu tokens: the context is full\n", command->program, answer.count);
  setun_answer_free(&answer);
  return failed;
}

int setun_command_generate(const setun_command *command, setun_program *program, setun_text *error) {
  int64_t *ids = NULL;
  size_t count = 0;
  recorder logits = {0};
  setun_talk talk = {0};
  int failed = setun_talk_open(&talk, command, program, error);
  if (!failed && (setun_count_prompts(command) > 1 || setun_lm_batch(talk.lm) > 1)) {
    failed = setun_command_answers(command, &talk, error);
    setun_talk_close(&talk);
    return failed;
  }
  failed = failed || setun_read_prompt(command, &talk, 0, &ids, &count, error);
  if (!failed && command->logits) {
    failed = setun_npy_create(&logits.npy, command->logits, error);
    setun_lm_on_logits(talk.lm, record, &logits);
  }
  if (!failed)
    failed = answer(command, &talk, ids, count, error);
  if (failed && logits.error.text[0])
    *error = logits.error;
  if (!failed && command->save_state && setun_lm_save(talk.lm, command->save_state))
    failed = setun_text_fail(error, "%s", setun_lm_error(talk.lm));
  if (!failed && command->logits)
    failed = setun_npy_finish(&logits.npy, SETUN_F32, (int64_t[]){logits.rows, logits.vocabulary}, 2, error) ||
             setun_npy_commit(&logits.npy, error);
  setun_npy_close(&logits.npy);
  setun_talk_close(&talk);
  free(ids);
  return failed ? -1 : 0;
}
