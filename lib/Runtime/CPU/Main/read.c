/*===- read.c - Texts and ids from files -------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Main.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int setun_parse_ids(const char *text, const char *what, int64_t **ids, size_t *count, setun_text *error) {
  *count = 0;
  *ids = malloc((strlen(text) / 2 + 1) * sizeof **ids);
  if (!*ids)
    return setun_text_fail(error, "out of memory");
  const char *at = text;
  for (;;) {
    at += strspn(at, ", \t\r\n");
    if (!*at)
      return *count ? 0 : setun_text_fail(error, "%s holds no token ids", what);
    char *end;
    errno = 0;
    long long id = strtoll(at, &end, 10);
    if (*at < '0' || *at > '9' || errno || (*end && !strchr(", \t\r\n", *end)))
      return setun_text_fail(error, "%s: '%.20s' is not a token id", what, at);
    (*ids)[(*count)++] = id;
    at = end;
  }
}

int setun_read_text(const char *path, char **text, size_t *size, setun_text *error) {
  bool standard = strcmp(path, "-") == 0;
  FILE *file = standard ? stdin : fopen(path, "re");
  if (!file)
    return setun_text_fail(error, "cannot open '%s': %m", path);
  char *bytes = NULL;
  size_t length = 0, reserved = 0;
  int failed = 0;
  do {
    if (reserved - length < 65536) {
      char *larger = realloc(bytes, reserved = reserved * 2 + 131072);
      if (!larger) {
        failed = setun_text_fail(error, "'%s': out of memory", path);
        break;
      }
      bytes = larger;
    }
    length += fread(bytes + length, 1, reserved - length - 1, file);
  } while (!feof(file) && !ferror(file));
  if (!failed && ferror(file))
    failed = setun_text_fail(error, "cannot read '%s': %m", path);
  if (!standard)
    fclose(file);
  if (failed) {
    free(bytes);
    return -1;
  }
  bytes[length] = 0;
  *text = bytes;
  *size = length;
  return 0;
}

int setun_read_ids(const char *path, int64_t **ids, size_t *count, setun_text *error) {
  char *text;
  size_t size;
  if (setun_read_text(path, &text, &size, error))
    return -1;
  int failed = setun_parse_ids(text, path, ids, count, error);
  free(text);
  return failed;
}
