/*===- state.c - Conversations in files --------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A state file, all numbers little-endian, everything at multiples of 8 bytes:
 *
 *   "SETUNST" and the version     8 bytes
 *   size                          u64, of the whole file
 *   fingerprint                   u64, of the model (setun_fingerprint)
 *   tokens, logits, states, note  u64 each, how many there are; the note's bytes
 *   the sampler's place           u64 each: four random numbers (all 0: there is none), the token from which penalties
 *                                 count, and the length behind the last generation
 *   the note
 *   token ids                     i64 each
 *   the logits after the last     f32 each
 *   each state                    dtype and rank, u64 each; sizes, i64 each; data, row-major, of a growing state its
 *                                 live part
 *   checksum                      u64, of all words before
 *
 * A file is made beside its final name, which it gets when it is whole. It is checked from end to end before any of it
 * is taken. */

#define _GNU_SOURCE
#include "Language.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "state files are written as they lie in memory: little-endian"
#endif

static const char magic[8] = {'S', 'E', 'T', 'U', 'N', 'S', 'T', '2'};
typedef struct header {
  char magic[8];
  uint64_t size, fingerprint, tokens, logits, states, note;
  setun_sampler_place place;
  uint64_t generated;
} header;

/* FNV-1a by words, each step a bijection: a difference in one word always shows. */
static uint64_t checksum(uint64_t hash, const void *words, size_t size) {
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word;
    memcpy(&word, (const char *)words + i, sizeof word);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  return hash;
}
#define CHECKSUM_START 0xcbf29ce484222325u

static uint64_t padded(uint64_t size) { return (size + 7) & ~(uint64_t)7; }

static int64_t bytes_of(setun_dtype dtype, const int64_t *dims, uint32_t rank) {
  int64_t bytes = (int64_t)setun_dtype_size(dtype);
  for (uint32_t d = 0; d < rank; ++d)
    if (dims[d] < 0 || __builtin_mul_overflow(bytes, dims[d], &bytes))
      return -1;
  return bytes;
}

int setun_lm_set_note(setun_lm *lm, const void *note, size_t size) {
  void *copy = malloc(size + 1);
  if (!copy)
    return setun_lm_fail(lm, "out of memory");
  if (size)
    memcpy(copy, note, size);
  free(lm->note);
  lm->note = copy;
  lm->note_size = size;
  return 0;
}

const void *setun_lm_note(const setun_lm *lm, size_t *size) {
  *size = lm->note_size;
  return lm->note;
}

/*===-- Saving ------------------------------------------------------------===*/

typedef struct writer {
  setun_lm *lm;
  FILE *file; /* NULL: only the size is counted */
  uint64_t size, hash;
  bool failed;
} writer;

static void put(writer *to, const void *data, uint64_t size) {
  static const char zero[8];
  uint64_t whole = size & ~(uint64_t)7, rest = size - whole;
  char last[8] = {0};
  if (rest)
    memcpy(last, (const char *)data + whole, rest);
  to->size += padded(size);
  if (!to->file)
    return;
  to->hash = checksum(checksum(to->hash, data, whole), last, rest ? 8 : 0);
  to->failed |= size && fwrite(data, 1, size, to->file) != size;
  to->failed |= rest && fwrite(zero, 1, 8 - rest, to->file) != 8 - rest;
}

/* Writes all but the checksum. `size`: of the whole file. */
static int put_all(writer *to, uint64_t size) {
  setun_lm *lm = to->lm;
  uint64_t batch = (uint64_t)lm->batch, states = lm->taken > 0 ? setun_count(lm->program, SETUN_STATE) : 0;
  header head = {"",
                 size,
                 setun_fingerprint(lm->program),
                 (uint64_t)lm->length,
                 0,
                 states,
                 lm->note_size,
                 lm->place,
                 (uint64_t)lm->generated};
  head.logits = lm->last ? (uint64_t)lm->vocabulary : 0;
  memcpy(head.magic, magic, sizeof magic);
  put(to, &head, sizeof head);
  put(to, lm->note, head.note);
  put(to, lm->tokens, head.tokens * batch * sizeof *lm->tokens);
  put(to, lm->last, head.logits * batch * sizeof *lm->last);
  setun_info info;
  for (size_t i = 0; i < states && setun_get_info(lm->program, SETUN_STATE, i, &info) == 0; ++i) {
    setun_tensor tensor;
    if (setun_get_output(lm->session, info.output_name ? info.output_name : info.name, &tensor))
      return setun_lm_fail(lm, "%s", setun_error(lm->session));
    uint64_t kind[2] = {tensor.dtype, tensor.rank};
    put(to, kind, sizeof kind);
    put(to, tensor.dims, tensor.rank * sizeof *tensor.dims);
    put(to, tensor.data, (uint64_t)bytes_of(tensor.dtype, tensor.dims, tensor.rank));
  }
  return 0;
}

