/*===- options.c - The command line --------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Main.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { FLAG, TEXT, COUNT, REAL, SIGNED, SEED, TEXTS, NUMBERS } kind;

#define FIELD(name) offsetof(setun_command, name)
static const struct option {
  const char *name, *other; /* another name, or NULL */
  kind kind;
  size_t field;
  int64_t least; /* of a COUNT, of NUMBERS */
  const char *operand, *help;
} table[] = {
    {"--input", NULL, TEXTS, FIELD(inputs), 0, "NAME=FILE.npy", "an input, or a state to start from (once for each)"},
    {"--output-dir", NULL, TEXT, FIELD(output_dir), 0, "DIR",
     "where each output goes as NAME.npy ('/' in a name becomes '_')"},
    {"--chat", NULL, FLAG, FIELD(chat), 0, NULL, "talk: reads a terminal, or a pipe, of which each line is a turn"},
    {"--system", NULL, TEXT, FIELD(system), 0, "TEXT", "chat: the system's message"},
    {"--prompt", NULL, TEXTS, FIELD(prompt), 0, "TEXT",
     "generate: a text to continue (several: an answer to each); with --chat the one turn"},
    {"--prompt-file", NULL, TEXTS, FIELD(prompt_file), 0, "FILE", "the same from a file ('-': standard input)"},
    {"--tokens", NULL, TEXTS, FIELD(tokens), 0, "1,2,3", "generate: the prompt, as token ids"},
    {"--tokens-file", NULL, TEXTS, FIELD(tokens_file), 0, "FILE",
     "generate: the prompt from a file ('-': standard input)"},
    {"-n", NULL, NUMBERS, FIELD(count), 0, "N", "tokens to generate (until it ends; of --tokens 100)"},
    {"--stop", NULL, TEXTS, FIELD(stop), 0, "TEXT", "stop before this text (once for each)"},
    {"--stop-tokens", NULL, TEXT, FIELD(stop_tokens), 0, "ID,...", "stop after one of these tokens, not the model's"},
    {"--context-full", NULL, TEXT, FIELD(context_full), 0, "stop|shift",
     "when the context is full: stop, or forget its older half"},
    {"--keep", NULL, COUNT, FIELD(keep), 0, "N", "tokens at the beginning that are never forgotten (1)"},
    {"--parse-special", NULL, FLAG, FIELD(parse_special), 0, NULL,
     "special tokens written in a prompt are these tokens, not text"},
    {"--save-state", NULL, TEXT, FIELD(save_state), 0, "FILE", "keep the conversation in a file at the end"},
    {"--load-state", NULL, TEXT, FIELD(load_state), 0, "FILE", "go on from there"},
    {"--stream", NULL, FLAG, FIELD(stream), 0, NULL, "--tokens: print each token as it comes, one a line"},
    {"--logits", NULL, TEXT, FIELD(logits), 0, "FILE.npy", "also save the logits of all tokens"},
    {"--chunk", NULL, COUNT, FIELD(chunk), 1, "N", "take the prompt in runs of N tokens (512; the result is the same)"},
    {"--temp", "--temperature", REAL, FIELD(sampling.temperature), 0, "T",
     "0 takes the likeliest token; else draw (this and the next five: the model's, else 0)"},
    {"--top-k", NULL, COUNT, FIELD(sampling.top_k), 0, "K", "draw among the K likeliest (0: all)"},
    {"--top-p", NULL, REAL, FIELD(sampling.top_p), 0, "P", "draw among the fewest that have P of the probability"},
    {"--min-p", NULL, REAL, FIELD(sampling.min_p), 0, "P",
     "draw among those at least P times as likely as the likeliest"},
    {"--repetition-penalty", NULL, REAL, FIELD(sampling.repetition_penalty), 0, "R",
     "make tokens of the text less likely (1: no)"},
    {"--frequency-penalty", NULL, SIGNED, FIELD(sampling.frequency_penalty), 0, "F",
     "take F from a token's logit each time it was generated"},
    {"--presence-penalty", NULL, SIGNED, FIELD(sampling.presence_penalty), 0, "F", "the same, but once"},
    {"--logit-bias", NULL, TEXTS, FIELD(logit_bias), 0, "ID=BIAS,...", "add to tokens' logits (-inf: never)"},
    {"--seed", NULL, SEED, FIELD(sampling.seed), 0, "N", "of the draws (0)"},
    {"--bench", NULL, FLAG, FIELD(bench), 0, NULL, "measure tokens a second"},
    {"-p", NULL, NUMBERS, FIELD(prompts), 0, "N,...", "bench: tokens of a prompt (512); -n: tokens one by one (128)"},
    {"-r", NULL, COUNT, FIELD(repetitions), 1, "N", "bench: repetitions (5)"},
    {"--json", NULL, FLAG, FIELD(json), 0, NULL, "generate, chat, bench, info: print JSON"},
    {"--info", NULL, FLAG, FIELD(info), 0, NULL, "print inputs, states, outputs and levels"},
    {"--threads", "-t", NUMBERS, FIELD(threads), 1, "N",
     "threads (SETUN_THREADS, else one a processor); bench: several"},
    {"--pin", NULL, FLAG, FIELD(pin), 0, NULL, "keep each thread on one processor"},
    {"--context", NULL, COUNT, FIELD(context), 1, "N", "tokens the states can hold"},
    {"--target", NULL, TEXT, FIELD(target), 0, "LEVEL",
     "the code to run (SETUN_TARGET, else the best for this machine)"},
    {"--device", NULL, TEXT, FIELD(device), 0, "DEVICE",
     "where to run: cpu, cuda, cuda:1 (SETUN_DEVICE, else the first that runs the best code)"},
    {"--weights", NULL, TEXT, FIELD(weights), 0, "FILE", "the weights file, if it is not beside the model"},
    {"--help", "-h", FLAG, FIELD(help), 0, NULL, "this text"},
};
#define NUM_OPTIONS (sizeof table / sizeof *table)

