/*===- npy_write.c - Arrays to files -------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A file is written under a temporary name beside its own, and gets its own only when the whole command has succeeded.
 */

#define _GNU_SOURCE
#include "Half.h"
#include "Main.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER 320 /* fixed, so that it can be filled in at the end */

static int write_failed(const setun_npy_file *npy, setun_text *error) {
  return setun_text_fail(error, "cannot write '%s': %m", npy->path);
}

int setun_npy_create(setun_npy_file *npy, const char *path, setun_text *error) {
  memset(npy, 0, sizeof *npy);
  npy->path = strdup(path);
  if (!npy->path || asprintf(&npy->temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
    npy->temporary = NULL;
    return setun_text_fail(error, "out of memory");
  }
  npy->file = fopen(npy->temporary, "wbxe");
  npy->made = npy->file != NULL;
  static const char blank[HEADER];
  if (!npy->file || fwrite(blank, 1, sizeof blank, npy->file) != sizeof blank)
    return write_failed(npy, error);
  return 0;
}

int setun_npy_append(setun_npy_file *npy, setun_dtype dtype, const void *data, int64_t count, setun_text *error) {
  if (dtype != SETUN_BF16) {
    size_t size = setun_dtype_size(dtype);
    return fwrite(data, size, (size_t)count, npy->file) == (size_t)count ? 0 : write_failed(npy, error);
  }
  float wide[1024];
  for (int64_t i = 0; i < count; i += 1024) {
    int64_t step = count - i < 1024 ? count - i : 1024;
    setun_widen(dtype, (const uint16_t *)data + i, step, wide);
    if (fwrite(wide, sizeof *wide, (size_t)step, npy->file) != (size_t)step)
      return write_failed(npy, error);
  }
  return 0;
}

int setun_npy_finish(setun_npy_file *npy, setun_dtype dtype, const int64_t *dims, uint32_t rank, setun_text *error) {
  char header[HEADER + 1], *at = header + 10;
  memcpy(header, "\x93NUMPY\1\0", 8);
  header[8] = (char)((HEADER - 10) & 255);
  header[9] = (char)((HEADER - 10) >> 8);
  int room = HEADER - 10;
  int used = snprintf(at, (size_t)room, "{'descr': '%s', 'fortran_order': False, 'shape': (", setun_npy_descr(dtype));
  for (uint32_t d = 0; d < rank && used < room; ++d)
    used += snprintf(at + used, (size_t)(room - used), "%lld%s", (long long)dims[d],
                     d + 1 < rank ? ", "
                     : rank == 1  ? ","
                                  : "");
  if (used < room)
    used += snprintf(at + used, (size_t)(room - used), "), }");
  if (used >= room)
    return setun_text_fail(error, "cannot write '%s': too many dimensions", npy->path);
  memset(at + used, ' ', (size_t)(room - used));
  header[HEADER - 1] = '\n';
  if (fseek(npy->file, 0, SEEK_SET) || fwrite(header, 1, HEADER, npy->file) != HEADER || fflush(npy->file))
    return write_failed(npy, error);
  return 0;
}

int setun_npy_commit(setun_npy_file *npy, setun_text *error) {
  FILE *file = npy->file;
  npy->file = NULL;
  if (fclose(file) || rename(npy->temporary, npy->path))
    return write_failed(npy, error);
  npy->made = false;
  return 0;
}

void setun_npy_close(setun_npy_file *npy) {
  if (npy->file)
    fclose(npy->file);
  if (npy->made)
    unlink(npy->temporary);
  free(npy->temporary);
  free(npy->path);
  memset(npy, 0, sizeof *npy);
}
