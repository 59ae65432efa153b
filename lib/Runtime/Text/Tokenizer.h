/*===- Tokenizer.h - What the tokenizer's files share -------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* One section for each file that is more than its public functions. What returns an int returns -1 when memory is short
 * and 0 else, where nothing else is said. */

#ifndef SETUN_RT_TEXT_TOKENIZER_INTERNAL_H
#define SETUN_RT_TEXT_TOKENIZER_INTERNAL_H

#include "Internal.h"
#include "setun-rt/text_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/*===-- buffer.c: bytes that grow, UTF-8 ----------------------------------===*/

typedef struct text_buffer {
  uint8_t *data;
  size_t size, capacity;
} text_buffer;
int text_reserve(text_buffer *buffer, size_t more); /* room for `more` behind `size` */
int text_append(text_buffer *buffer, const void *bytes, size_t size);
int text_append_char(text_buffer *buffer, uint32_t point);
void text_buffer_free(text_buffer *buffer);

/* The character at `text`, which is valid UTF-8 and not empty; its size in bytes in `size`. */
uint32_t text_read_char(const uint8_t *text, size_t *size);
/* The size of the character that ends at `end`. */
size_t text_last_char(const uint8_t *begin, const uint8_t *end);
/* Writes at most four bytes. */
size_t text_write_char(uint8_t *bytes, uint32_t point);
/* Whether all of it is UTF-8. */
bool text_is_valid(const uint8_t *text, size_t size);
/* Appends `text` with U+FFFD for each maximal part that is not UTF-8. `pending` holds the start of a character between
 * calls; NULL: the text ends here. */
typedef struct text_pending {
  uint8_t bytes[4];
  size_t size;
} text_pending;
int text_repair(text_buffer *into, const uint8_t *text, size_t size, text_pending *pending);
int text_repair_finish(text_buffer *into, text_pending *pending);

/*===-- unicode.c: properties and normal forms, by utf8proc ---------------===*/

bool text_is_space(uint32_t point);   /* White_Space */
bool text_is_numeric(uint32_t point); /* N */
bool text_is_punctuation(uint32_t point);
bool text_is_word(uint32_t point);  /* \w of Rust's regex */
bool text_is_other(uint32_t point); /* C */
bool text_is_mark(uint32_t point, bool nonspacing);
uint32_t text_lower(uint32_t point);
/* `form` is a SETUN_NORM_NF*. */
int text_normal_form(text_buffer *into, const uint8_t *text, size_t size, uint32_t form);
/* The end of the first grapheme of `text`. */
size_t text_first_grapheme(const uint8_t *text, size_t size);
/* The text as the regular expressions must see it: its size is the same. `buffer` holds it where it differs; NULL when
 * memory is short. */
const uint8_t *text_shadow(text_buffer *buffer, const uint8_t *text, size_t size);

/*===-- regex.c: regular expressions, by PCRE2 ----------------------------===*/

typedef struct text_regex text_regex;
text_regex *text_regex_compile(const uint8_t *pattern, size_t size, text_message message);
void text_regex_free(text_regex *regex);
/* What one thread needs to match. */
typedef struct text_matcher {
  void *data, *context, *stack;
  text_buffer shadow;
} text_matcher;
void text_matcher_free(text_matcher *matcher);
/* Walks over the matches in a text as Oniguruma's callers do: none is empty right behind another. */
typedef struct text_matches {
  const text_regex *regex;
  text_matcher *matcher;
  const uint8_t *text; /* as the expression sees it */
  size_t size, from, last;
} text_matches;
int text_matches_begin(text_matches *matches, const text_regex *regex, text_matcher *matcher, const uint8_t *text,
                       size_t size);
/* Returns 1 with the next match, 0 when there is none, -1 on failure. */
int text_matches_next(text_matches *matches, size_t *begin, size_t *end);

/*===-- vocabulary.c ------------------------------------------------------===*/

/* A step with what it names, checked. */
typedef struct text_step {
  uint32_t kind, value, more;
  text_span a, b;
  text_regex *regex;
  bool fused; /* a decoder behind Fuse: there is one token, in parts */
} text_step;

typedef struct text_steps {
  text_step *data;
  size_t count;
} text_steps;

/* A trie whose edges are a hash, in the table or made when the tokenizer was opened. */
typedef struct text_trie {
  const setun_text_edge *edges;
  size_t num_edges;
  const uint32_t *ends;
  size_t num_nodes;
} text_trie;

typedef struct text_added_trie {
  text_trie trie;     /* its ends are indices of added tokens */
  uint8_t first[256]; /* whether a token begins with this byte */
  bool used;
} text_added_trie;

