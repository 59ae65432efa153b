/*===- find.c - The devices that are there ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"
#include <stdio.h>
#include <string.h>

int setun_cuda_capability(const cuda_api *api, CUdevice device) {
  int major = 0, minor = 0;
  if (api->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) ||
      api->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device))
    return 0;
  return major * 10 + minor;
}

bool setun_cuda_fits(const cuda_api *api, const setun_device_code *code, const setun_image *image, int capability) {
  bool emulates = false;
  for (uint32_t i = 0; api->setunModuleLoadBitcode && i < code->num_images; ++i)
    emulates |= code->images[i].kind == SETUN_IMAGE_BITCODE;
  int arch = (int)image->arch;
  if (image->exact && arch != capability)
    return false;
  if (emulates || image->kind == SETUN_IMAGE_BITCODE)
    return emulates && image->kind == SETUN_IMAGE_BITCODE;
  if (image->exact)
    return true;
  /* Machine code runs on later devices of its own generation, PTX on all. */
  return arch <= capability && (image->kind == SETUN_IMAGE_PTX || arch / 10 == capability / 10);
}

/* Whether the code runs on device `index`; if not, why. */
static int check(const cuda_api *api, const setun_device_code *code, int32_t index, setun_message message) {
  CUdevice device;
  CUresult result = api->cuDeviceGet(&device, index);
  if (result)
    return setun_cuda_fail(api, result, message, "CUDA device %d", index);
  char name[96] = "unknown";
  (void)api->cuDeviceGetName(name, sizeof name, device);
  int capability = setun_cuda_capability(api, device), needed = (int)code->arch;
  if (capability < needed)
    return setun_fail(message, "CUDA device %d (%s) is too old: its compute capability is %d.%d, and %d.%d is needed",
                      index, name, capability / 10, capability % 10, needed / 10, needed % 10);
  for (uint32_t i = 0; i < code->num_images; ++i)
    if (setun_cuda_fits(api, code, &code->images[i], capability))
      return 0;
  char images[128] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < code->num_images && used < sizeof images; ++i)
    used += (size_t)snprintf(images + used, sizeof images - used, "%ssm_%u%s", i ? ", " : "", code->images[i].arch,
                             code->images[i].exact ? " alone" : "");
  return setun_fail(message, "the model has no code for CUDA device %d (%s, compute capability %d.%d); it has: %s",
                    index, name, capability / 10, capability % 10, images);
}

int setun_cuda_find(const setun_device_code *code, int32_t index, int32_t *found, setun_message message) {
  cuda_api api = {0};
  int count = 0;
  if (setun_cuda_load(&api, message))
    return -1;
  CUresult result = api.cuDeviceGetCount(&count);
  if (result)
    return setun_cuda_fail(&api, result, message, "cannot count the CUDA devices");
  if (count == 0)
    return setun_fail(message, "there is no CUDA device");
  if (index >= count)
    return setun_fail(message, "there is no CUDA device %d: there %s %d, counted from 0", index,
                      count == 1 ? "is" : "are", count);
  /* The message is the first device's. */
  for (int32_t i = index < 0 ? 0 : index; i < (index < 0 ? count : index + 1); ++i)
    if (check(&api, code, i, i == 0 || index >= 0 ? message : (setun_message){NULL, 0}) == 0) {
      *found = i;
      return 0;
    }
  return -1;
}

int setun_cuda_list(char *text, size_t size, setun_message message) {
  cuda_api api = {0};
  int count = 0;
  if (setun_cuda_load(&api, message))
    return -1;
  if (api.cuDeviceGetCount(&count) || count == 0)
    return setun_fail(message, "there is no CUDA device");
  size_t used = 0;
  for (int i = 0; i < count && used < size; ++i) {
    CUdevice device;
    char name[96] = "unknown";
    size_t bytes = 0;
    if (api.cuDeviceGet(&device, i))
      continue;
    (void)api.cuDeviceGetName(name, sizeof name, device);
    (void)api.cuDeviceTotalMem(&bytes, device);
    int capability = setun_cuda_capability(&api, device);
    used += (size_t)snprintf(text + used, size - used, "cuda:%d %s, compute capability %d.%d, %.1f GiB\n", i, name,
                             capability / 10, capability % 10, (double)bytes / (1 << 30));
  }
  return 0;
}
