/*===- persistent.c - Runs as one launch --------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The device code's persistent kernel takes a list of launches and does them one after the other, with a barrier
 * between them that costs less than a launch. All of its blocks must be there at once: a cooperative launch. The list
 * goes to the device with the run's inputs, in the same copy. What has no such form (setun_device_code) is launched
 * between two lists. */

#include "Cuda.h"
#include <stdlib.h>
#include <string.h>

enum { FEWEST = 8 }; /* launches that make a list worth it */

typedef struct persistent_params {
  CUdeviceptr frame, list, counters;
  uint32_t first, half;
} persistent_params;

void setun_cuda_find_persistent(setun_device *device) {
  const cuda_api *api = &device->api;
  const setun_device_code *code = device->code;
  const char *asked = getenv("SETUN_CUDA_PERSISTENT");
  int cooperative = 0, threads = 0, blocks = 0, processors = 0;
  device->persistent_blocks = 0;
  if (!code->persistent || !code->num_kernels || !asked || strcmp(asked, "1") != 0)
    return;
  CUfunction function = device->kernels[code->num_kernels - 1].function;
  if (api->cuDeviceGetAttribute(&cooperative, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, device->device) || !cooperative ||
      api->cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function) ||
      api->cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, 0) ||
      api->cuDeviceGetAttribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device->device) || blocks < 1 ||
      processors < 1)
    return;
  device->persistent_threads = (uint32_t)threads;
  device->persistent_blocks = (uint32_t)blocks * (uint32_t)processors;
}

static size_t step_size(const cuda_record *record) {
  return sizeof(setun_device_step) + (size_t)((record->params_size + 15) & ~15ull);
}

static uint64_t count_blocks(const cuda_record *record) {
  return (uint64_t)record->grid[0] * record->grid[1] * record->grid[2];
}

static bool takes(const setun_queue *queue, const cuda_record *record) {
  uint32_t form = queue->device->code->persistent[record->kernel];
  return form && record->block[0] == (form & 0xffff) && record->block[1] == 1 && record->block[2] == 1 &&
         record->shared == 0 && step_size(record) <= SETUN_DEVICE_STEP_BYTES &&
         (uint64_t)record->grid[0] * record->grid[1] <= INT32_MAX && count_blocks(record) <= INT32_MAX;
}

/* The end of the records from `begin` on that make one list. */
static size_t end_of_list(const setun_queue *queue, size_t begin) {
  size_t end = begin;
  while (end < queue->list.count && end - begin < SETUN_DEVICE_STEPS &&
         takes(queue, setun_cuda_record(&queue->list, end)))
    ++end;
  return end;
}

/* Writes the records of a list, and returns where it ends. */
static uint8_t *write_list(const setun_queue *queue, size_t begin, size_t end, uint8_t *at) {
  for (size_t i = begin; i < end; ++i) {
    const cuda_record *record = setun_cuda_record(&queue->list, i);
    uint32_t form = queue->device->code->persistent[record->kernel];
    setun_device_step step = {.kernel = record->kernel, .threads = form & 0xffff, .teams = form >> 16};
    if (i + 1 < end)
      step.following = (uint32_t)step_size(setun_cuda_record(&queue->list, i + 1));
    memcpy(step.grid, record->grid, sizeof step.grid);
    memcpy(at, &step, sizeof step);
    memcpy(at + sizeof step, record + 1, step_size(record) - sizeof step); /* padded there as well */
    at += step_size(record);
  }
  return at;
}

static CUresult launch_list(setun_queue *queue, size_t begin, size_t end, CUdeviceptr list) {
  const setun_device *device = queue->device;
  uint64_t most = 1;
  for (size_t i = begin; i < end; ++i) {
    uint64_t blocks = count_blocks(setun_cuda_record(&queue->list, i));
    most = blocks > most ? blocks : most;
  }
  persistent_params params = {queue->mailbox_on_device + CUDA_FRAME, list, queue->counters,
                              (uint32_t)step_size(setun_cuda_record(&queue->list, begin)), queue->half};
  size_t size = sizeof params;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &params, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  CUlaunchAttribute attribute;
  memset(&attribute, 0, sizeof attribute);
  attribute.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
  attribute.value.cooperative = 1;
  uint32_t blocks = most < device->persistent_blocks ? (uint32_t)most : device->persistent_blocks;
  CUlaunchConfig config = {blocks, 1, 1, device->persistent_threads, 1, 1, 0, queue->stream, &attribute, 1};
  CUresult result =
      device->api.cuLaunchKernelEx(&config, device->kernels[device->code->num_kernels - 1].function, NULL, extra);
  queue->half ^= result == CUDA_SUCCESS;
  return result;
}

/* Launches record by record. */
static int launch_apart(setun_queue *queue, size_t begin, size_t end, bool behind) {
  for (size_t i = begin; i < end; ++i)
    if (setun_cuda_launch_one(queue, setun_cuda_record(&queue->list, i), behind || i > begin))
      return -1;
  return 0;
}

bool setun_cuda_can_persist(const setun_queue *queue) {
  size_t count = queue->list.count, taken = 0, bytes = 0;
  if (!queue->with_persistent)
    return false;
  for (size_t i = 0; i < count; ++i) {
    const cuda_record *record = setun_cuda_record(&queue->list, i);
    taken += takes(queue, record);
    bytes += step_size(record);
  }
  return taken >= FEWEST && 4 * taken >= 3 * count && bytes <= CUDA_LISTS;
}

int setun_cuda_persist(setun_queue *queue) {
  size_t count = queue->list.count, used = queue->mailbox_used;
  uint8_t *end = queue->mailbox + used;
  for (size_t i = 0; i < count;) {
    size_t next = end_of_list(queue, i);
    end = write_list(queue, i, next, end);
    i = next > i ? next : i + 1;
  }
  if (setun_cuda_tell(queue, (size_t)(end - queue->mailbox) - CUDA_FRAME))
    return -1;
  CUdeviceptr list = queue->mailbox_on_device + used;
  for (size_t i = 0; i < count;) {
    size_t next = end_of_list(queue, i), bytes = 0;
    for (size_t j = i; j < next; ++j)
      bytes += step_size(setun_cuda_record(&queue->list, j));
    bool together = next - i >= 2 && queue->with_persistent;
    if (together && launch_list(queue, i, next, list)) {
      queue->with_persistent = false; /* not on this device: now and later without */
      together = false;
    }
    size_t end_of_these = next > i ? next : i + 1;
    if (!together && launch_apart(queue, i, end_of_these, i > 0))
      return -1;
    list += bytes;
    i = end_of_these;
  }
  return setun_cuda_hear(queue);
}
