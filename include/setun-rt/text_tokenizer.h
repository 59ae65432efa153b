/*===- text_tokenizer.h - The tokenizer's section of a text table --*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* What lies in the section SETUN_TEXT_TOKENIZER (text_table.h): this header, then the lists it names. Sequences of
 * tokenizer.json are flat here: three lists of steps, in the order they are taken. Nothing large is made when a
 * tokenizer is opened: hashes and tries are probed where they lie. */

#ifndef SETUN_RT_TEXT_TOKENIZER_H
#define SETUN_RT_TEXT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SETUN_TEXT_NONE 0xffffffffu     /* no id, no node */
#define SETUN_TEXT_MAX_IDS 0x400000u    /* ids lie below it */
#define SETUN_TEXT_MAX_NODES 0x1000000u /* and so do nodes of a trie: an edge packs a node and a byte */

/* Elements of a list; `offset` in bytes from the section's first byte. */
typedef struct setun_text_list {
  uint64_t offset, count;
} setun_text_list;

/* A part of `bytes`. */
typedef struct setun_text_string {
  uint32_t offset, size;
} setun_text_string;

typedef enum setun_text_model {
  SETUN_MODEL_BPE = 1,
  SETUN_MODEL_UNIGRAM = 2,
  SETUN_MODEL_WORDPIECE = 3,
  SETUN_MODEL_WORDLEVEL = 4,
} setun_text_model;

/* Flags of a model. */
#define SETUN_BPE_BYTES 1u         /* words are bytes whose tokens are byte_ids: the last step is a ByteLevel */
#define SETUN_BPE_IGNORE_MERGES 2u /* a word that is a token is this token */
#define SETUN_MODEL_FUSE_UNK 4u
#define SETUN_MODEL_FALLBACK 8u /* byte_ids are the tokens <0x00> to <0xFF> */

#define SETUN_BPE_WORD_STARTS 16u /* no merge goes across the start of a run of U+2581: words begin there */
#define SETUN_UNIGRAM_FLOAT 32u   /* sums of scores are floats, and unknown text is looked up nowhere: SentencePiece */

/* What is done to text or tokens. `a` and `b` are strings, `value` a number or a set of flags. */
typedef enum setun_text_kind {
  /* Normalizers: text to text. */
  SETUN_NORM_NFC = 1,
  SETUN_NORM_NFD = 2,
  SETUN_NORM_NFKC = 3,
  SETUN_NORM_NFKD = 4,
  SETUN_NORM_LOWERCASE = 5,
  SETUN_NORM_PREPEND = 6,       /* a */
  SETUN_NORM_REPLACE = 7,       /* literal a by b */
  SETUN_NORM_REPLACE_REGEX = 8, /* regular expression a by b */
  SETUN_NORM_STRIP = 9,         /* value: 1 left, 2 right */
  SETUN_NORM_STRIP_ACCENTS = 10,
  SETUN_NORM_BERT = 11,        /* value: SETUN_BERT_* */
  SETUN_NORM_PRECOMPILED = 12, /* a: SentencePiece's map of characters */
  SETUN_NORM_NMT = 13,
  SETUN_NORM_BYTES = 14,
  SETUN_NORM_SENTENCEPIECE = 15, /* a: its map of characters, or empty; value: SETUN_PIECE_* */
  /* Pre-tokenizers: a text to pieces of it. `value`: SETUN_SPLIT_* */
  SETUN_SPLIT_BYTES = 32,     /* ByteLevel; value: 1 prefix space, 2 GPT-2's splits */
  SETUN_SPLIT_REGEX = 33,     /* a */
  SETUN_SPLIT_STRING = 34,    /* a */
  SETUN_SPLIT_METASPACE = 35, /* a: the replacement; value: 0 never prepended, 1 first, 2 always; 4 with splits */
  SETUN_SPLIT_WORDS = 36,     /* Whitespace */
  SETUN_SPLIT_SPACES = 37,    /* WhitespaceSplit */
  SETUN_SPLIT_DIGITS = 38,
  SETUN_SPLIT_PUNCTUATION = 39,
  SETUN_SPLIT_LENGTH = 40, /* FixedLength; value: characters */
  /* Decoders: tokens to tokens. */
  SETUN_DECODE_BYTES = 64,
  SETUN_DECODE_FALLBACK = 65,
  SETUN_DECODE_FUSE = 66,
  SETUN_DECODE_STRIP = 67,     /* a: one character; value: at most so many at the start, `more` at the end */
  SETUN_DECODE_REPLACE = 68,   /* literal a by b */
  SETUN_DECODE_METASPACE = 69, /* a; value: 0 never prepended */
  SETUN_DECODE_WORDPIECE = 70, /* a: the prefix; value: 1 with cleanup */
  SETUN_DECODE_SUFFIX = 71,    /* BPEDecoder; a: the suffix */
  SETUN_DECODE_SPACES = 72,    /* no decoder: spaces between tokens */
  SETUN_DECODE_REPLACE_REGEX = 73,
  SETUN_DECODE_SENTENCEPIECE = 74, /* a: the unknown piece, b: what it is shown as; value: SETUN_PIECE_* */
} setun_text_kind;