void setun_print_help(const char *program) {
  printf("%s: a compiled Setun model.\n\n"
         "Run it once on arrays, one .npy file for each output:\n"
         "  %s --input x=x.npy --output-dir out\n"
         "A language model: talk to it, have it continue a text, or token ids:\n"
         "  %s --chat\n"
         "  %s --prompt 'Once upon a time' -n 50 --temp 0.8 --top-p 0.9 --seed 7\n"
         "  %s --tokens 1,5,17 -n 50\n"
         "See what it takes and gives, and how fast it is:\n"
         "  %s --info\n"
         "  %s --bench -p 512 -n 128\n\nOptions:\n",
         program, program, program, program, program, program, program);
  for (size_t i = 0; i < NUM_OPTIONS; ++i) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s%s", table[i].name, table[i].other ? ", " : "",
             table[i].other ? table[i].other : "", table[i].operand ? " " : "",
             table[i].operand ? table[i].operand : "");
    printf("  %-26s %s\n", left, table[i].help);
  }
}

/* Numbers separated by commas. */
static int set_numbers(setun_numbers *numbers, const struct option *option, const char *value, setun_text *error) {
  numbers->size = 0;
  for (const char *at = value;; ++at) {
    char *end = NULL;
    errno = 0;
    long long number = strtoll(at, &end, 10);
    if (end == at || (*end && *end != ',') || errno || number < option->least || number > INT32_MAX)
      return setun_text_fail(error, "%s takes a whole number of at least %lld, not '%s'", option->name,
                             (long long)option->least, value);
    if (numbers->size == SETUN_MOST_NUMBERS)
      return setun_text_fail(error, "%s takes at most %d numbers", option->name, SETUN_MOST_NUMBERS);
    numbers->items[numbers->size++] = number;
    at = end;
    if (!*at)
      return 0;
  }
}

static int set_value(setun_command *command, const struct option *option, const char *value, setun_text *error) {
  void *field = (char *)command + option->field;
  char *end = NULL;
  errno = 0;
  switch (option->kind) {
  case FLAG:
    *(bool *)field = true;
    return 0;
  case TEXT:
    *(const char **)field = value;
    return 0;
  case TEXTS: {
    setun_texts *texts = field;
    const char **items = realloc(texts->items, (texts->size + 1) * sizeof *items);
    if (!items)
      return setun_text_fail(error, "out of memory");
    texts->items = items;
    texts->items[texts->size++] = value;
    return 0;
  }
  case NUMBERS:
    return set_numbers(field, option, value, error);
  case COUNT: {
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < option->least || number > INT32_MAX)
      return setun_text_fail(error, "%s takes a whole number of at least %lld, not '%s'", option->name,
                             (long long)option->least, value);
    *(int64_t *)field = number;
    return 0;
  }
  case SEED: {
    unsigned long long number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno)
      return setun_text_fail(error, "%s takes a whole number, not '%s'", option->name, value);
    *(uint64_t *)field = number;
    return command->seeded = true, 0;
  }
  case REAL:
  case SIGNED: {
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= (option->kind == REAL ? 0 : -1e9)))
      return setun_text_fail(error, "%s takes a number%s, not '%s'", option->name,
                             option->kind == REAL ? " of at least 0" : "", value);
    *(double *)field = number;
    return 0;
  }
  }
  return -1;
}

