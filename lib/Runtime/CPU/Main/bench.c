/*===- bench.c - Tokens a second ---------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* As llama-bench has it: ppN takes a prompt of N tokens at once, tgN takes N tokens one by one, each from an empty
 * context, and a first run of each that does not count. Of a model of batches each sequence takes them, and the rates
 * count the tokens of all, as llama-batched-bench has it. */

#include "Main.h"
#include <stdlib.h>
#include <string.h>

typedef struct result {
  char letter; /* 'p' or 't' */
  int64_t tokens, repetitions;
  double *rates; /* tokens a second, ascending; as measured in `samples` */
  double *samples;
} result;

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const result *r) {
  int64_t n = r->repetitions;
  return n % 2 ? r->rates[n / 2] : (r->rates[n / 2 - 1] + r->rates[n / 2]) / 2;
}

static double mean(const result *r) {
  double sum = 0;
  for (int64_t i = 0; i < r->repetitions; ++i)
    sum += r->samples[i];
  return sum / (double)r->repetitions;
}

/* The standard deviation of the samples. */
static double deviation(const result *r) {
  double middle = mean(r), sum = 0;
  for (int64_t i = 0; i < r->repetitions; ++i)
    sum += (r->samples[i] - middle) * (r->samples[i] - middle);
  return r->repetitions > 1 ? __builtin_sqrt(sum / (double)(r->repetitions - 1)) : 0;
}

static int run_once(setun_lm *lm, const int64_t *ids, const result *r, double *rate) {
  if (setun_lm_truncate(lm, 0))
    return -1;
  double start = setun_now();
  int64_t step = r->letter == 'p' ? r->tokens : 1;
  for (int64_t i = 0; i < r->tokens; i += step)
    if (setun_lm_extend(lm, ids + i * setun_lm_batch(lm), step))
      return -1;
  *rate = (double)(r->tokens * setun_lm_batch(lm)) / (setun_now() - start);
  return 0;
}

static int measure(setun_lm *lm, const int64_t *ids, result *r, setun_text *error) {
  for (int64_t i = -1; i < r->repetitions; ++i)
    if (run_once(lm, ids, r, &r->samples[i < 0 ? 0 : i]))
      return setun_text_fail(error, "%s", setun_lm_error(lm));
  for (int64_t i = 0; i < r->repetitions; ++i)
    r->rates[i] = r->samples[i];
  qsort(r->rates, (size_t)r->repetitions, sizeof *r->rates, ascending);
  return 0;
}

/* "1.71 GiB", "8.03 B": in the largest unit of which there is one. */
static void format_size(char text[32], uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = bytes >= 1ull << 40 ? 4 : bytes >= 1u << 30 ? 3 : bytes >= 1u << 20 ? 2 : 1;
  snprintf(text, 32, "%.2f %s", (double)bytes / (double)(1ull << 10 * unit), units[unit]);
}
static void format_count(char text[32], uint64_t count) {
  double n = (double)count;
  if (count >= 1000000000)
    snprintf(text, 32, "%.2f B", n / 1e9);
  else
    snprintf(text, 32, count >= 1000000 ? "%.2f M" : "%.2f K", count >= 1000000 ? n / 1e6 : n / 1e3);
}

/* Models of one sequence, which most are, have no column for that. */
static void print_head(int64_t batch) {
  printf(
      "| model                    |       size |    params | backend          | threads | %s    test |                 "
      "  t/s |\n"
      "| ------------------------ | ---------: | --------: | ---------------- | ------: | %s-------: | "
      "--------------------: |\n",
      batch > 1 ? "batch | " : "", batch > 1 ? "----: | " : "");
}

static void print_row(const setun_command *command, setun_program *program, int64_t batch, const result *r) {
  const setun_model_desc *model = setun_describe(program);
  char size[32], params[32], sequences[32] = "", test[32];
  format_size(size, model->weights_size);
  format_count(params, model->parameters);
  snprintf(test, sizeof test, "%s%lld", r->letter == 'p' ? "pp" : "tg", (long long)r->tokens);
  if (batch > 1)
    snprintf(sequences, sizeof sequences, "%5lld | ", (long long)batch);
  printf("| %-24.24s | %10s | %9s | %-16.16s | %7d | %s%8s | %10.2f ± %-8.2f |\n",
         model->name ? model->name : command->program, size, params, setun_level_name(program), setun_threads(program),
         sequences, test, median(r), deviation(r));
}

