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

typedef enum kind { FLAG, TEXT, COUNT, REAL, SEED, INPUT } kind;

#define FIELD(name) offsetof(setun_command, name)
static const struct option {
  const char *name;
  kind kind;
  size_t field;
  int64_t least; /* of a COUNT */
  const char *operand, *help;
} table[] = {
    {"--input", INPUT, 0, 0, "NAME=FILE.npy", "an input, or a state to start from (once for each)"},
    {"--output-dir", TEXT, FIELD(output_dir), 0, "DIR",
     "where each output goes as NAME.npy ('/' in a name becomes '_')"},
    {"--tokens", TEXT, FIELD(tokens), 0, "1,2,3", "generate: the prompt, as token ids"},
    {"--tokens-file", TEXT, FIELD(tokens_file), 0, "FILE", "generate: the prompt from a file ('-': standard input)"},
    {"-n", COUNT, FIELD(count), 0, "N", "tokens to generate (100); with --bench, to decode (64)"},
    {"--stop", TEXT, FIELD(stop), 0, "ID,...", "stop after one of these tokens"},
    {"--stream", FLAG, FIELD(stream), 0, NULL, "print each token as it comes, one a line"},
    {"--logits", TEXT, FIELD(logits), 0, "FILE.npy", "also save the logits of all tokens"},
    {"--chunk", COUNT, FIELD(chunk), 1, "N", "take the prompt in runs of N tokens (512; the result is the same)"},
    {"--temperature", REAL, FIELD(sampling.temperature), 0, "T",
     "0 (the default) takes the likeliest token; else draw"},
    {"--top-k", COUNT, FIELD(sampling.top_k), 0, "K", "draw among the K likeliest (0: all)"},
    {"--top-p", REAL, FIELD(sampling.top_p), 0, "P", "draw among the fewest that have P of the probability"},
    {"--min-p", REAL, FIELD(sampling.min_p), 0, "P", "draw among those at least P times as likely as the likeliest"},
    {"--repetition-penalty", REAL, FIELD(sampling.repetition_penalty), 0, "R",
     "make tokens of the text less likely (1: no)"},
    {"--seed", SEED, FIELD(sampling.seed), 0, "N", "of the draws (0)"},
    {"--bench", FLAG, FIELD(bench), 0, NULL, "measure tokens a second"},
    {"-p", COUNT, FIELD(prompt), 1, "N", "bench: tokens of the prompt (128)"},
    {"-r", COUNT, FIELD(repetitions), 1, "N", "bench: repetitions, of which the median is told (5)"},
    {"--json", FLAG, FIELD(json), 0, NULL, "bench, info: print JSON"},
    {"--info", FLAG, FIELD(info), 0, NULL, "print inputs, states, outputs and levels"},
    {"--threads", COUNT, FIELD(threads), 1, "N", "threads (SETUN_THREADS, else one a processor)"},
    {"--pin", FLAG, FIELD(pin), 0, NULL, "keep each thread on one processor"},
    {"--context", COUNT, FIELD(context), 1, "N", "tokens the states can hold"},
    {"--target", TEXT, FIELD(target), 0, "LEVEL", "the code to run (SETUN_TARGET, else the best for this processor)"},
    {"--weights", TEXT, FIELD(weights), 0, "FILE", "the weights file, if it is not beside the model"},
    {"--help", FLAG, FIELD(help), 0, NULL, "this text"},
};
#define NUM_OPTIONS (sizeof table / sizeof *table)

