/*===- regex.c - Regular expressions ------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The one file that knows PCRE2. Patterns were translated from Oniguruma's dialect by the compiler. */

#include "Tokenizer.h"
#include <stdlib.h>

#ifdef SETUN_TEXT_LIBRARIES
#include <pcre2.h>

struct text_regex {
  pcre2_code *code;
  bool compiled; /* to machine code */
};

text_regex *text_regex_compile(const uint8_t *pattern, size_t size, text_message message) {
  text_regex *regex = calloc(1, sizeof *regex);
  int error;
  PCRE2_SIZE place;
  if (!regex) {
    text_fail(message, "not enough memory");
    return NULL;
  }
  regex->code = pcre2_compile(pattern, size, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_AUTO_CAPTURE, &error,
                              &place, NULL);
  if (!regex->code) {
    PCRE2_UCHAR text[200];
    pcre2_get_error_message(error, text, sizeof text);
    text_fail(message, "damaged text table: a regular expression: %s", (const char *)text);
    free(regex);
    return NULL;
  }
  /* Where no machine code may be made, matching is slower and no different. */
  regex->compiled = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
  return regex;
}

void text_regex_free(text_regex *regex) {
  if (regex)
    pcre2_code_free(regex->code);
  free(regex);
}

void text_matcher_free(text_matcher *matcher) {
  pcre2_match_data_free(matcher->data);
  pcre2_match_context_free(matcher->context);
  pcre2_jit_stack_free(matcher->stack);
  text_buffer_free(&matcher->shadow);
}

static int prepare(text_matcher *matcher) {
  if (matcher->data)
    return 0;
  matcher->context = pcre2_match_context_create(NULL);
  matcher->stack = pcre2_jit_stack_create(32 << 10, 32 << 20, NULL);
  if (!matcher->context || !matcher->stack)
    return -1;
  pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
  matcher->data = pcre2_match_data_create(1, NULL);
  return matcher->data ? 0 : -1;
}

int text_matches_begin(text_matches *matches, const text_regex *regex, text_matcher *matcher, const uint8_t *text,
                       size_t size) {
  *matches = (text_matches){regex, matcher, text_shadow(&matcher->shadow, text, size), size, 0, SIZE_MAX};
  return !matches->text || prepare(matcher) ? -1 : 0;
}

int text_matches_next(text_matches *matches, size_t *begin, size_t *end) {
  text_matcher *matcher = matches->matcher;
  const text_regex *regex = matches->regex;
  while (matches->from <= matches->size) {
    int found = regex->compiled ? pcre2_jit_match(regex->code, matches->text, matches->size, matches->from, 0,
                                                  matcher->data, matcher->context)
                                : PCRE2_ERROR_JIT_STACKLIMIT;
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(regex->code, matches->text, matches->size, matches->from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                          matcher->data, matcher->context);
    if (found == PCRE2_ERROR_NOMATCH)
      return 0;
    if (found < 0)
      return -1;
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(matcher->data);
    *begin = place[0];
    *end = place[1];
    if (*begin == *end && matches->last == *end) {
      size_t step = 1;
      if (matches->from < matches->size)
        text_read_char(matches->text + matches->from, &step);
      matches->from += step;
      continue;
    }
    matches->from = matches->last = *end;
    return 1;
  }
  return 0;
}

#else

text_regex *text_regex_compile(const uint8_t *pattern, size_t size, text_message message) {
  (void)pattern, (void)size, (void)message;
  return NULL;
}
void text_regex_free(text_regex *regex) { (void)regex; }
void text_matcher_free(text_matcher *matcher) { text_buffer_free(&matcher->shadow); }
int text_matches_begin(text_matches *matches, const text_regex *regex, text_matcher *matcher, const uint8_t *text,
                       size_t size) {
  (void)matches, (void)regex, (void)matcher, (void)text, (void)size;
  return -1;
}
int text_matches_next(text_matches *matches, size_t *begin, size_t *end) {
  (void)matches, (void)begin, (void)end;
  return -1;
}
#endif
