/*===- device.c - A program on a device ---------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int setun_cuda_enter(const setun_device *device, setun_message message) {
  CUresult result = device->api.cuCtxPushCurrent(device->context);
  return result ? setun_cuda_fail(&device->api, result, message, "%s", device->name) : 0;
}

void setun_cuda_leave(const setun_device *device) {
  CUcontext own;
  (void)device->api.cuCtxPopCurrent(&own);
}

int setun_cuda_allocate(const setun_device *device, size_t size, CUdeviceptr *pointer, setun_message message) {
  const cuda_api *api = &device->api;
  CUresult result = api->cuMemAlloc(pointer, size);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    size_t free = 0, total = 0;
    (void)api->cuMemGetInfo(&free, &total);
    return setun_fail(message, "%zu bytes are needed, and %zu of %zu are free on %s", size, free, total, device->name);
  }
  return result ? setun_cuda_fail(api, result, message, "%s gives no memory", device->name) : 0;
}

/* Everything but the allocation of the struct; what fails is undone by `close`. */
static int open_on(setun_device *device, const setun_device_source *source, setun_message message) {
  const cuda_api *api = &device->api;
  if (setun_cuda_load(&device->api, message))
    return -1;
  CUresult result = api->cuDeviceGet(&device->device, source->index);
  if (result)
    return setun_cuda_fail(api, result, message, "CUDA device %d", source->index);
  device->capability = setun_cuda_capability(api, device->device);
  char name[96] = "CUDA device";
  (void)api->cuDeviceGetName(name, sizeof name, device->device);
  snprintf(device->name, sizeof device->name, "%s", name);
  /* The context that PyTorch and the CUDA runtime use as well: pointers are good on both sides. */
  result = api->cuDevicePrimaryCtxRetain(&device->context, device->device);
  if (result) {
    device->context = NULL;
    return setun_cuda_fail(api, result, message, "%s cannot be used", device->name);
  }
  if (setun_cuda_enter(device, message))
    return -1;
  int failed = setun_cuda_load_module(device, message) || setun_cuda_upload_weights(device, source, message);
  setun_cuda_leave(device);
  return failed ? -1 : 0;
}

static void close_device(setun_device *device) {
  const cuda_api *api = &device->api;
  if (device->context && setun_cuda_enter(device, (setun_message){NULL, 0}) == 0) {
    if (device->weights)
      (void)api->cuMemFree(device->weights);
    if (device->module)
      (void)api->cuModuleUnload(device->module);
    setun_cuda_leave(device);
  }
  if (device->context)
    (void)api->cuDevicePrimaryCtxRelease(device->device);
  pthread_mutex_destroy(&device->lock);
  free(device->kernels);
  free(device);
}

static setun_device *open_device(const setun_device_source *source, setun_message message) {
  setun_device *device = calloc(1, sizeof *device);
  if (!device) {
    setun_fail(message, "out of memory");
    return NULL;
  }
  device->code = source->code;
  device->index = source->index;
  pthread_mutex_init(&device->lock, NULL);
  if (open_on(device, source, message)) {
    close_device(device);
    return NULL;
  }
  return device;
}

static const char *get_name(const setun_device *device) { return device->name; }

static const uint8_t *get_weights(const setun_device *device) { return (const uint8_t *)(uintptr_t)device->weights; }

static void *get_stream(const setun_queue *queue) { return queue->stream; }

static setun_device_frame *get_frame(const setun_queue *queue) {
  return (setun_device_frame *)(uintptr_t)(queue->mailbox_on_device + CUDA_FRAME);
}

/*===-- Memory ------------------------------------------------------------===*/