void setun_print_help(const char *program) {
  printf("%s: a compiled Setun model.\n\n"
         "Run it once on arrays, one .npy file for each output:\n"
         "  %s --input x=x.npy --output-dir out\n"
         "Generate text, in token ids (of a language model):\n"
         "  %s --tokens 1,5,17 -n 50 --temperature 0.8 --top-p 0.9 --seed 7\n"
         "See what it takes and gives, and how fast it is:\n"
         "  %s --info\n"
         "  %s --bench -p 128 -n 64\n\nOptions:\n",
         program, program, program, program, program);
  for (size_t i = 0; i < NUM_OPTIONS; ++i) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", table[i].name, table[i].operand ? " " : "",
             table[i].operand ? table[i].operand : "");
    printf("  %-26s %s\n", left, table[i].help);
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
  case INPUT:
    if (!strchr(value, '=') || *value == '=')
      return setun_text_fail(error, "--input takes NAME=FILE.npy, not '%s'", value);
    command->inputs[command->num_inputs++] = value;
    return 0;
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
    return 0;
  }
  case REAL: {
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= 0))
      return setun_text_fail(error, "%s takes a number of at least 0, not '%s'", option->name, value);
    *(double *)field = number;
    return 0;
  }
  }
  return -1;
}

int setun_parse_command(setun_command *command, int argc, char **argv, setun_text *error) {
  memset(command, 0, sizeof *command);
  command->program = argc > 0 ? argv[0] : "model";
  if (strrchr(command->program, '/'))
    command->program = strrchr(command->program, '/') + 1;
  command->prompt = command->count = command->repetitions = command->chunk = command->threads = command->context = -1;
  command->inputs = calloc((size_t)argc + 1, sizeof *command->inputs);
  if (!command->inputs)
    return setun_text_fail(error, "out of memory");
  for (int i = 1; i < argc; ++i) {
    const char *argument = argv[i], *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    const struct option *option = NULL;
    for (size_t o = 0; o < NUM_OPTIONS; ++o)
      if (strlen(table[o].name) == length && memcmp(table[o].name, argument, length) == 0)
        option = &table[o];
    if (strcmp(argument, "-h") == 0)
      option = &table[NUM_OPTIONS - 1];
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
  bool text = command->tokens || command->tokens_file;
  int modes = text + (command->num_inputs || command->output_dir) + command->bench + command->info;
  if (modes > 1 && !command->help)
    return setun_text_fail(error, "--input and --output-dir, --tokens, --bench and --info exclude one another");
  if (modes == 0 && !command->help)
    return setun_text_fail(error,
                           "nothing to do: give --input and --output-dir, --tokens, --bench or --info (see --help)");
  if (command->tokens && command->tokens_file)
    return setun_text_fail(error, "--tokens and --tokens-file exclude one another");
  return 0;
}

int setun_parse_ids(const char *text, const char *what, int64_t **ids, size_t *count, setun_text *error) {
  *count = 0;
  *ids = malloc((strlen(text) / 2 + 1) * sizeof **ids);
  if (!*ids)
    return setun_text_fail(error, "out of memory");
  const char *at = text;
  for (;;) {
    at += strspn(at, ", \t\r\n");
    if (!*at)
      return *count ? 0 : setun_text_fail(error, "%s holds no token ids", what);
    char *end;
    errno = 0;
    long long id = strtoll(at, &end, 10);
    if (*at < '0' || *at > '9' || errno || (*end && !strchr(", \t\r\n", *end)))
      return setun_text_fail(error, "%s: '%.20s' is not a token id", what, at);
    (*ids)[(*count)++] = id;
    at = end;
  }
}

int setun_read_ids(const char *path, int64_t **ids, size_t *count, setun_text *error) {
  bool standard = strcmp(path, "-") == 0;
  FILE *file = standard ? stdin : fopen(path, "re");
  if (!file)
    return setun_text_fail(error, "cannot open '%s': %m", path);
  char *text = NULL;
  size_t size = 0;
  ssize_t length = getdelim(&text, &size, 0, file);
  int failed = ferror(file) ? setun_text_fail(error, "cannot read '%s': %m", path)
                            : setun_parse_ids(length > 0 ? text : "", path, ids, count, error);
  free(text);
  if (!standard)
    fclose(file);
  return failed;
}
