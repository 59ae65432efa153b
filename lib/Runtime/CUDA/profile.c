/*===- profile.c - Time by kernel ---------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* With SETUN_CUDA_PROFILE=FILE an event stands before a run's first launch and behind each: what lies between two of
 * them is the kernel's. They are part of a run's graph as well, so that the host's launches are not what is measured.
 * Kernels do not begin early then. */

#include "Cuda.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cuda_profile {
  FILE *file;
  CUevent *events; /* one more than launches */
  size_t num_events;
  uint32_t *kernels; /* of the run's launches */
  size_t launches, reserved;
  bool broken; /* of this run nothing is known */
  uint64_t runs;
  struct {
    uint64_t launches;
    double milliseconds;
  } *totals; /* of each kernel of the code */
};

int setun_cuda_open_profile(setun_queue *queue, setun_message message) {
  const char *path = getenv("SETUN_CUDA_PROFILE");
  if (!path || !*path)
    return 0;
  cuda_profile *profile = queue->profile = calloc(1, sizeof *profile);
  if (profile)
    profile->totals = calloc(queue->device->code->num_kernels + (size_t)1, sizeof *profile->totals);
  if (!profile || !profile->totals)
    return setun_fail(message, "out of memory");
  queue->with_persistent = false; /* one launch would have all the time */
  profile->file = fopen(path, "a");
  return profile->file ? 0 : setun_fail(message, "SETUN_CUDA_PROFILE: cannot write '%s': %s", path, strerror(errno));
}

/* A line of JSON. */
static void write_totals(const setun_queue *queue) {
  const cuda_profile *profile = queue->profile;
  const setun_device_code *code = queue->device->code;
  const char *comma = "";
  fprintf(profile->file, "{\"device\": \"%s\", \"runs\": %llu, \"kernels\": [", queue->device->name,
          (unsigned long long)profile->runs);
  for (uint32_t i = 0; i < code->num_kernels; ++i)
    if (profile->totals[i].launches) {
      fprintf(profile->file, "%s{\"kernel\": \"%s\", \"launches\": %llu, \"milliseconds\": %.6f}", comma,
              code->kernels[i], (unsigned long long)profile->totals[i].launches, profile->totals[i].milliseconds);
      comma = ", ";
    }
  fputs("]}\n", profile->file);
}

void setun_cuda_close_profile(setun_queue *queue) {
  cuda_profile *profile = queue->profile;
  if (!profile)
    return;
  for (size_t i = 0; i < profile->num_events; ++i)
    (void)queue->device->api.cuEventDestroy(profile->events[i]);
  if (profile->file) {
    write_totals(queue);
    fclose(profile->file);
  }
  free(profile->events);
  free(profile->kernels);
  free(profile->totals);
  free(profile);
  queue->profile = NULL;
}

/* Room for that many launches. */
static int reserve(setun_queue *queue, size_t launches) {
  cuda_profile *profile = queue->profile;
  if (launches > profile->reserved) {
    CUevent *events = realloc(profile->events, (launches + 1) * sizeof *events);
    profile->events = events ? events : profile->events;
    uint32_t *kernels = realloc(profile->kernels, launches * sizeof *kernels);
    profile->kernels = kernels ? kernels : profile->kernels;
    if (!events || !kernels)
      return -1;
    profile->reserved = launches;
  }
  for (; profile->num_events < launches + 1; ++profile->num_events)
    if (queue->device->api.cuEventCreate(&profile->events[profile->num_events], CU_EVENT_DEFAULT))
      return -1;
  return 0;
}

void setun_cuda_profile_list(setun_queue *queue) {
  cuda_profile *profile = queue->profile;
  if (!profile)
    return;
  profile->broken = reserve(queue, queue->list.count) != 0;
  profile->launches = profile->broken ? 0 : queue->list.count;
  for (size_t i = 0; i < profile->launches; ++i)
    profile->kernels[i] = setun_cuda_record(&queue->list, i)->kernel;
}

void setun_cuda_mark(setun_queue *queue, size_t launches) {
  const cuda_api *api = &queue->device->api;
  cuda_profile *profile = queue->profile;
  if (!profile || profile->broken)
    return;
  CUevent event = profile->events[launches];
  profile->broken = queue->capturing ? api->cuEventRecordWithFlags(event, queue->stream, CU_EVENT_RECORD_EXTERNAL)
                                     : api->cuEventRecord(event, queue->stream);
}

void setun_cuda_add_times(setun_queue *queue) {
  cuda_profile *profile = queue->profile;
  if (!profile || profile->broken || !profile->launches)
    return;
  for (size_t i = 0; i < profile->launches; ++i) {
    float milliseconds;
    if (queue->device->api.cuEventElapsedTime(&milliseconds, profile->events[i], profile->events[i + 1]))
      break;
    ++profile->totals[profile->kernels[i]].launches;
    profile->totals[profile->kernels[i]].milliseconds += milliseconds;
  }
  ++profile->runs;
  profile->launches = 0;
}
