/*===- weights.c - Weights on their way to the device -------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A copy from pinned memory is several times as fast as one from a mapped file, and pinning the file's pages takes as
 * long as reading them. So the bytes go through two pinned buffers: one is filled while the other is on its way. */

#include "Cuda.h"
#include <string.h>

enum { PIECE = 16 << 20, BUFFERS = 2 };

typedef struct stage {
  void *memory;
  CUevent done;
} stage;

static int upload(const setun_device *device, const setun_device_source *source, stage *stages, CUstream stream,
                  setun_message message) {
  const cuda_api *api = &device->api;
  CUresult result = CUDA_SUCCESS;
  size_t index = 0;
  for (uint64_t at = 0; at < source->weights_size && !result; ++index) {
    stage *s = &stages[index % BUFFERS];
    size_t size = source->weights_size - at < PIECE ? (size_t)(source->weights_size - at) : PIECE;
    if (index >= BUFFERS)
      result = api->cuEventSynchronize(s->done);
    if (result)
      break;
    memcpy(s->memory, source->weights + at, size);
    result = api->cuMemcpyHtoDAsync(device->weights + at, s->memory, size, stream);
    if (!result)
      result = api->cuEventRecord(s->done, stream);
    at += size;
    if (source->progress)
      source->progress(source->user, at, source->weights_size);
  }
  CUresult end = api->cuStreamSynchronize(stream);
  result = result ? result : end;
  return result ? setun_cuda_fail(api, result, message, "the weights cannot be copied to %s", device->name) : 0;
}

int setun_cuda_upload_weights(setun_device *device, const setun_device_source *source, setun_message message) {
  const cuda_api *api = &device->api;
  if (source->weights_size == 0)
    return 0;
  char text[256] = "";
  if (setun_cuda_allocate(device, source->weights_size, &device->weights, (setun_message){text, sizeof text}))
    return setun_fail(message, "the weights do not fit: %s", text);
  stage stages[BUFFERS] = {{0}};
  CUstream stream = NULL;
  CUresult result = api->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  size_t piece = source->weights_size < PIECE ? (size_t)source->weights_size : PIECE;
  for (int i = 0; i < BUFFERS && !result; ++i) {
    result = api->cuMemHostAlloc(&stages[i].memory, piece, CU_MEMHOSTALLOC_PORTABLE);
    if (!result)
      result = api->cuEventCreate(&stages[i].done, CU_EVENT_DISABLE_TIMING);
  }
  int failed = result ? setun_cuda_fail(api, result, message, "the weights cannot be copied to %s", device->name)
                      : upload(device, source, stages, stream, message);
  for (int i = 0; i < BUFFERS; ++i) {
    if (stages[i].done)
      (void)api->cuEventDestroy(stages[i].done);
    if (stages[i].memory)
      (void)api->cuMemFreeHost(stages[i].memory);
  }
  if (stream)
    (void)api->cuStreamDestroy(stream);
  return failed;
}
