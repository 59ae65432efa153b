/*===- talk.c - A language model as the command line asks for it -*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "ID=BIAS,ID=BIAS": as many as there are texts and commas. */
static int parse_biases(const setun_texts *texts, setun_bias **biases, size_t *count, setun_text *error) {
  size_t most = 0;
  for (size_t i = 0; i < texts->size; ++i)
    most += strlen(texts->items[i]) / 4 + 1; /* "1=2," */
  if (!(*biases = calloc(most + 1, sizeof **biases)))
    return setun_text_fail(error, "out of memory");
  for (size_t i = 0; i < texts->size; ++i)
    for (const char *at = texts->items[i];; ++at) {
      char *end = NULL, *last = NULL;
      errno = 0;
      long long id = strtoll(at, &end, 10);
      double bias = end != at && *end == '=' ? strtod(end + 1, &last) : 0;
      if (errno || !last || last == end + 1 || (*last && *last != ',') || id < 0)
        return setun_text_fail(error, "--logit-bias takes ID=BIAS,..., not '%s'", texts->items[i]);
      (*biases)[(*count)++] = (setun_bias){id, bias};
      if (!*(at = last))
        break;
    }
  return 0;
}

static int open_sampler(setun_talk *talk, const setun_command *command, setun_text *error) {
  /* What the command line does not say is the model's. */
  setun_sampling sampling, given = command->sampling;
  setun_lm_sampling(talk->lm, &sampling);
  sampling.temperature = given.temperature >= 0 ? given.temperature : sampling.temperature;
  sampling.top_k = given.top_k >= 0 ? given.top_k : sampling.top_k;
  sampling.top_p = given.top_p >= 0 ? given.top_p : sampling.top_p;
  sampling.min_p = given.min_p >= 0 ? given.min_p : sampling.min_p;
  sampling.repetition_penalty = given.repetition_penalty >= 0 ? given.repetition_penalty : sampling.repetition_penalty;
  sampling.frequency_penalty = given.frequency_penalty;
  sampling.presence_penalty = given.presence_penalty;
  sampling.seed = given.seed;
  if (parse_biases(&command->logit_bias, &talk->biases, &sampling.num_biases, error))
    return -1;
  sampling.biases = talk->biases;
  int64_t words = setun_lm_vocabulary(talk->lm);
  for (size_t i = 0; i < sampling.num_biases && words > 0; ++i)
    if (sampling.biases[i].token >= words)
      return setun_text_fail(error, "--logit-bias: token %lld is not in the vocabulary of %lld",
                             (long long)sampling.biases[i].token, (long long)words);
  talk->sampling = sampling;
  talk->sampler = setun_sampler_open(&sampling, error->text, sizeof error->text);
  return talk->sampler ? 0 : -1;
}

int setun_talk_open(setun_talk *talk, const setun_command *command, setun_program *program, setun_text *error) {
  memset(talk, 0, sizeof *talk);
  setun_generation *g = &talk->generation;
  setun_lm_options options = {command->context > 0 ? command->context : 0, command->chunk > 0 ? command->chunk : 0};
  talk->lm = setun_lm_open(program, &options, error->text, sizeof error->text);
  if (!talk->lm || open_sampler(talk, command, error))
    return -1;
  g->max_tokens = command->count.size ? command->count.items[0] : 0;
  g->overflow = command->context_full && strcmp(command->context_full, "shift") == 0 ? SETUN_SHIFT : SETUN_STOP;
  g->keep = command->keep >= 0 ? command->keep : 1;
  g->stop = command->stop.items;
  g->num_stops = command->stop.size;
  if (command->stop_tokens) {
    if (setun_parse_ids(command->stop_tokens, "--stop-tokens", &talk->stop_tokens, &g->num_end_tokens, error))
      return -1;
    g->end_tokens = talk->stop_tokens;
  }
  if (command->load_state && setun_lm_load(talk->lm, command->load_state))
    return setun_text_fail(error, "%s", setun_lm_error(talk->lm));
  setun_talk_resume(talk, command);
  return 0;
}

void setun_talk_resume(setun_talk *talk, const setun_command *command) {
  if (!command->seeded)
    setun_lm_resume(talk->lm, talk->sampler);
}

void setun_talk_close(setun_talk *talk) {
  setun_lm_close(talk->lm);
  setun_sampler_close(talk->sampler);
  free(talk->biases);
  free(talk->stop_tokens);
}

