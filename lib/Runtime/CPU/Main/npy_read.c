/*===- npy_read.c - Arrays from files ------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* NumPy's .npy format, versions 1 to 3, little-endian, in C order. The header is a Python literal; it is parsed
 * strictly, and nothing in it is believed before it was checked against the file's size. */

#define _GNU_SOURCE
#include "Main.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_HEADER 65536

static const struct {
  const char *descr;
  setun_dtype dtype;
} types[] = {{"<f4", SETUN_F32}, {"<f8", SETUN_F64}, {"<f2", SETUN_F16}, {"|i1", SETUN_I8},  {"|u1", SETUN_U8},
             {"<i2", SETUN_I16}, {"<i4", SETUN_I32}, {"<i8", SETUN_I64}, {"|b1", SETUN_BOOL}};
#define NUM_TYPES (sizeof types / sizeof *types)

const char *setun_npy_descr(setun_dtype dtype) {
  for (size_t i = 0; i < NUM_TYPES; ++i)
    if (types[i].dtype == dtype)
      return types[i].descr;
  return "<f4";
}

typedef struct parser {
  const char *at, *path;
  setun_array *array;
  setun_text *error;
} parser;

static void skip_space(parser *p) {
  while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n')
    ++p->at;
}

static bool take(parser *p, char c) {
  skip_space(p);
  if (*p->at != c)
    return false;
  ++p->at;
  return true;
}

/* A quoted string without escapes, of at most 31 characters. */
static bool take_string(parser *p, char text[32]) {
  skip_space(p);
  char quote = *p->at;
  if (quote != '\'' && quote != '"')
    return false;
  const char *start = ++p->at, *end = strchr(start, quote);
  if (!end || end - start > 31)
    return false;
  memcpy(text, start, (size_t)(end - start));
  text[end - start] = 0;
  p->at = end + 1;
  return true;
}

static bool take_shape(parser *p) {
  if (!take(p, '('))
    return false;
  for (p->array->rank = 0; !take(p, ')'); ++p->array->rank) {
    skip_space(p);
    if (p->array->rank == SETUN_NPY_MAX_RANK || *p->at < '0' || *p->at > '9')
      return false;
    int64_t size = 0;
    for (; *p->at >= '0' && *p->at <= '9'; ++p->at)
      if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *p->at - '0', &size))
        return false;
    p->array->dims[p->array->rank] = size;
    if (!take(p, ',')) {
      ++p->array->rank;
      return p->array->rank > 1 && take(p, ')');
    }
  }
  return true;
}

static int take_descr(parser *p) {
  char descr[32];
  if (!take_string(p, descr))
    return setun_text_fail(p->error, "'%s': elements of several fields are not supported", p->path);
  for (size_t i = 0; i < NUM_TYPES; ++i) {
    bool bytes = setun_dtype_size(types[i].dtype) == 1; /* one byte has no order, but may carry the mark of one */
    if (strcmp(descr, types[i].descr) == 0 || (bytes && descr[0] && strcmp(descr + 1, types[i].descr + 1) == 0)) {
      p->array->dtype = types[i].dtype;
      return 0;
    }
  }
  if (descr[0] == '>')
    return setun_text_fail(p->error, "'%s': big-endian data ('%s') is not supported", p->path, descr);
  return setun_text_fail(p->error, "'%s': elements of type '%s' are not supported", p->path, descr);
}

static int parse_header(parser *p) {
  unsigned seen = 0;
  bool malformed = !take(p, '{');
  while (!malformed && !take(p, '}')) {
    char key[32];
    malformed = !take_string(p, key) || !take(p, ':');
    if (malformed)
      break;
    skip_space(p);
    if (strcmp(key, "descr") == 0 && !(seen & 1)) {
      seen |= 1;
      if (take_descr(p))
        return -1;
    } else if (strcmp(key, "fortran_order") == 0 && !(seen & 2)) {
      seen |= 2;
      if (strncmp(p->at, "True", 4) == 0)
        return setun_text_fail(
            p->error, "'%s': data in Fortran order is not supported (numpy.ascontiguousarray makes it C order)",
            p->path);
      malformed = strncmp(p->at, "False", 5) != 0;
      p->at += malformed ? 0 : 5;
    } else if (strcmp(key, "shape") == 0 && !(seen & 4)) {
      seen |= 4;
      malformed = !take_shape(p);
    } else {
      malformed = true;
    }
    if (!malformed && !take(p, ',')) {
      malformed = !take(p, '}');
      break;
    }
  }
  skip_space(p);
  if (malformed || seen != 7 || *p->at)
    return setun_text_fail(p->error, "'%s': the .npy header is malformed", p->path);
  return 0;
}

static int read_file(FILE *file, const char *path, setun_array *array, char *header, setun_text *error) {
  uint8_t start[12];
  struct stat info;
  if (fstat(fileno(file), &info) || !S_ISREG(info.st_mode))
    return setun_text_fail(error, "cannot read '%s': not a regular file", path);
  if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
    return setun_text_fail(error, "'%s' is not a .npy file", path);
  if (start[6] < 1 || start[6] > 3)
    return setun_text_fail(error, "'%s': version %d of the .npy format is not supported", path, start[6]);
  uint64_t prefix = 10, length = start[8] | (uint64_t)start[9] << 8;
  if (start[6] > 1) {
    if (fread(start + 10, 1, 2, file) != 2)
      return setun_text_fail(error, "'%s' is truncated", path);
    prefix = 12;
    length |= (uint64_t)start[10] << 16 | (uint64_t)start[11] << 24;
  }
  if (length > MAX_HEADER)
    return setun_text_fail(error, "'%s': a .npy header of %llu bytes is too long", path, (unsigned long long)length);
  if (fread(header, 1, length, file) != length)
    return setun_text_fail(error, "'%s' is truncated", path);
  header[length] = 0;
  parser p = {header, path, array, error};
  if (strlen(header) != length)
    return setun_text_fail(error, "'%s': the .npy header is malformed", path);
  if (parse_header(&p))
    return -1;
  uint64_t bytes = setun_dtype_size(array->dtype), room = (uint64_t)info.st_size - prefix - length;
  bool empty = false;
  for (uint32_t d = 0; d < array->rank; ++d)
    empty |= array->dims[d] == 0;
  for (uint32_t d = 0; d < array->rank && !empty; ++d)
    if (__builtin_mul_overflow(bytes, (uint64_t)array->dims[d], &bytes) || bytes > room)
      return setun_text_fail(error, "'%s' is truncated: its header promises more data than the file holds", path);
  bytes = empty ? 0 : bytes;
  if (bytes > room)
    return setun_text_fail(error, "'%s' is truncated: its header promises more data than the file holds", path);
  array->data = aligned_alloc(SETUN_ALIGNMENT, (bytes + SETUN_ALIGNMENT) / SETUN_ALIGNMENT * SETUN_ALIGNMENT);
  if (!array->data)
    return setun_text_fail(error, "out of memory reading '%s'", path);
  if (fread(array->data, 1, bytes, file) != bytes)
    return setun_text_fail(error, "cannot read '%s'", path);
  return 0;
}

int setun_npy_read(const char *path, setun_array *array, setun_text *error) {
  memset(array, 0, sizeof *array);
  FILE *file = fopen(path, "rbe");
  if (!file)
    return setun_text_fail(error, "cannot open '%s': %m", path);
  char *header = malloc(MAX_HEADER + 1);
  int failed = header ? read_file(file, path, array, header, error) : setun_text_fail(error, "out of memory");
  free(header);
  fclose(file);
  if (failed) {
    free(array->data);
    array->data = NULL;
  }
  return failed;
}
