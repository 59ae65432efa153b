/*===- bench.c - Tokens a second -----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *sorted, int64_t count) {
  return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* One repetition: tokens a second of a prompt taken whole, then of tokens one by one. */
static int measure(setun_language *lm, const int64_t *ids, int64_t prompt, int64_t count, double *prefill,
                   double *decode, setun_text *error) {
  setun_language_reset(lm);
  double start = now();
  if (setun_language_extend(lm, ids, prompt, error))
    return -1;
  double middle = now();
  for (int64_t i = 0; i < count; ++i)
    if (setun_language_extend(lm, ids + prompt + i, 1, error))
      return -1;
  double end = now();
  *prefill = (double)prompt / (middle - start);
  *decode = count ? (double)count / (end - middle) : 0;
  return 0;
}

static void print_row(const setun_command *command, setun_program *program, char letter, int64_t tokens,
                      const double *rates, int64_t repetitions) {
  const char *name = setun_describe(program)->name;
  printf("| %-24.24s | %-11.11s | %7d | %c%-6lld | %10.2f | %10.2f .. %-10.2f |\n", name ? name : command->program,
         setun_level_name(program), setun_threads(program), letter, (long long)tokens, median(rates, repetitions),
         rates[0], rates[repetitions - 1]);
}

static void print_json(const char *name, int64_t tokens, const double *rates, int64_t repetitions) {
  printf(", \"%s\": {\"tokens\": %lld, \"tokens_per_second\": {\"median\": %.3f, \"min\": %.3f, \"max\": %.3f}}", name,
         (long long)tokens, median(rates, repetitions), rates[0], rates[repetitions - 1]);
}

static void report(const setun_command *command, setun_program *program, int64_t prompt, int64_t count, double *prefill,
                   double *decode, int64_t repetitions) {
  qsort(prefill, (size_t)repetitions, sizeof *prefill, ascending);
  qsort(decode, (size_t)repetitions, sizeof *decode, ascending);
  if (command->json) {
    printf("{\"model\": \"%s\", \"level\": \"%s\", \"threads\": %d, \"repetitions\": %lld", command->program,
           setun_level_name(program), setun_threads(program), (long long)repetitions);
    print_json("prefill", prompt, prefill, repetitions);
    if (count)
      print_json("decode", count, decode, repetitions);
    printf("}\n");
    return;
  }
  printf("| model                    | level       | threads | test    | tokens/s   | slowest .. fastest       |\n"
         "|--------------------------|-------------|---------|---------|------------|--------------------------|\n");
  print_row(command, program, 'p', prompt, prefill, repetitions);
  if (count)
    print_row(command, program, 'n', count, decode, repetitions);
}

int setun_command_bench(const setun_command *command, setun_program *program, setun_text *error) {
  int64_t prompt = command->prompt > 0 ? command->prompt : 128, count = command->count >= 0 ? command->count : 64;
  int64_t repetitions = command->repetitions > 0 ? command->repetitions : 5;
  setun_language lm = {0};
  int64_t *ids = malloc((size_t)(prompt + count) * sizeof *ids);
  double *prefill = calloc((size_t)repetitions, sizeof *prefill), *decode = calloc((size_t)repetitions, sizeof *decode);
  int failed = ids && prefill && decode ? setun_language_open(&lm, program, command->context, error)
                                        : setun_text_fail(error, "out of memory");
  if (!failed && setun_language_room(&lm) < prompt + count)
    failed = setun_text_fail(error, "a bench of %lld tokens needs --context %lld or fewer tokens (-p, -n)",
                             (long long)(prompt + count), (long long)(prompt + count));
  /* Token ids do not change the work: any will do that every vocabulary has. */
  int64_t words = lm.vocabulary > 0 ? lm.vocabulary : 2;
  for (int64_t i = 0; !failed && i < prompt + count; ++i)
    ids[i] = (i * 7919 + 1) % words;
  lm.chunk = command->chunk > 0 ? command->chunk : 0;
  /* The first repetition warms up and does not count. */
  for (int64_t r = -1; !failed && r < repetitions; ++r)
    failed = measure(&lm, ids, prompt, count, &prefill[r < 0 ? 0 : r], &decode[r < 0 ? 0 : r], error);
  if (!failed)
    report(command, program, prompt, count, prefill, decode, repetitions);
  setun_language_close(&lm);
  free(ids);
  free(prefill);
  free(decode);
  return failed;
}