int setun_talk_encode(const setun_talk *talk, const setun_command *command, const char *text, size_t size, bool begin,
                      int64_t **ids, size_t *count, setun_text *error) {
  const setun_tokenizer *tokenizer = setun_lm_tokenizer(talk->lm);
  uint32_t flags = (begin ? SETUN_ADD_SPECIAL : 0) | (command->parse_special ? SETUN_PARSE_SPECIAL : 0);
  if (!tokenizer)
    return setun_text_fail(error, "%s: give token ids, --tokens", setun_lm_no_tokenizer(talk->lm));
  int64_t room = (int64_t)size + 16, needed = room;
  *ids = NULL;
  do {
    room = needed;
    free(*ids);
    *ids = malloc((size_t)room * sizeof **ids);
    needed = *ids ? setun_encode(tokenizer, text, size, flags, *ids, (size_t)room) : -1;
  } while (needed > room);
  *count = needed < 0 ? 0 : (size_t)needed;
  return needed < 0 ? setun_text_fail(error, "out of memory") : 0;
}

/*===-- Answers -----------------------------------------------------------===*/

/* Room for `more` elements behind `size`; false when there is no memory. */
static bool grow(void **data, size_t element, size_t size, size_t more, size_t *reserved) {
  if (size + more <= *reserved)
    return true;
  size_t room = (size + more) * 2;
  void *larger = realloc(*data, room * element);
  if (!larger)
    return false;
  *data = larger;
  *reserved = room;
  return true;
}

int setun_answer_keep(void *user, int64_t id, const char *text, size_t size) {
  setun_answer *answer = user;
  int end = answer->on_token ? answer->on_token(answer->user, id, text, size) : 0;
  if (!grow((void **)&answer->ids, sizeof *answer->ids, answer->count, 1, &answer->ids_reserved) ||
      !grow((void **)&answer->text, 1, answer->size, size + 1, &answer->text_reserved))
    return -1;
  answer->ids[answer->count++] = id;
  if (size)
    memcpy(answer->text + answer->size, text, size);
  answer->text[answer->size += size] = 0;
  return end;
}

int setun_talk_answer(setun_talk *talk, const setun_command *command, const int64_t *prompt, size_t count,
                      const volatile sig_atomic_t *interrupted, setun_answer *answer, setun_text *error) {
  /* Small pieces where someone may press Ctrl-C. */
  int64_t piece = command->chunk > 0 ? command->chunk : interrupted ? 128 : 512, left = (int64_t)count;
  double start = setun_now();
  answer->prompt = count;
  answer->finish = SETUN_FINISH_CALLER;
  if (left > setun_lm_room(talk->lm)) /* in pieces it would be found out late */
    piece = left;
  for (; left > 0 && !(interrupted && *interrupted); left -= piece)
    if (setun_lm_extend(talk->lm, prompt + ((int64_t)count - left), piece = left < piece ? left : piece))
      return setun_text_fail(error, "%s", setun_lm_error(talk->lm));
  double middle = setun_now();
  answer->prompt_seconds = middle - start;
  int failed = 0;
  if (left <= 0 && command->count.size && command->count.items[0] == 0)
    answer->finish = SETUN_FINISH_LENGTH; /* -n 0: the prompt alone */
  else if (left <= 0)
    failed = setun_lm_generate(talk->lm, talk->sampler, &talk->generation, setun_answer_keep, answer, &answer->finish);
  answer->seconds = setun_now() - middle;
  return failed ? setun_text_fail(error, "%s", setun_lm_error(talk->lm)) : 0;
}

static double rate(size_t count, double seconds) { return seconds > 0 ? (double)count / seconds : 0; }

void setun_answer_print(const setun_answer *answer, const setun_lm *lm, int64_t context) {
  static const char *const names[] = {"", "length", "end", "stop", "context", "interrupted"};
  printf("{");
  if (setun_lm_tokenizer(lm)) {
    printf("\"text\": ");
    setun_print_string(answer->text ? answer->text : "", answer->size);
    printf(", ");
  }
  printf("\"tokens\": [");
  for (size_t i = 0; i < answer->count; ++i)
    printf("%s%lld", i ? ", " : "", (long long)answer->ids[i]);
  printf("], \"finish\": \"%s\", \"timings\": {\"prompt_tokens\": %zu, \"prompt_seconds\": %.6f, "
         "\"prompt_tokens_per_second\": %.3f, \"tokens\": %zu, \"seconds\": %.6f, \"tokens_per_second\": %.3f}, "
         "\"context\": %lld}\n",
         names[answer->finish], answer->prompt, answer->prompt_seconds, rate(answer->prompt, answer->prompt_seconds),
         answer->count, answer->seconds, rate(answer->count, answer->seconds), (long long)context);
}

void setun_answer_free(setun_answer *answer) {
  free(answer->text);
  free(answer->ids);
}
