/*===- Main.h - What the program's files share -------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_MAIN_INTERNAL_H
#define SETUN_RT_MAIN_INTERNAL_H

#include "setun-rt/main.h"
#include "setun-rt/sample.h"
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

typedef struct setun_command {
  const char *program; /* the name that messages begin with */
  const char **inputs; /* NAME=FILE.npy each */
  size_t num_inputs;
  const char *output_dir, *tokens, *tokens_file, *logits, *stop, *target, *weights;
  int64_t prompt, count, repetitions, chunk, threads, context; /* -1: not given */
  setun_sampling sampling;
  bool stream, bench, json, info, help, pin;
} setun_command;
int setun_parse_command(setun_command *command, int argc, char **argv, setun_text *error);
void setun_print_help(const char *program);
/* A list of numbers, separated by commas or white space. The caller frees *ids. */
int setun_parse_ids(const char *text, const char *what, int64_t **ids, size_t *count, setun_text *error);
/* The same from a file ("-": standard input). */
int setun_read_ids(const char *path, int64_t **ids, size_t *count, setun_text *error);

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

/*===-- half.c ------------------------------------------------------------===*/

uint16_t setun_f32_to_f16(float value);
uint16_t setun_f32_to_bf16(float value);
float setun_f16_to_f32(uint16_t bits);
float setun_bf16_to_f32(uint16_t bits);
/* Elements of a float type as f32; false when the type is none. */
bool setun_widen(setun_dtype dtype, const void *data, int64_t count, float *out);

/*===-- language.c --------------------------------------------------------===*/

/* A model seen as a language model: token ids in, logits out. */
typedef struct setun_language {
  setun_program *program;
  setun_session *session;
  setun_info ids, logits;
  bool grows;           /* keeps its past in states; else every run takes the whole text */
  int64_t fixed_length; /* tokens a run takes, or -1 for any number */
  int64_t vocabulary;   /* -1 until known */
  int64_t chunk;        /* tokens a run of a growing model takes at most; 0: 512 */
  int64_t *text;        /* all tokens so far */
  int64_t length, room;
  void **filled; /* what was made for each input */
  float *rows;   /* logits of a run, as f32 */
  int64_t rows_size;
  const float *last; /* logits after the last token */
  /* Gets the logits of new tokens, in order. May be NULL. */
  int (*on_rows)(void *context, const float *rows, int64_t count, int64_t vocabulary, setun_text *error);
  void *context;
} setun_language;
int setun_language_open(setun_language *language, setun_program *program, int64_t context, setun_text *error);
int setun_language_extend(setun_language *language, const int64_t *ids, int64_t count, setun_text *error);
/* How many more tokens fit; INT64_MAX when there is no limit. */
int64_t setun_language_room(const setun_language *language);
void setun_language_reset(setun_language *language);
void setun_language_close(setun_language *language);

/*===-- The commands, one file each ---------------------------------------===*/

int setun_command_run(const setun_command *command, setun_program *program, setun_text *error);
int setun_command_generate(const setun_command *command, setun_program *program, setun_text *error);
int setun_command_bench(const setun_command *command, setun_program *program, setun_text *error);
int setun_command_info(const setun_command *command, setun_program *program, setun_text *error);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_MAIN_INTERNAL_H */
