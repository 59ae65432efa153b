/*===- command.c - The program -------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <stdarg.h>
#include <unistd.h>

int setun_text_fail(setun_text *error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  return -1;
}

/* One line on a terminal, for weights that take long; gone at the end. */
static void show_progress(void *user, uint64_t done, uint64_t total) {
  const setun_command *command = user;
  if (total < (uint64_t)1 << 28 || !isatty(STDERR_FILENO))
    return;
  if (done < total)
    fprintf(stderr, "\r%s: weights to the device: %llu %%", command->program, (unsigned long long)(100 * done / total));
  else
    fprintf(stderr, "\r\x1b[K");
}

setun_program *setun_command_open(const setun_command *command, const setun_model_desc *model, int64_t threads,
                                  setun_text *error) {
  setun_options options = {.threads = (int32_t)threads,
                           .pin_threads = command->pin,
                           .weights = command->weights,
                           .target = command->target,
                           .device = command->device,
                           .progress = show_progress,
                           .progress_user = (void *)command};
  return setun_open_linked(model, &options, error->text, sizeof error->text);
}

static int run(const setun_command *command, const setun_model_desc *model, setun_text *error) {
  if (command->bench)
    return setun_command_bench(command, model, error);
  setun_program *program =
      setun_command_open(command, model, command->threads.size ? command->threads.items[0] : 0, error);
  if (!program)
    return -1;
  int failed;
  if (command->info)
    failed = setun_command_info(command, program, error);
  else if (command->chat)
    failed = setun_command_chat(command, program, error);
  else if (command->inputs.size || command->output_dir)
    failed = setun_command_run(command, program, error);
  else
    failed = setun_command_generate(command, program, error);
  setun_close(program);
  return failed;
}

int setun_main(const setun_model_desc *model, int argc, char **argv) {
  setun_command command;
  setun_text error = {""};
  int failed = setun_parse_command(&command, argc, argv, &error);
  if (!failed && command.help)
    setun_print_help(command.program);
  else if (!failed)
    failed = run(&command, model, &error);
  if (fflush(stdout) && !failed)
    failed = setun_text_fail(&error, "cannot write to standard output");
  if (failed)
    fprintf(stderr, "%s: error: %s\n", command.program, error.text);
  setun_command_free(&command);
  return failed ? 1 : 0;
}