static int write_file(setun_lm *lm, FILE *file, const char *path) {
  writer count = {lm, NULL, 0, CHECKSUM_START, false}, to = {lm, file, 0, CHECKSUM_START, false};
  if (put_all(&count, 0) || put_all(&to, count.size + sizeof(uint64_t)))
    return -1;
  uint64_t hash = to.hash;
  put(&to, &hash, sizeof hash);
  to.failed |= fflush(file) != 0 || fsync(fileno(file)) != 0;
  return to.failed ? setun_lm_fail(lm, "cannot write '%s': %m", path) : 0;
}

int setun_lm_save(setun_lm *lm, const char *path) {
  lm->error[0] = 0;
  char *temporary;
  if (setun_lm_take(lm) || setun_lm_read(lm))
    return -1;
  if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
    return setun_lm_fail(lm, "out of memory");
  FILE *file = fopen(temporary, "wbxe");
  int failed = file ? write_file(lm, file, path) : setun_lm_fail(lm, "cannot write '%s': %m", path);
  if (file && fclose(file) && !failed)
    failed = setun_lm_fail(lm, "cannot write '%s': %m", path);
  if (!failed && rename(temporary, path))
    failed = setun_lm_fail(lm, "cannot write '%s': %m", path);
  if (file && failed)
    unlink(temporary);
  free(temporary);
  return failed;
}

/*===-- Loading -----------------------------------------------------------===*/

/* The bytes of a file that are not read yet. */
typedef struct reader {
  const char *at;
  uint64_t left;
} reader;

/* The next `count` elements of `size` bytes, or NULL when there are fewer. */
static const void *get(reader *from, uint64_t count, uint64_t size) {
  uint64_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > from->left || padded(bytes) > from->left)
    return NULL;
  const void *data = from->at;
  from->at += padded(bytes);
  from->left -= padded(bytes);
  return data;
}

/* Reads a state's type, sizes and data, and sees that they are those that the model can take. */
static int get_state(setun_lm *lm, reader *from, const setun_info *info, setun_tensor *state) {
  const uint64_t *kind = get(from, 2, sizeof *kind);
  bool fits = kind && kind[0] == info->dtype && kind[1] == info->rank;
  const int64_t *dims = fits ? get(from, info->rank, sizeof *dims) : NULL;
  fits &= dims != NULL;
  for (uint32_t d = 0; fits && d < info->rank; ++d)
    fits = (int32_t)d == info->axis ? dims[d] <= setun_capacity(lm->session)
                                    : info->dims[d] < 0 || info->dims[d] == dims[d];
  int64_t bytes = fits ? bytes_of(info->dtype, dims, info->rank) : -1;
  const void *data = bytes >= 0 ? get(from, (uint64_t)bytes, 1) : NULL;
  if (!data)
    return setun_lm_fail(lm, "its state '%s' is not as this model's", info->name);
  *state = (setun_tensor){info->dtype, info->rank, dims, data};
  return 0;
}