typedef struct text_vocabulary {
  const setun_tokenizer_table *table;
  text_span bytes;
  const setun_text_string *texts;
  size_t num_texts;
  const uint32_t *vocabulary;
  size_t num_places;
  const setun_text_merge *merges;
  size_t num_merges;
  const double *scores;
  size_t num_scores;
  text_trie trie;
  const setun_text_added *added;
  size_t num_added;
  text_steps normalizer, splits, decoder;
  const uint32_t *before, *after;
  size_t num_before, num_after;
  text_span *shown;  /* for each added token: what decoding gives for it */
  uint8_t *hidden;   /* for each added token: whether SETUN_SKIP_SPECIAL skips it */
  text_buffer store; /* of normalized texts of added tokens */
  text_added_trie raw, normalized, mixed, pieces;
  void *parked; /* atomic: a context for the next call */
} text_vocabulary;

/* Texts of a table are checked here, when they are read; none: data is NULL. */
text_span text_string(const text_vocabulary *vocabulary, setun_text_string string);
/* The model's token of a text, or SETUN_TEXT_NONE. */
uint32_t text_find_token(const text_vocabulary *vocabulary, const uint8_t *text, size_t size);
text_vocabulary *text_vocabulary_open(text_span section, text_message message);
void text_vocabulary_close(text_vocabulary *vocabulary);
/* The index among added tokens, or -1. */
ptrdiff_t text_find_added(const text_vocabulary *vocabulary, int64_t id);

/*===-- trie.c ------------------------------------------------------------===*/

/* The node behind an edge, or SETUN_TEXT_NONE. */
uint32_t text_trie_step(const text_trie *trie, uint32_t node, uint8_t byte);
/* Builds the trie of some texts; those with no data are left out. Returns -2 where two are the same or one is empty. */
int text_added_trie_build(text_added_trie *trie, const text_span *texts, size_t count);
/* The longest of its texts that `text` begins with, or -1. */
ptrdiff_t text_added_trie_longest(const text_added_trie *trie, const uint8_t *text, size_t size, size_t *length);
void text_added_trie_free(text_added_trie *trie);

/*===-- normalize.c -------------------------------------------------------===*/

struct text_context;
/* Normalizes a part of the input. `at_start`: whether the first byte comes from the input's start. The result is in the
 * context until the next call, or the text itself. */
int text_normalize(struct text_context *context, text_span *text, bool *at_start);

/*===-- split.c, model.c, bpe.c, unigram.c, words.c -----------------------===*/

/* Takes the pieces of a text from pre-tokenizer `step` on to the model. */
int text_split(struct text_context *context, size_t step, const uint8_t *text, size_t size, bool at_start);
/* Writes the tokens of a word. */
int text_model_word(struct text_context *context, const uint8_t *word, size_t size);
int text_bpe_word(struct text_context *context, const uint8_t *word, size_t size);
int text_unigram_word(struct text_context *context, const uint8_t *word, size_t size);
int text_piece_word(struct text_context *context, const uint8_t *word, size_t size);
void text_emit(struct text_context *context, uint32_t id);

typedef struct text_cached {
  uint64_t hash;
  uint8_t size, count, word[22];
  uint32_t ids[8];
} text_cached;

/* What one call of encode works with; kept for the next one. */
typedef struct text_context {
  const text_vocabulary *vocabulary;
  int64_t *ids;
  size_t capacity, count;
  bool keep; /* the word's tokens are for the cache, too */
  bool damaged;
  size_t word_begin; /* count at the word's start */
  uint32_t word_ids[8];
  text_buffer input, normal[2], chunk, key, work[4];
  text_buffer *steps; /* one for each pre-tokenizer */
  text_matcher matcher;
  text_cached *cache;
} text_context;

text_context *text_context_take(const text_vocabulary *vocabulary);
void text_context_give(const text_vocabulary *vocabulary, text_context *context);
void text_context_free(text_context *context);

/* The characters of GPT-2's alphabet: of a byte, as UTF-8; and back, -1 where there is no byte. */
size_t text_byte_char(uint8_t byte, uint8_t into[2]);
int text_char_byte(uint32_t point);
int text_append_byte_chars(text_buffer *into, const uint8_t *bytes, size_t size);
/* Appends `text` with `b` for each `a`. */
int text_replace(text_buffer *into, text_span text, text_span a, text_span b, size_t *first);
const uint8_t *text_search(const uint8_t *text, size_t size, text_span what);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_TOKENIZER_INTERNAL_H */
