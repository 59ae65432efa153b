/*===- language.h - Language models -------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A compiled model as a language model: tokens in, logits out, text by the model's tokenizer where it has one. Part of
 * libsetun_rt_text. Functions that can fail return 0, or -1 with a message of one line (setun_lm_error). */

#ifndef SETUN_RT_LANGUAGE_H
#define SETUN_RT_LANGUAGE_H

#include "setun-rt/sample.h"
#include "setun-rt/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct setun_lm setun_lm;

/* All zero means all defaults. */
typedef struct setun_lm_options {
  int64_t context; /* tokens that the model's states hold; 0: as it was compiled for */
  int64_t chunk;   /* tokens a run takes at most; 0: 512. Results do not depend on it */
} setun_lm_options;

/* The program must stay open. NULL after a message. */
SETUN_API setun_lm *setun_lm_open(setun_program *program, const setun_lm_options *options, char *error,
                                  size_t error_size);
SETUN_API void setun_lm_close(setun_lm *lm);
/* Why the last call failed. Valid until the next call. */
SETUN_API const char *setun_lm_error(const setun_lm *lm);
/* Sequences that the model takes at a time, all of one length (setun compile --batch); most take 1. Of another number
 * every count of tokens here is that of each sequence, tokens are [count, batch] and logits [batch, vocabulary];
 * setun_lm_generate_all makes texts. */
SETUN_API int64_t setun_lm_batch(const setun_lm *lm);
/* Logits a token has; 0: not known before the first run. */
SETUN_API int64_t setun_lm_vocabulary(const setun_lm *lm);
/* NULL when the model was compiled without one, or the program was linked where text cannot be had. */
SETUN_API const setun_tokenizer *setun_lm_tokenizer(const setun_lm *lm);
/* Why there is none; "" where there is one. */
SETUN_API const char *setun_lm_no_tokenizer(const setun_lm *lm);

/* How the model's makers want its tokens drawn (generation_config.json): all of *sampling is set, to the likeliest
 * token where nothing is known. */
SETUN_API void setun_lm_sampling(const setun_lm *lm, setun_sampling *sampling);

/* Tokens the model has been given, the tokens themselves (valid until the next call), and how many more fit (INT64_MAX:
 * no limit). */
SETUN_API int64_t setun_lm_length(const setun_lm *lm);
SETUN_API const int64_t *setun_lm_tokens(const setun_lm *lm);
SETUN_API int64_t setun_lm_room(const setun_lm *lm);
/* Forgets the tokens from `length` on; there are no logits then until tokens are taken. A model with states of fixed
 * size can go back to 0 alone. */
SETUN_API int setun_lm_truncate(setun_lm *lm, int64_t length);

/* Takes tokens (a prompt, or the one just sampled). Tokens that are not in the vocabulary or do not fit are refused and
 * nothing changes; after another failure setun_lm_length says how many were taken. */
SETUN_API int setun_lm_extend(setun_lm *lm, const int64_t *ids, int64_t count);
/* The logits after the last token, float32 [vocabulary]; NULL before the first, after setun_lm_truncate, and on
 * failure. Valid until the next call. (A generation leaves its last token to the next call, so this may run the model.)
 */
SETUN_API const float *setun_lm_logits(setun_lm *lm);
/* From now on `on_logits` gets the logits of each token that is taken, in order, as float32 [count, vocabulary]; NULL:
 * nothing does, and the model makes those of the last token alone. Not 0: taking the tokens fails. */
typedef int (*setun_on_logits)(void *user, const float *rows, int64_t count, int64_t vocabulary);
SETUN_API void setun_lm_on_logits(setun_lm *lm, setun_on_logits on_logits, void *user);

/* A file with the tokens and the states, which continues as if it had never stopped. Loading refuses a file of another
 * model, of another version of the format and a damaged one, and leaves the model as it was. */
SETUN_API int setun_lm_save(setun_lm *lm, const char *path);
SETUN_API int setun_lm_load(setun_lm *lm, const char *path);
/* Bytes of the caller's that are saved and loaded with the state (a conversation's messages, say). Copied; NULL and 0
 * at first. */
SETUN_API int setun_lm_set_note(setun_lm *lm, const void *note, size_t size);
SETUN_API const void *setun_lm_note(const setun_lm *lm, size_t *size);

/* What the context being full means for a generation. */
typedef enum setun_overflow {
  SETUN_STOP = 0, /* it ends */
  SETUN_SHIFT = 1 /* the oldest half of what follows the first `keep` tokens is forgotten, the rest is taken anew */
} setun_overflow;

typedef struct setun_generation {
  int64_t max_tokens; /* 0: until a token ends it or the context is full */
  setun_overflow overflow;
  int64_t keep;            /* of SETUN_SHIFT */
  const char *const *stop; /* texts that end it; they are not given */
  size_t num_stops;
  const int64_t *end_tokens; /* NULL: the tokenizer's (setun_end_tokens) */
  size_t num_end_tokens;
  int show_special; /* not 0: special tokens are given as text */
  int continues;    /* not 0: the text goes on what was taken before, so a space at its beginning stays */
} setun_generation;

typedef enum setun_finish {
  SETUN_FINISH_LENGTH = 1,
  SETUN_FINISH_END,
  SETUN_FINISH_STOP,
  SETUN_FINISH_CONTEXT,
  SETUN_FINISH_CALLER
} setun_finish;

/* Gets each token, those that end it included, and the text that it completes (maybe none; never half a character;
 * nothing of what may yet become a stop text). Not 0: end here. */
typedef int (*setun_on_token)(void *user, int64_t id, const char *text, size_t size);

/* Samples and extends until something ends it; why is in *finish (may be NULL). At least one token must have been
 * taken. What was given to on_token is then in setun_lm_tokens, and a second call goes on where the first ended.
 * Frequency and presence penalties count the tokens of this call. */
SETUN_API int setun_lm_generate(setun_lm *lm, setun_sampler *sampler, const setun_generation *generation,
                                setun_on_token on_token, void *user, setun_finish *finish);

/* A prompt of at least one token, and a sampler of its own. */
typedef struct setun_request {
  const int64_t *prompt;
  int64_t count;
  setun_sampler *sampler;
  setun_finish finish; /* set when its answer is over */
} setun_request;

/* As setun_on_token, for the answer to requests[index]. Not 0: that answer ends here. */
typedef int (*setun_on_answer)(void *user, size_t index, int64_t id, const char *text, size_t size);

/* Answers any number of prompts, of any lengths, as many at a time as the model takes sequences. Each answer is that of
 * its prompt alone, token for token. What the model held is forgotten. A full context ends an answer (no SETUN_SHIFT).
 */
SETUN_API int setun_lm_generate_all(setun_lm *lm, setun_request *requests, size_t count,
                                    const setun_generation *generation, setun_on_answer on_token, void *user);

/* Puts a sampler where the one stood that made the last token, now or before the state was saved: the same options then
 * draw the same tokens as if nothing had stopped. Penalties that count the tokens of a call count on from where that
 * call began, if no token came in between. Returns 1, or 0 where nothing was generated yet: the sampler is as it was.
 */
SETUN_API int setun_lm_resume(setun_lm *lm, setun_sampler *sampler);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_LANGUAGE_H */