#define SETUN_SPLIT_REMOVED 0u
#define SETUN_SPLIT_ISOLATED 1u
#define SETUN_SPLIT_CONTIGUOUS 2u
#define SETUN_SPLIT_PREVIOUS 3u
#define SETUN_SPLIT_NEXT 4u
#define SETUN_SPLIT_BEHAVIOR 7u
#define SETUN_SPLIT_INVERT 8u

/* What SentencePiece does around its model. */
#define SETUN_PIECE_PREFIX 1u /* the text gets a space before it */
#define SETUN_PIECE_TRIM 2u   /* spaces at the ends are dropped, and those behind others */
#define SETUN_PIECE_ESCAPE 4u /* spaces become U+2581 */
#define SETUN_PIECE_SUFFIX 8u /* the space of PREFIX stands behind the text */
#define SETUN_PIECE_FIRST 16u /* PREFIX and TRIM's first spaces are for the input's first part alone */
#define SETUN_PIECE_BYTES 32u /* decoding: <0x00> to <0xFF> are bytes */

#define SETUN_BERT_CLEAN 1u
#define SETUN_BERT_CHINESE 2u
#define SETUN_BERT_ACCENTS 4u
#define SETUN_BERT_LOWERCASE 8u

typedef struct setun_text_step {
  uint32_t kind, value, more, reserved;
  setun_text_string a, b;
} setun_text_step;

/* A token that is found in the text before the model sees it. */
typedef struct setun_text_added {
  uint32_t id, flags;
  setun_text_string text;
} setun_text_added;

#define SETUN_ADDED_SPECIAL 1u
#define SETUN_ADDED_SINGLE_WORD 2u
#define SETUN_ADDED_LSTRIP 4u
#define SETUN_ADDED_RSTRIP 8u
#define SETUN_ADDED_NORMALIZED 16u
#define SETUN_ADDED_PIECE 32u /* a user-defined piece of SentencePiece: not normalized, and found by the model */

/* One merge in the hash of pairs. */
typedef struct setun_text_merge {
  uint32_t left, right; /* left == SETUN_TEXT_NONE: an empty place */
  uint32_t rank, id;
} setun_text_merge;

/* One edge in a trie's hash of edges: from a node by a byte to a node. The root is node 0. */
typedef struct setun_text_edge {
  uint32_t key; /* node << 8 | byte; no edge: SETUN_TEXT_NONE */
  uint32_t node;
} setun_text_edge;

typedef struct setun_tokenizer_table {
  uint32_t model, flags; /* setun_text_model; SETUN_BPE_*, SETUN_MODEL_* */
  uint32_t num_ids;
  uint32_t unknown;   /* a token or SETUN_TEXT_NONE */
  uint32_t max_chars; /* WordPiece: longer words are unknown */
  uint32_t root;      /* WordPiece: the trie's node where words go on (behind ##) */
  double unknown_score;
  setun_text_string prefix, suffix;            /* BPE: continuing_subword_prefix, end_of_word_suffix */
  setun_text_list bytes;                       /* uint8_t: all strings */
  setun_text_list texts;                       /* setun_text_string for each id; an id without a token: size NONE */
  setun_text_list vocabulary;                  /* uint32_t: a hash of the model's tokens by text, ids or NONE */
  setun_text_list merges;                      /* setun_text_merge: a hash */
  setun_text_list scores;                      /* double for each id: Unigram */
  setun_text_list edges;                       /* setun_text_edge: Unigram and WordPiece */
  setun_text_list ends;                        /* uint32_t for each node: the token that ends there, or NONE */
  setun_text_list added;                       /* setun_text_added, by id */
  setun_text_list normalizer, splits, decoder; /* setun_text_step */
  setun_text_list before, after;               /* uint32_t: tokens the post-processor adds */
  uint32_t byte_ids[256];                      /* SETUN_BPE_BYTES, SETUN_MODEL_FALLBACK; NONE: there is none */
} setun_tokenizer_table;

/* Hashes have open addressing with linear probes; the first place of a key among `count`: */
static inline uint64_t setun_text_place(uint64_t hash, uint64_t count) { return ((hash >> 32) * count) >> 32; }

static inline uint64_t setun_text_mix(uint64_t key) {
  key = (key ^ (key >> 32)) * 0x9e3779b97f4a7c15u;
  return (key ^ (key >> 29)) * 0xbf58476d1ce4e5b9u;
}

static inline uint64_t setun_text_hash(const uint8_t *bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return setun_text_mix(hash);
}

static inline uint64_t setun_text_hash_pair(uint32_t left, uint32_t right) {
  return setun_text_mix((uint64_t)left << 32 | right);
}

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_TOKENIZER_H */
