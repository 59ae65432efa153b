/*===- Output.h - Text of one answer -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_TEXT_OUTPUT_H
#define SETUN_RT_TEXT_OUTPUT_H

#include "Language.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was generated of an answer and not given yet. */
typedef struct output {
  setun_lm *lm;
  const setun_generation *options;
  setun_stream *stream; /* NULL: no text */
  int64_t first;        /* of the tokens that are generated */
  char *held;           /* text that was not given yet */
  size_t size, reserved;
} output;

/* An answer to the `count` tokens of `before`. To be closed, also after a failure. */
int setun_output_open(output *out, setun_lm *lm, const setun_generation *options, const int64_t *before, int64_t count);
void setun_output_close(output *out);
/* One token more, behind `count` of the answer; `full`: there is no room for another. Gives it with what text is sure.
 * Returns 1 to go on, 0 when *finish tells why not, -1 on failure. */
int setun_output_take(output *out, int64_t token, int64_t count, bool full, setun_on_token on_token, void *user,
                      setun_finish *finish);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_OUTPUT_H */
