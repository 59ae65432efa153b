/*===- Language.h - The inside of setun_lm -----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_TEXT_LANGUAGE_INTERNAL_H
#define SETUN_RT_TEXT_LANGUAGE_INTERNAL_H

#include "setun-rt/language.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct setun_lm {
  setun_program *program;
  setun_session *session;
  setun_tokenizer *tokenizer;
  setun_info ids, logits;
  bool carries;         /* keeps its past in states; else every run takes the whole text */
  int64_t fixed_length; /* tokens a run takes, or -1 for any number */
  int64_t batch;        /* sequences a run takes; counts of tokens are those of each */
  int64_t vocabulary;   /* 0 until known */
  int64_t chunk;        /* tokens a run of a model with states takes at most */
  int64_t *tokens;      /* all so far, [reserved, batch]: */
  int64_t taken;        /* these have been run, */
  int64_t length;       /* the last ones wait for the next call */
  int64_t reserved;
  void **filled; /* what was made for each input */
  float *rows;   /* logits of a run, as f32, where the session's own will not do */
  int64_t rows_size;
  int64_t logits_each;       /* rows of logits that the last run made for each sequence */
  const float *last;         /* logits after the last token that was taken, [batch, vocabulary], or NULL */
  bool unread;               /* they are in the session still: on a device, maybe */
  setun_sampler_place place; /* of the sampler that made the token before `generated`; all 0: there is none */
  int64_t generated;         /* the length behind the last generation */
  bool resumed;              /* the next generation goes on with its penalties */
  void *note;
  size_t note_size;
  setun_on_logits on_logits;
  void *user;
  char error[1024];
};

/* Writes the message and returns -1. */
int setun_lm_fail(setun_lm *lm, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fails where a token is not in the vocabulary. */
int setun_lm_check_token(setun_lm *lm, int64_t id);
/* Takes the tokens that wait. */
int setun_lm_take(setun_lm *lm);
/* Reads the logits after the last token, if there are any. */
int setun_lm_read(setun_lm *lm);
/* Room for `length` tokens. */
int setun_lm_reserve(setun_lm *lm, int64_t length);

/*===-- inputs.c ----------------------------------------------------------===*/

/* Finds the ids and the logits among inputs and outputs. */
int setun_lm_find(setun_lm *lm);
/* Makes all inputs for a run on the tokens [past, past + count), of which the last `fresh` are new. */
int setun_lm_fill(setun_lm *lm, int64_t past, int64_t count, int64_t fresh);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_LANGUAGE_INTERNAL_H */
