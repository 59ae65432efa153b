/*===- launch.c - Kernels on their way ----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"
#include <string.h>

int setun_cuda_tell(setun_queue *queue, size_t bytes) {
  const cuda_api *api = &queue->device->api;
  CUresult result =
      api->cuMemcpyHtoDAsync(queue->mailbox_on_device + CUDA_FRAME, queue->mailbox + CUDA_FRAME, bytes, queue->stream);
  return result ? setun_cuda_fail(api, result, setun_cuda_failure(queue), "%s", queue->device->name) : 0;
}

int setun_cuda_hear(setun_queue *queue) {
  const cuda_api *api = &queue->device->api;
  size_t first = CUDA_FRAME - queue->tokens;
  CUresult result = api->cuMemcpyDtoHAsync(queue->answer + first, queue->mailbox_on_device + first, CUDA_ANSWER - first,
                                           queue->stream);
  return result ? setun_cuda_fail(api, result, setun_cuda_failure(queue), "%s", queue->device->name) : 0;
}

int setun_cuda_launch_one(setun_queue *queue, const cuda_record *record, bool behind) {
  const setun_device *device = queue->device;
  const cuda_kernel *kernel = &device->kernels[record->kernel];
  size_t size = (size_t)record->params_size;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)(uintptr_t)(record + 1), CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  CUlaunchAttribute attributes[2];
  memset(attributes, 0, sizeof attributes);
  CUlaunchConfig config = {record->grid[0],  record->grid[1], record->grid[2], record->block[0], record->block[1],
                           record->block[2], record->shared,  queue->stream,   attributes,       0};
  if (kernel->dependent && queue->with_early_starts && behind && !queue->profile) {
    attributes[config.numAttrs].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attributes[config.numAttrs++].value.programmaticStreamSerializationAllowed = 1;
  }
  if (kernel->cooperative) {
    attributes[config.numAttrs].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    attributes[config.numAttrs++].value.cooperative = 1;
  }
  CUresult result = device->api.cuLaunchKernelEx(&config, kernel->function, NULL, extra);
  if (!result)
    return 0;
  return setun_cuda_fail(
      &device->api, result, setun_cuda_failure(queue),
      "kernel '%s' (%u x %u x %u blocks of %u x %u x %u threads, %u bytes shared) cannot be launched",
      device->code->kernels[record->kernel], record->grid[0], record->grid[1], record->grid[2], record->block[0],
      record->block[1], record->block[2], record->shared);
}

int setun_cuda_launch_all(setun_queue *queue, const cuda_list *list, bool behind) {
  setun_cuda_mark(queue, 0);
  for (size_t i = 0; i < list->count; ++i) {
    if (setun_cuda_launch_one(queue, setun_cuda_record(list, i), behind || i > 0))
      return -1;
    setun_cuda_mark(queue, i + 1);
  }
  return 0;
}