/* What the options ask for must be one thing, and whole. */
static int check_command(const setun_command *c, setun_text *error) {
  bool ids = c->tokens.size || c->tokens_file.size, prompt = c->prompt.size || c->prompt_file.size;
  bool text = prompt || c->chat || ids;
  bool arrays = c->inputs.size || c->output_dir;
  int modes = (text || c->load_state) + arrays + c->bench + c->info;
  if (modes > 1)
    return setun_text_fail(error, "--input and --output-dir, --tokens, --prompt and --chat, --bench and --info exclude "
                                  "one another");
  if (modes == 0)
    return setun_text_fail(error,
                           "nothing to do: give --input and --output-dir, --chat, --prompt, --tokens, --bench or "
                           "--info (see --help)");
  if (c->tokens.size && c->tokens_file.size)
    return setun_text_fail(error, "--tokens and --tokens-file exclude one another");
  if (c->prompt.size && c->prompt_file.size)
    return setun_text_fail(error, "--prompt and --prompt-file exclude one another");
  if (ids && (prompt || c->chat))
    return setun_text_fail(error, "--tokens excludes --prompt and --chat");
  size_t prompts = c->prompt.size + c->prompt_file.size + c->tokens.size + c->tokens_file.size;
  if (prompts > 1 && (c->chat || c->stream || c->logits || c->load_state || c->save_state))
    return setun_text_fail(error, "several prompts exclude --chat, --stream, --logits, --load-state and --save-state");
  if (c->system && !c->chat)
    return setun_text_fail(error, "--system needs --chat");
  if (c->system && c->load_state)
    return setun_text_fail(error, "--system and --load-state exclude one another: the state has its own messages");
  if (c->logits && c->chat)
    return setun_text_fail(error, "--logits goes with --tokens and --prompt");
  for (size_t i = 0; i < c->inputs.size; ++i)
    if (!strchr(c->inputs.items[i], '=') || c->inputs.items[i][0] == '=')
      return setun_text_fail(error, "--input takes NAME=FILE.npy, not '%s'", c->inputs.items[i]);
  if (c->context_full && strcmp(c->context_full, "stop") != 0 && strcmp(c->context_full, "shift") != 0)
    return setun_text_fail(error, "--context-full takes stop or shift, not '%s'", c->context_full);
  if (!c->bench && (c->count.size > 1 || c->threads.size > 1))
    return setun_text_fail(error, "%s takes several numbers with --bench alone",
                           c->count.size > 1 ? "-n" : "--threads");
  return 0;
}

static const struct option *find_option(const char *name, size_t length) {
  for (size_t o = 0; o < NUM_OPTIONS; ++o)
    for (int other = 0; other < 2; ++other) {
      const char *known = other ? table[o].other : table[o].name;
      if (known && strlen(known) == length && memcmp(known, name, length) == 0)
        return &table[o];
    }
  return NULL;
}

int setun_parse_command(setun_command *command, int argc, char **argv, setun_text *error) {
  memset(command, 0, sizeof *command);
  command->program = argc > 0 ? argv[0] : "model";
  if (strrchr(command->program, '/'))
    command->program = strrchr(command->program, '/') + 1;
  command->repetitions = command->chunk = command->context = command->keep = -1;
  setun_sampling *s = &command->sampling;
  s->temperature = s->top_p = s->min_p = s->repetition_penalty = -1;
  s->top_k = -1;
  for (int i = 1; i < argc; ++i) {
    const char *argument = argv[i], *equals = strchr(argument, '=');
    const struct option *option = find_option(argument, equals ? (size_t)(equals - argument) : strlen(argument));
    if (!option)
      return setun_text_fail(error, "unknown option '%s' (see --help)", argument);
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == FLAG && value)
      return setun_text_fail(error, "%s takes no value", option->name);
    if (option->kind != FLAG && !value && !(value = argv[++i]))
      return setun_text_fail(error, "%s needs a value: %s", option->name, option->operand);
    if (set_value(command, option, value, error))
      return -1;
  }
  return command->help ? 0 : check_command(command, error);
}

void setun_command_free(setun_command *command) {
  setun_texts *prompts[] = {&command->prompt, &command->prompt_file, &command->tokens, &command->tokens_file};
  for (size_t i = 0; i < sizeof prompts / sizeof *prompts; ++i)
    free(prompts[i]->items);
  free(command->inputs.items);
  free(command->stop.items);
  free(command->logit_bias.items);
}
