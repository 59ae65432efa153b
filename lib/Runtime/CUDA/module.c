/*===- module.c - Device code and its kernels ---------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DEFAULT_SHARED = 48 << 10,
  LOG_SIZE = 2048,
  DEPENDENT_VERSION = 12030 /* the first that takes dependent launches into graphs */
};

static bool ends_with(const char *name, const char *end) {
  size_t length = strlen(name), size = strlen(end);
  return length >= size && strcmp(name + length - size, end) == 0;
}

/* A log as one line. */
static void flatten(char *log) {
  size_t length = strlen(log);
  while (length && (log[length - 1] == '\n' || log[length - 1] == ' '))
    log[--length] = 0;
  for (; *log; ++log)
    if (*log == '\n')
      *log = ';';
}

static const char *describe(const setun_image *image) {
  return image->kind == SETUN_IMAGE_PTX ? "PTX" : image->kind == SETUN_IMAGE_CUBIN ? "machine code" : "bitcode";
}

static int load_image(setun_device *device, const setun_image *image, setun_message message) {
  const cuda_api *api = &device->api;
  char log[LOG_SIZE] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(uintptr_t)sizeof log};
  CUresult result = image->kind == SETUN_IMAGE_BITCODE
                        ? api->setunModuleLoadBitcode(&device->module, image->data, image->size)
                        : api->cuModuleLoadDataEx(&device->module, image->data, 2, options, values);
  if (!result)
    return 0;
  device->module = NULL;
  log[sizeof log - 1] = 0;
  flatten(log);
  const char *hint = result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ? " (a newer driver takes it)" : "";
  return setun_cuda_fail(api, result, message, "%s does not take the model's %s for sm_%u%s%s%s", device->name,
                         describe(image), image->arch, hint, log[0] ? ": " : "", log);
}

static int find_kernels(setun_device *device, setun_message message) {
  const cuda_api *api = &device->api;
  const setun_device_code *code = device->code;
  bool dependents =
      device->capability >= 90 && api->version >= DEPENDENT_VERSION && setun_cuda_wanted("SETUN_CUDA_PDL");
  device->kernels = calloc(code->num_kernels + 1, sizeof *device->kernels);
  if (!device->kernels)
    return setun_fail(message, "out of memory");
  for (uint32_t i = 0; i < code->num_kernels; ++i) {
    cuda_kernel *kernel = &device->kernels[i];
    const char *name = code->kernels[i];
    CUresult result = api->cuModuleGetFunction(&kernel->function, device->module, name);
    if (result)
      return setun_cuda_fail(api, result, message, "the model's device code has no kernel '%s'", name);
    int own = 0;
    (void)api->cuFuncGetAttribute(&own, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernel->function);
    kernel->shared = own < DEFAULT_SHARED ? (uint32_t)(DEFAULT_SHARED - own) : 0;
    kernel->dependent = dependents && ends_with(name, "_pdl");
    kernel->cooperative = ends_with(name, "_coop");
  }
  setun_cuda_find_persistent(device);
  return 0;
}

int setun_cuda_load_module(setun_device *device, setun_message message) {
  const setun_device_code *code = device->code;
  /* Of machine code that the driver refuses the next image may do: PTX, as a rule. */
  for (uint32_t i = 0; i < code->num_images && !device->module; ++i)
    if (setun_cuda_fits(&device->api, code, &code->images[i], device->capability))
      (void)load_image(device, &code->images[i], message);
  return device->module ? find_kernels(device, message) : -1;
}

int setun_cuda_allow_shared(setun_device *device, uint32_t kernel, uint32_t bytes, setun_message message) {
  const cuda_api *api = &device->api;
  cuda_kernel *k = &device->kernels[kernel];
  pthread_mutex_lock(&device->lock);
  CUresult result = CUDA_SUCCESS;
  if (bytes > k->shared)
    result = api->cuFuncSetAttribute(k->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)bytes);
  if (!result && bytes > k->shared)
    k->shared = bytes;
  pthread_mutex_unlock(&device->lock);
  if (!result)
    return 0;
  int most = 0;
  (void)api->cuDeviceGetAttribute(&most, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device->device);
  return setun_cuda_fail(api, result, message, "kernel '%s' takes %u bytes of shared memory, and %s has %d",
                         device->code->kernels[kernel], bytes, device->name, most);
}
