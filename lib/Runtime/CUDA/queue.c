/*===- queue.c - A session on a device ----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"
#include <stdlib.h>
#include <string.h>

enum { ARGMAX_THREADS = 1024 }; /* that kernel counts on them */

static size_t aligned(size_t size) { return (size + SETUN_ALIGNMENT - 1) / SETUN_ALIGNMENT * SETUN_ALIGNMENT; }

/* Behind the device frame and its symbols. */
static size_t frame_end(const setun_queue *queue) {
  return CUDA_FRAME + aligned(sizeof(setun_device_frame) + queue->num_symbols * sizeof(int64_t));
}

static int open_on(setun_queue *queue, setun_message message) {
  const setun_device *device = queue->device;
  const cuda_api *api = &device->api;
  queue->mailbox_size = frame_end(queue) + CUDA_ROOM;
  size_t counters = 2 * SETUN_DEVICE_STEPS * sizeof(uint32_t),
         whole = queue->mailbox_size + (queue->with_persistent ? CUDA_LISTS : 0);
  CUresult result = api->cuStreamCreate(&queue->stream, CU_STREAM_NON_BLOCKING);
  if (!result)
    result = api->cuMemHostAlloc((void **)&queue->mailbox, whole + CUDA_ANSWER, CU_MEMHOSTALLOC_PORTABLE);
  if (result)
    return setun_cuda_fail(api, result, message, "%s cannot be used", device->name);
  queue->answer = queue->mailbox + whole;
  queue->tokens = SETUN_ALIGNMENT;
  memset(queue->mailbox, 0, whole + CUDA_ANSWER);
  if (setun_cuda_allocate(device, whole, &queue->mailbox_on_device, message))
    return -1;
  if (!queue->with_persistent)
    return 0;
  if (setun_cuda_allocate(device, counters, &queue->counters, message))
    return -1;
  result = api->cuMemsetD8Async(queue->counters, 0, counters, queue->stream);
  return result ? setun_cuda_fail(api, result, message, "%s cannot be used", device->name) : 0;
}

static void close_on(setun_queue *queue) {
  const cuda_api *api = &queue->device->api;
  if (queue->stream)
    (void)api->cuStreamSynchronize(queue->stream);
  for (size_t i = 0; i < CUDA_GRAPHS; ++i)
    setun_cuda_graph_free(queue, &queue->graphs[i]);
  setun_cuda_close_profile(queue);
  if (queue->counters)
    (void)api->cuMemFree(queue->counters);
  if (queue->mailbox_on_device)
    (void)api->cuMemFree(queue->mailbox_on_device);
  if (queue->mailbox)
    (void)api->cuMemFreeHost(queue->mailbox);
  if (queue->stream)
    (void)api->cuStreamDestroy(queue->stream);
}

void setun_cuda_close_queue(setun_queue *queue) {
  if (setun_cuda_enter(queue->device, (setun_message){NULL, 0}) == 0) {
    close_on(queue);
    setun_cuda_leave(queue->device);
  }
  for (size_t i = 0; i < CUDA_SEEN; ++i)
    setun_cuda_list_free(&queue->seen[i]);
  setun_cuda_list_free(&queue->list);
  free(queue);
}

setun_queue *setun_cuda_open_queue(setun_device *device, uint32_t num_symbols, setun_message message) {
  setun_queue *queue = calloc(1, sizeof *queue);
  if (!queue) {
    setun_fail(message, "out of memory");
    return NULL;
  }
  queue->device = device;
  queue->num_symbols = num_symbols;
  queue->with_graphs = setun_cuda_wanted("SETUN_CUDA_GRAPH");
  queue->with_early_starts = true;
  queue->with_persistent = device->persistent_blocks > 0;
  int failed = setun_cuda_enter(device, message);
  if (!failed) {
    failed = open_on(queue, message) || setun_cuda_open_profile(queue, message);
    setun_cuda_leave(device);
  }
  if (failed) {
    setun_cuda_close_queue(queue);
    return NULL;
  }
  return queue;
}

setun_message setun_cuda_failure(setun_queue *queue) {
  bool first = !queue->failed;
  queue->failed = true;
  return first ? (setun_message){queue->failure, sizeof queue->failure} : (setun_message){NULL, 0};
}

/*===-- A run -------------------------------------------------------------===*/

void setun_cuda_begin(setun_queue *queue, const int64_t *symbols) {
  setun_cuda_list_clear(&queue->list);
  queue->failed = queue->launched = false;
  queue->told = !symbols;
  queue->mailbox_used = frame_end(queue);
  if (!symbols)
    return;
  setun_device_frame *frame = (setun_device_frame *)(void *)(queue->mailbox + CUDA_FRAME);
  *frame = (setun_device_frame){0};
  if (queue->num_symbols)
    memcpy(frame + 1, symbols, queue->num_symbols * sizeof *symbols);
}

void *setun_cuda_give(setun_queue *queue, const void *data, size_t size) {
  if (size > queue->mailbox_size - queue->mailbox_used)
    return NULL;
  size_t at = queue->mailbox_used;
  if (size)
    memcpy(queue->mailbox + at, data, size);
  queue->mailbox_used = at + aligned(size) < queue->mailbox_size ? at + aligned(size) : queue->mailbox_size;
  return (void *)(uintptr_t)(queue->mailbox_on_device + at);
}