/* Takes a whole file. Until all of it is known to fit nothing is changed. */
static int take(setun_lm *lm, const char *bytes, uint64_t size) {
  reader from = {bytes, size};
  const header *head = get(&from, 1, sizeof *head);
  if (size < sizeof magic || memcmp(bytes, magic, sizeof magic - 1) != 0)
    return setun_lm_fail(lm, "it is no state file");
  if (bytes[sizeof magic - 1] != magic[sizeof magic - 1])
    return setun_lm_fail(lm, "its format has version %c, and this program reads version %c", bytes[sizeof magic - 1],
                         magic[sizeof magic - 1]);
  if (!head)
    return setun_lm_fail(lm, "it is damaged or was cut: it has %llu bytes", (unsigned long long)size);
  if (head->size != size || size % 8 || from.left < sizeof(uint64_t))
    return setun_lm_fail(lm, "it is damaged or was cut: it has %llu bytes and should have %llu",
                         (unsigned long long)size, (unsigned long long)head->size);
  from.left -= sizeof(uint64_t);
  uint64_t hash;
  memcpy(&hash, bytes + size - sizeof hash, sizeof hash);
  if (checksum(CHECKSUM_START, bytes, size - sizeof hash) != hash)
    return setun_lm_fail(lm, "it is damaged: its checksum differs");
  if (head->fingerprint != setun_fingerprint(lm->program))
    return setun_lm_fail(lm, "it is of another model");
  const void *note = get(&from, head->note, 1);
  size_t batch = (size_t)lm->batch;
  const int64_t *tokens = note ? get(&from, head->tokens, batch * sizeof *tokens) : NULL;
  const float *logits = tokens ? get(&from, head->logits, batch * sizeof *logits) : NULL;
  uint64_t states = head->tokens > 0 ? setun_count(lm->program, SETUN_STATE) : 0;
  bool whole = logits && (!head->logits || !lm->vocabulary || head->logits == (uint64_t)lm->vocabulary);
  if (!whole || head->states != states || head->generated > head->tokens || head->place.counted_from > head->generated)
    return setun_lm_fail(lm, "it is not as this model writes them");
  int64_t length = (int64_t)head->tokens, room = setun_lm_room(lm);
  int64_t capacity = room == INT64_MAX ? room : lm->length + room;
  if (length < 0 || length > capacity)
    return setun_lm_fail(lm, "its %lld tokens do not fit into the context of %lld", (long long)length,
                         (long long)capacity);
  setun_tensor *tensors = calloc(states + 1, sizeof *tensors);
  float *last = calloc(head->logits * batch + 1, sizeof *last);
  int failed = tensors && last && !setun_lm_reserve(lm, length) ? 0 : setun_lm_fail(lm, "there is no memory for it");
  setun_info info;
  for (size_t i = 0; !failed && i < states && setun_get_info(lm->program, SETUN_STATE, i, &info) == 0; ++i)
    failed = get_state(lm, &from, &info, &tensors[i]);
  if (!failed && from.left)
    failed = setun_lm_fail(lm, "it is not as this model writes them");
  if (!failed)
    failed = setun_lm_set_note(lm, note, head->note);
  /* From here on nothing but lack of memory can go wrong; the model is then as new. */
  if (!failed) {
    setun_reset(lm->session);
    lm->taken = lm->length = 0;
    lm->last = NULL;
    lm->unread = false;
  }
  for (size_t i = 0; !failed && i < states && setun_get_info(lm->program, SETUN_STATE, i, &info) == 0; ++i)
    if (setun_set_input(lm->session, info.name, info.dtype, tensors[i].dims, info.rank, tensors[i].data)) {
      failed = setun_lm_fail(lm, "%s", setun_error(lm->session));
      setun_reset(lm->session);
    }
  if (!failed) {
    memcpy(lm->tokens, tokens, head->tokens * batch * sizeof *tokens);
    lm->place = head->place;
    lm->generated = (int64_t)head->generated;
    lm->resumed = false;
    lm->taken = lm->length = length;
    if (head->logits) {
      memcpy(last, logits, head->logits * batch * sizeof *logits);
      free(lm->rows);
      lm->last = lm->rows = last;
      lm->vocabulary = (int64_t)head->logits;
      lm->rows_size = lm->vocabulary * lm->batch;
      last = NULL;
    }
  }
  free(tensors);
  free(last);
  return failed;
}

static int read_file(setun_lm *lm, FILE *file, char **bytes, uint64_t *size) {
  struct stat info;
  if (fstat(fileno(file), &info))
    return setun_lm_fail(lm, "%m");
  if (!S_ISREG(info.st_mode))
    return setun_lm_fail(lm, "it is not a regular file");
  *size = (uint64_t)info.st_size;
  if (!(*bytes = malloc(*size + 1)))
    return setun_lm_fail(lm, "there is no memory for it");
  return fread(*bytes, 1, *size, file) == *size ? 0 : setun_lm_fail(lm, "%m");
}

int setun_lm_load(setun_lm *lm, const char *path) {
  lm->error[0] = 0;
  char *bytes = NULL;
  uint64_t size = 0;
  FILE *file = fopen(path, "rbe");
  int failed = file ? read_file(lm, file, &bytes, &size) || take(lm, bytes, size) : setun_lm_fail(lm, "%m");
  if (file)
    fclose(file);
  free(bytes);
  if (!failed)
    return 0;
  char reason[256];
  snprintf(reason, sizeof reason, "%s", lm->error);
  return setun_lm_fail(lm, "cannot load the state '%.600s': %s", path, reason);
}