static void print_json(const setun_command *command, setun_program *program, int64_t batch, const result *r,
                       bool first) {
  const setun_model_desc *model = setun_describe(program);
  const char *name = model->name ? model->name : command->program;
  printf("%s\n  {\"model\": ", first ? "[" : ",");
  setun_print_string(name, strlen(name));
  printf(", \"size\": %llu, \"params\": %llu, \"backend\": \"%s\", \"threads\": %d, \"batch\": %lld, \"test\": "
         "\"%s%lld\", \"tokens\": "
         "%lld, "
         "\"repetitions\": %lld, \"median\": %.3f, \"mean\": %.3f, \"deviation\": %.3f, \"min\": %.3f, \"max\": %.3f, "
         "\"samples\": [",
         (unsigned long long)model->weights_size, (unsigned long long)model->parameters, setun_level_name(program),
         setun_threads(program), (long long)batch, r->letter == 'p' ? "pp" : "tg", (long long)r->tokens,
         (long long)r->tokens, (long long)r->repetitions, median(r), mean(r), deviation(r), r->rates[0],
         r->rates[r->repetitions - 1]);
  for (int64_t i = 0; i < r->repetitions; ++i)
    printf("%s%.3f", i ? ", " : "", r->samples[i]);
  printf("]}");
}

/* All tests with one number of threads. `rows`: results printed so far. */
static int bench(const setun_command *command, setun_program *program, const result *tests, size_t count, int64_t *rows,
                 setun_text *error) {
  setun_lm_options options = {command->context > 0 ? command->context : 0, command->chunk > 0 ? command->chunk : 0};
  setun_lm *lm = setun_lm_open(program, &options, error->text, sizeof error->text);
  if (!lm)
    return -1;
  int failed = 0;
  for (size_t i = 0; !failed && i < count; ++i) {
    result r = tests[i];
    if (setun_lm_truncate(lm, 0) || setun_lm_room(lm) < r.tokens) {
      failed = setun_text_fail(error, "a bench of %lld tokens needs --context %lld or fewer tokens (-p, -n)",
                               (long long)r.tokens, (long long)r.tokens);
      break;
    }
    /* Token ids do not change the work: any will do that every vocabulary has. */
    int64_t count = r.tokens * setun_lm_batch(lm), words = setun_lm_vocabulary(lm);
    int64_t *ids = malloc((size_t)count * sizeof *ids);
    for (int64_t t = 0; ids && t < count; ++t)
      ids[t] = (t * 7919 + 1) % (words > 0 ? words : 2);
    failed = ids ? measure(lm, ids, &r, error) : setun_text_fail(error, "out of memory");
    free(ids);
    if (failed)
      break;
    if (command->json)
      print_json(command, program, setun_lm_batch(lm), &r, *rows == 0);
    else if (*rows == 0)
      print_head(setun_lm_batch(lm));
    if (!command->json)
      print_row(command, program, setun_lm_batch(lm), &r);
    fflush(stdout);
    ++*rows;
  }
  setun_lm_close(lm);
  return failed;
}

int setun_command_bench(const setun_command *command, const setun_model_desc *model, setun_text *error) {
  static const setun_numbers prompts = {{512}, 1}, counts = {{128}, 1}, threads = {{0}, 1};
  const setun_numbers *p = command->prompts.size ? &command->prompts : &prompts;
  const setun_numbers *n = command->count.size ? &command->count : &counts;
  const setun_numbers *t = command->threads.size ? &command->threads : &threads;
  int64_t repetitions = command->repetitions > 0 ? command->repetitions : 5;
  double *numbers = calloc(2 * (size_t)repetitions, sizeof *numbers);
  if (!numbers)
    return setun_text_fail(error, "out of memory");
  result tests[2 * SETUN_MOST_NUMBERS];
  size_t count = 0;
  for (size_t i = 0; i < p->size + n->size; ++i) {
    bool prompt = i < p->size;
    int64_t tokens = prompt ? p->items[i] : n->items[i - p->size];
    if (tokens > 0) /* 0: no such test */
      tests[count++] = (result){prompt ? 'p' : 't', tokens, repetitions, numbers, numbers + repetitions};
  }
  int64_t rows = 0;
  int failed = count ? 0 : setun_text_fail(error, "nothing to measure: -p and -n are 0");
  for (size_t i = 0; !failed && i < t->size; ++i) {
    setun_program *program = setun_command_open(command, model, t->items[i], error);
    failed = program ? bench(command, program, tests, count, &rows, error) : -1;
    setun_close(program);
  }
  if (command->json && !failed)
    printf("\n]\n");
  free(numbers);
  return failed;
}