static void *reserve_in(setun_queue *queue, size_t size, bool host, setun_message message) {
  const cuda_api *api = &queue->device->api;
  if (host) {
    void *memory = NULL;
    CUresult result = api->cuMemHostAlloc(&memory, size, CU_MEMHOSTALLOC_PORTABLE);
    if (result)
      setun_cuda_fail(api, result, message, "%zu bytes of the host", size);
    return result ? NULL : memory;
  }
  CUdeviceptr pointer;
  if (setun_cuda_allocate(queue->device, size, &pointer, message))
    return NULL;
  CUresult result = api->cuMemsetD8Async(pointer, 0, size, queue->stream);
  if (result) {
    setun_cuda_fail(api, result, message, "%s", queue->device->name);
    (void)api->cuMemFree(pointer);
    return NULL;
  }
  return (void *)(uintptr_t)pointer;
}

static void *reserve(setun_queue *queue, size_t size, bool host, setun_message message) {
  if (setun_cuda_enter(queue->device, message))
    return NULL;
  void *memory = reserve_in(queue, size, host, message);
  setun_cuda_leave(queue->device);
  return memory;
}

static void release(setun_queue *queue, void *memory, bool host) {
  const cuda_api *api = &queue->device->api;
  if (setun_cuda_enter(queue->device, (setun_message){NULL, 0}))
    return;
  (void)api->cuStreamSynchronize(queue->stream);
  if (host)
    (void)api->cuMemFreeHost(memory);
  else
    (void)api->cuMemFree((CUdeviceptr)(uintptr_t)memory);
  setun_cuda_leave(queue->device);
}

static int copy(setun_queue *queue, void *to, const void *from, size_t size, setun_direction direction,
                setun_message message) {
  const cuda_api *api = &queue->device->api;
  CUdeviceptr there = (CUdeviceptr)(uintptr_t)to, here = (CUdeviceptr)(uintptr_t)from;
  if (setun_cuda_enter(queue->device, message))
    return -1;
  CUresult result = direction == SETUN_TO_DEVICE ? api->cuMemcpyHtoDAsync(there, from, size, queue->stream)
                    : direction == SETUN_TO_HOST ? api->cuMemcpyDtoHAsync(to, here, size, queue->stream)
                                                 : api->cuMemcpyDtoDAsync(there, here, size, queue->stream);
  setun_cuda_leave(queue->device);
  return result ? setun_cuda_fail(api, result, message, "%s cannot copy", queue->device->name) : 0;
}

static int zero(setun_queue *queue, void *to, size_t size, setun_message message) {
  if (size == 0)
    return 0;
  if (setun_cuda_enter(queue->device, message))
    return -1;
  CUresult result = queue->device->api.cuMemsetD8Async((CUdeviceptr)(uintptr_t)to, 0, size, queue->stream);
  setun_cuda_leave(queue->device);
  return result ? setun_cuda_fail(&queue->device->api, result, message, "%s", queue->device->name) : 0;
}

static int wait(setun_queue *queue, setun_message message) {
  if (setun_cuda_enter(queue->device, message))
    return -1;
  CUresult result = queue->device->api.cuStreamSynchronize(queue->stream);
  setun_cuda_leave(queue->device);
  return result ? setun_cuda_fail(&queue->device->api, result, message, "%s", queue->device->name) : 0;
}

/*===-- The driver --------------------------------------------------------===*/

static const setun_device_driver cuda = {.name = "cuda",
                                         .type = 2,
                                         .find = setun_cuda_find,
                                         .list = setun_cuda_list,
                                         .open = open_device,
                                         .close = close_device,
                                         .get_name = get_name,
                                         .get_weights = get_weights,
                                         .open_queue = setun_cuda_open_queue,
                                         .close_queue = setun_cuda_close_queue,
                                         .get_stream = get_stream,
                                         .get_frame = get_frame,
                                         .reserve = reserve,
                                         .release = release,
                                         .copy = copy,
                                         .zero = zero,
                                         .wait = wait,
                                         .begin = setun_cuda_begin,
                                         .give = setun_cuda_give,
                                         .launch = setun_cuda_launch,
                                         .read = setun_cuda_read,
                                         .argmax = setun_cuda_argmax,
                                         .draw = setun_cuda_draw,
                                         .finish = setun_cuda_finish,
                                         .tokens = setun_cuda_tokens};

const setun_device_driver *const setun_device_drivers[] = {&cuda, NULL};
