/*===- Main.h - What the program's files share -------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_MAIN_INTERNAL_H
#define SETUN_RT_MAIN_INTERNAL_H

#include "setun-rt/language.h"
#include "setun-rt/main.h"
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Messages of one line. Functions that can fail return 0, or -1 with the message written. */
typedef struct setun_text {
  char text[1024];
} setun_text;
int setun_text_fail(setun_text *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*===-- options.c ---------------------------------------------------------===*/

/* Texts of an option that may be given several times. */
typedef struct setun_texts {
  const char **items;
  size_t size;
} setun_texts;

/* Whole numbers, separated by commas. */
enum { SETUN_MOST_NUMBERS = 32 };
typedef struct setun_numbers {
  int64_t items[SETUN_MOST_NUMBERS];
  size_t size; /* 0: not given */
} setun_numbers;

typedef struct setun_command {
  const char *program; /* the name that messages begin with */
  setun_texts inputs;  /* NAME=FILE.npy each */
  setun_texts stop, logit_bias;
  setun_texts prompt, prompt_file, tokens, tokens_file; /* at most one of these, of several items maybe */
  const char *output_dir, *logits, *stop_tokens, *target, *device, *weights;
  const char *system, *load_state, *save_state, *context_full;
  setun_numbers count, prompts, threads;     /* -n, -p, -t */
  int64_t repetitions, chunk, context, keep; /* -1: not given */
  setun_sampling sampling;                   /* what is not below 0 */
  bool seeded;
  bool chat, parse_special, stream, bench, json, info, help, pin;
} setun_command;
int setun_parse_command(setun_command *command, int argc, char **argv, setun_text *error);
void setun_command_free(setun_command *command);
void setun_print_help(const char *program);

/*===-- read.c ------------------------------------------------------------===*/

/* A list of numbers, separated by commas or white space. The caller frees *ids. */
int setun_parse_ids(const char *text, const char *what, int64_t **ids, size_t *count, setun_text *error);
/* The same from a file ("-": standard input). */
int setun_read_ids(const char *path, int64_t **ids, size_t *count, setun_text *error);
/* All of a file ("-": standard input), with a 0 behind it. The caller frees *text. */
int setun_read_text(const char *path, char **text, size_t *size, setun_text *error);

/*===-- npy_read.c, npy_write.c ---------------------------------------===*/

#define SETUN_NPY_MAX_RANK 32
typedef struct setun_array {
  setun_dtype dtype;
  uint32_t rank;
  int64_t dims[SETUN_NPY_MAX_RANK];
  void *data; /* aligned to SETUN_ALIGNMENT; to be freed */
} setun_array;
/* NumPy's name of a type; of bf16, which it has not, that of f32. */
const char *setun_npy_descr(setun_dtype dtype);
int setun_npy_read(const char *path, setun_array *array, setun_text *error);

/* A .npy file in the making: written beside its final name, which it gets when all is well. */
typedef struct setun_npy_file {
  FILE *file;
  char *temporary, *path;
  bool made; /* the temporary file stands */
} setun_npy_file;
int setun_npy_create(setun_npy_file *npy, const char *path, setun_text *error);
/* Writes `count` elements; bf16 becomes f32. */
int setun_npy_append(setun_npy_file *npy, setun_dtype dtype, const void *data, int64_t count, setun_text *error);
/* Writes the header; the file is then whole but has no name yet. */
int setun_npy_finish(setun_npy_file *npy, setun_dtype dtype, const int64_t *dims, uint32_t rank, setun_text *error);
int setun_npy_commit(setun_npy_file *npy, setun_text *error);
/* Frees all; what was not committed is deleted. */
void setun_npy_close(setun_npy_file *npy);

/*===-- talk.c ------------------------------------------------------------===*/

/* A language model, and how tokens are drawn from it as the command line says. */
typedef struct setun_talk {
  setun_lm *lm;
  setun_sampler *sampler;
  setun_sampling sampling; /* the sampler's */
  setun_generation generation;
  setun_bias *biases;
  int64_t *stop_tokens;
} setun_talk;
int setun_talk_open(setun_talk *talk, const setun_command *command, setun_program *program, setun_text *error);
void setun_talk_close(setun_talk *talk);
/* Draws go on where they stood when the state was saved, unless there is a --seed. */
void setun_talk_resume(setun_talk *talk, const setun_command *command);
/* The ids of a text; special tokens written in it are text unless --parse-special. `begin`: with what the tokenizer
 * puts around texts (BOS). The caller frees *ids. */
int setun_talk_encode(const setun_talk *talk, const setun_command *command, const char *text, size_t size, bool begin,
                      int64_t **ids, size_t *count, setun_text *error);

/* What an answer gave, and how long it took. */
typedef struct setun_answer {
  char *text; /* ends with 0 */
  size_t size, text_reserved;
  int64_t *ids;
  size_t count, ids_reserved, prompt;
  double prompt_seconds, seconds;
  setun_finish finish;
  /* Sees each token before it is kept; may be NULL. Not 0: end here. */
  setun_on_token on_token;
  void *user;
} setun_answer;
/* Takes the prompt in pieces, between which `interrupted` (may be NULL) is looked at, then generates. */
int setun_talk_answer(setun_talk *talk, const setun_command *command, const int64_t *prompt, size_t count,
                      const volatile sig_atomic_t *interrupted, setun_answer *answer, setun_text *error);
/* A setun_on_token that keeps what comes in its setun_answer. */
int setun_answer_keep(void *answer, int64_t id, const char *text, size_t size);
/* One JSON object, on one line. `context`: tokens that it took of it. */
void setun_answer_print(const setun_answer *answer, const setun_lm *lm, int64_t context);
void setun_answer_free(setun_answer *answer);

/*===-- edit.c ------------------------------------------------------------===*/

typedef enum setun_edited { SETUN_EDITED_LINE, SETUN_EDITED_INTERRUPT, SETUN_EDITED_END } setun_edited;
typedef struct setun_editor setun_editor;
/* A line editor on the terminal that standard input and output are; closing it leaves the terminal as it was. */
setun_editor *setun_editor_open(void);
void setun_editor_close(setun_editor *editor);
/* Reads a line, which is valid until the next call. */
setun_edited setun_editor_read(setun_editor *editor, const char *prompt, const char **line);

/*===-- conversation.c ----------------------------------------------------===*/

/* What was said. The contents are owned. */
typedef struct setun_conversation {
  setun_chat_message *messages;
  size_t count;
} setun_conversation;
int setun_conversation_add(setun_conversation *conversation, const char *role, const char *content, setun_text *error);
/* Drops messages from `first` on, `count` of them. */
void setun_conversation_drop(setun_conversation *conversation, size_t first, size_t count);
/* The conversation as bytes that setun_conversation_read takes. The caller frees *bytes. */
int setun_conversation_write(const setun_conversation *conversation, char **bytes, size_t *size, setun_text *error);
int setun_conversation_read(setun_conversation *conversation, const char *bytes, size_t size, setun_text *error);

/*===-- print.c -----------------------------------------------------------===*/

/* A string as JSON has it. */
void setun_print_string(const char *text, size_t size);
double setun_now(void); /* in seconds */

/*===-- The commands, one file each ---------------------------------------===*/

int setun_command_run(const setun_command *command, setun_program *program, setun_text *error);
int setun_command_generate(const setun_command *command, setun_program *program, setun_text *error);
/* The ids of the command's prompt number `index`, of which there are `setun_count_prompts`. The caller frees *ids. */
size_t setun_count_prompts(const setun_command *command);
int setun_read_prompt(const setun_command *command, const setun_talk *talk, size_t index, int64_t **ids, size_t *count,
                      setun_text *error);
/* Several prompts, or a model of batches. */
int setun_command_answers(const setun_command *command, setun_talk *talk, setun_text *error);
int setun_command_chat(const setun_command *command, setun_program *program, setun_text *error);
/* Opens the program itself: once for each number of threads. */
int setun_command_bench(const setun_command *command, const setun_model_desc *model, setun_text *error);
setun_program *setun_command_open(const setun_command *command, const setun_model_desc *model, int64_t threads,
                                  setun_text *error);
int setun_command_info(const setun_command *command, setun_program *program, setun_text *error);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_MAIN_INTERNAL_H */