void setun_cuda_launch(setun_queue *queue, const setun_launch *launch) {
  setun_device *device = queue->device;
  if (queue->failed)
    return;
  if (launch->kernel >= device->code->num_kernels) {
    setun_fail(setun_cuda_failure(queue), "the model launches kernel %u of %u", launch->kernel,
               device->code->num_kernels);
    return;
  }
  for (int i = 0; i < 3; ++i)
    if (launch->grid[i] == 0)
      return; /* of something empty */
  if (launch->shared_bytes > device->kernels[launch->kernel].shared) {
    setun_message message = {queue->failure, sizeof queue->failure};
    int failed = setun_cuda_enter(device, message);
    if (!failed) {
      failed = setun_cuda_allow_shared(device, launch->kernel, launch->shared_bytes, message);
      setun_cuda_leave(device);
    }
    queue->failed = failed != 0;
    if (failed)
      return;
  }
  if (setun_cuda_list_add(&queue->list, launch))
    setun_fail(setun_cuda_failure(queue), "out of memory");
}

/* Enqueues what is on record, so that something may follow that is none of a graph's. */
static int flush(setun_queue *queue) {
  if (!queue->told && setun_cuda_tell(queue, queue->mailbox_used - CUDA_FRAME))
    return -1;
  queue->told = queue->launched = true;
  setun_cuda_profile_list(queue);
  int failed = setun_cuda_launch_all(queue, &queue->list, false);
  setun_cuda_list_clear(&queue->list);
  return failed;
}

void setun_cuda_read(setun_queue *queue, void *host, const void *device, uint64_t size) {
  const cuda_api *api = &queue->device->api;
  memset(host, 0, size); /* what the code goes on with after a failure */
  if (queue->failed)
    return;
  if (setun_cuda_enter(queue->device, (setun_message){queue->failure, sizeof queue->failure})) {
    queue->failed = true;
    return;
  }
  CUresult result = CUDA_SUCCESS;
  if (flush(queue) == 0) {
    result = api->cuMemcpyDtoHAsync(host, (CUdeviceptr)(uintptr_t)device, size, queue->stream);
    if (!result)
      result = api->cuStreamSynchronize(queue->stream);
    if (!result)
      setun_cuda_add_times(queue);
  }
  if (result)
    setun_cuda_fail(api, result, setun_cuda_failure(queue), "the kernels failed on %s", queue->device->name);
  setun_cuda_leave(queue->device);
}

int64_t setun_cuda_find_kernel(const setun_device_code *code, const char *name) {
  for (uint32_t i = 0; i < code->num_kernels; ++i)
    if (strcmp(code->kernels[i], name) == 0)
      return i;
  return -1;
}

int setun_cuda_argmax(setun_queue *queue, setun_dtype dtype, const void *logits, int64_t vocabulary, int64_t rows) {
  const setun_device *device = queue->device;
  const char *name = dtype == SETUN_F32    ? "setun_argmax"
                     : dtype == SETUN_F16  ? "setun_argmax_f16"
                     : dtype == SETUN_BF16 ? "setun_argmax_bf16"
                                           : "";
  int64_t kernel = setun_cuda_find_kernel(device->code, name);
  if (kernel < 0)
    return -1;
  int threads = 0;
  if (setun_cuda_enter(device, (setun_message){NULL, 0}))
    return -1;
  CUresult result = device->api.cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK,
                                                   device->kernels[kernel].function);
  setun_cuda_leave(device);
  if (result || threads < ARGMAX_THREADS)
    return -1;
  size_t tokens = aligned((size_t)rows * sizeof(int64_t));
  queue->tokens = tokens > queue->tokens ? tokens : queue->tokens;
  CUdeviceptr frame = queue->mailbox_on_device + CUDA_FRAME;
  struct {
    CUdeviceptr frame, logits;
    int64_t vocabulary;
    CUdeviceptr tokens;
  } params = {frame, (CUdeviceptr)(uintptr_t)logits, vocabulary, frame - queue->tokens};
  setun_launch launch = {.kernel = (uint32_t)kernel,
                         .grid = {(uint32_t)rows, 1, 1},
                         .block = {ARGMAX_THREADS, 1, 1},
                         .params_size = sizeof params,
                         .params = &params};
  setun_cuda_launch(queue, &launch);
  return 0;
}

/* What the kernels have found wrong, if anything. */
static int check_fault(const setun_queue *queue, setun_message message) {
  const setun_device_frame *frame = (const setun_device_frame *)(const void *)(queue->answer + CUDA_FRAME);
  const setun_device_code *code = queue->device->code;
  if (frame->fault == 0)
    return 0;
  if (frame->fault <= code->num_messages)
    return setun_fail(message, "%s", code->messages[frame->fault - 1]);
  return setun_fail(message, "a kernel reports fault %u, which the model does not explain", frame->fault);
}

static int finish(setun_queue *queue, bool drop, setun_message message) {
  const cuda_api *api = &queue->device->api;
  queue->list.upload = queue->mailbox_used - CUDA_FRAME;
  queue->list.tokens = queue->tokens;
  if (!queue->failed && !drop) {
    if (queue->told || queue->launched)
      (void)(flush(queue) || setun_cuda_hear(queue));
    else
      (void)setun_cuda_submit(queue);
  }
  CUresult result = api->cuStreamSynchronize(queue->stream);
  if (queue->failed)
    return setun_fail(message, "%s", queue->failure);
  if (result)
    return setun_cuda_fail(api, result, message, "the kernels failed on %s", queue->device->name);
  setun_cuda_add_times(queue);
  return drop ? 0 : check_fault(queue, message);
}

const int64_t *setun_cuda_tokens(const setun_queue *queue) {
  return (const int64_t *)(const void *)(queue->answer + CUDA_FRAME - queue->tokens);
}

int setun_cuda_finish(setun_queue *queue, bool drop, int64_t *token, setun_message message) {
  if (setun_cuda_enter(queue->device, message))
    return -1;
  int failed = finish(queue, drop, message);
  setun_cuda_leave(queue->device);
  *token = *setun_cuda_tokens(queue);
  return failed;
}
