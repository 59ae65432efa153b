/*===- driver.c - NVIDIA's driver library -------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Cuda.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST = 12000 }; /* the driver's version: CUDA 12.0 */

int setun_cuda_fail(const cuda_api *api, CUresult result, setun_message message, const char *format, ...) {
  const char *name = NULL, *words = NULL;
  char what[256];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  if (api->cuGetErrorName(result, &name) || !name)
    name = "an unknown error";
  if (api->cuGetErrorString(result, &words) || !words)
    words = "no description";
  return setun_fail(message, "%s: %s (%s)", what, name, words);
}

bool setun_cuda_wanted(const char *variable) {
  const char *value = getenv(variable);
  return !value || strcmp(value, "0") != 0;
}

/* The first function that the library lacks, or NULL. */
static const char *find_functions(cuda_api *api, void *library) {
  const char *missing = NULL;
#define FIND(name, symbol, parameters)                                                                                 \
  *(void **)&api->name = dlsym(library, #symbol);                                                                      \
  if (!api->name && !missing)                                                                                          \
    missing = #symbol;
  SETUN_CUDA_FUNCTIONS(FIND)
  const char *real = missing;
  SETUN_CUDA_EMULATION(FIND)
#undef FIND
  return real;
}

int setun_cuda_load(cuda_api *api, setun_message message) {
  const char *named = getenv("SETUN_CUDA_DRIVER"), *path = named && *named ? named : "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return setun_fail(message, "there is no CUDA driver: %s", why ? why : path);
  }
  const char *missing = find_functions(api, library);
  if (api->cuDriverGetVersion && api->cuDriverGetVersion(&api->version) == CUDA_SUCCESS && api->version < OLDEST)
    return setun_fail(message, "the CUDA driver is too old: it is for CUDA %d.%d, and 12.0 or later is needed",
                      api->version / 1000, api->version % 1000 / 10);
  if (missing)
    return setun_fail(message, "%s is no CUDA driver of version 12.0 or later: it has no function %s", path, missing);
  CUresult result = api->cuInit(0);
  if (result == CUDA_ERROR_NO_DEVICE)
    return setun_fail(message, "there is no CUDA device");
  return result ? setun_cuda_fail(api, result, message, "the CUDA driver does not start") : 0;
}
