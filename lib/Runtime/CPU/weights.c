/*===- weights.c - Finding and mapping weights ---------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The weights are a .safetensors file that is mapped and never parsed: the compiler has baked its size, the place of
 * its data and a hash of its header into the model. The file stands beside the model, or the same bytes are appended to
 * the model's own file. An appended one starts on a page and is told by a trailer, the last 24 bytes of the file:
 *
 *   "SETUNWTS"   8 bytes
 *   offset       u64, little-endian: where the safetensors bytes begin
 *   size         u64, little-endian: how many there are
 */

#define _GNU_SOURCE
#include "Internal.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t fnv1a(const uint8_t *bytes, uint64_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < size; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

/* The file that holds the model's code: the library it was linked into, or this program. */
static int find_own_file(const setun_model_desc *model, const char *library, char path[PATH_MAX],
                         setun_message message) {
  Dl_info own, program;
  if (!library && dladdr(model, &own) && dladdr((void *)getauxval(AT_PHDR), &program) &&
      own.dli_fbase != program.dli_fbase)
    library = own.dli_fname;
  if (library) {
    if (strlen(library) >= PATH_MAX)
      return setun_fail(message, "path too long: %s", library);
    strcpy(path, library);
    return 0;
  }
  ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (length < 0)
    return setun_fail(message, "cannot tell where this program's file is: %m");
  path[length] = 0;
  return 0;
}

/* Replaces the file's name in `path` by `name`. */
static int beside(char path[PATH_MAX], const char *name, setun_message message) {
  char *slash = strrchr(path, '/');
  size_t folder = slash && *name != '/' ? (size_t)(slash + 1 - path) : 0;
  if (folder + strlen(name) >= PATH_MAX)
    return setun_fail(message, "path too long: %s", name);
  strcpy(path + folder, name);
  return 0;
}

static uint64_t read_u64(const uint8_t *bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i)
    value = value << 8 | bytes[i];
  return value;
}

/* Finds where an appended weights file starts. */
static int read_trailer(int file, const char *path, uint64_t file_size, uint64_t *offset, uint64_t *size,
                        setun_message message) {
  uint8_t trailer[24];
  if (file_size < sizeof trailer ||
      pread(file, trailer, sizeof trailer, (off_t)(file_size - sizeof trailer)) != (ssize_t)sizeof trailer ||
      memcmp(trailer, "SETUNWTS", 8) != 0)
    return setun_fail(message,
                      "'%s': the weights that were appended to this file are missing (was it stripped or cut?)", path);
  *offset = read_u64(trailer + 8);
  *size = read_u64(trailer + 16);
  uint64_t room = file_size - sizeof trailer;
  if (*offset > room || *size > room - *offset)
    return setun_fail(message, "'%s': the appended weights reach past the end of the file (was it cut?)", path);
  return 0;
}

static int map_file(setun_weights *weights, const setun_model_desc *model, int file, const char *path, bool appended,
                    setun_message message) {
  struct stat info;
  if (fstat(file, &info))
    return setun_fail(message, "cannot read weights '%s': %m", path);
  if (!S_ISREG(info.st_mode))
    return setun_fail(message, "cannot read weights '%s': not a regular file", path);
  uint64_t offset = 0, size = (uint64_t)info.st_size;
  if (appended && read_trailer(file, path, size, &offset, &size, message))
    return -1;
  if (size != model->weights_size)
    return setun_fail(message, "weights '%s': %s: %llu bytes, expected %llu", path,
                      size < model->weights_size ? "truncated, or of another model" : "of another model",
                      (unsigned long long)size, (unsigned long long)model->weights_size);
  uint64_t skip = offset % (uint64_t)sysconf(_SC_PAGESIZE);
  if (model->data_offset > size || (skip + model->data_offset) % SETUN_ALIGNMENT)
    return setun_fail(message, "weights '%s': the data section is not where a model can have it", path);
  void *map = mmap(NULL, size + skip, PROT_READ, MAP_PRIVATE, file, (off_t)(offset - skip));
  if (map == MAP_FAILED)
    return setun_fail(message, "cannot map weights '%s': %m", path);
  weights->map = map;
  weights->map_size = size + skip;
  const uint8_t *start = (const uint8_t *)map + skip;
  if (fnv1a(start, model->data_offset) != model->header_hash)
    return setun_fail(message, "weights '%s': of another model, or damaged (the header's hash differs)", path);
  /* Advice only: huge pages need a file system that has them. */
  (void)madvise(map, weights->map_size, MADV_HUGEPAGE);
  (void)madvise(map, weights->map_size, MADV_WILLNEED);
  weights->data = start + model->data_offset;
  return 0;
}

int setun_weights_map(setun_weights *weights, const setun_model_desc *model, const char *library, const char *override,
                      setun_message message) {
  if (model->weights_size == 0)
    return 0;
  char path[PATH_MAX];
  bool appended = !override && !model->weights_file;
  if (override && strlen(override) >= PATH_MAX)
    return setun_fail(message, "path too long: %s", override);
  if (override)
    strcpy(path, override);
  else if (find_own_file(model, library, path, message) ||
           (model->weights_file && beside(path, model->weights_file, message)))
    return -1;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return setun_fail(message, "cannot open weights '%s': %m", path);
  int failed = map_file(weights, model, file, path, appended, message);
  close(file);
  return failed;
}

void setun_weights_unmap(setun_weights *weights) {
  if (weights->map)
    munmap(weights->map, weights->map_size);
  *weights = (setun_weights){0};
}
