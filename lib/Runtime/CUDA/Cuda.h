/*===- Cuda.h - What the driver's files share ---------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_CUDA_H
#define SETUN_RT_CUDA_H

#include "Device.h"
#include "Driver.h"
#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

/*===-- driver.c: the library ---------------------------------------------===*/

typedef struct cuda_api {
#define DECLARE(name, symbol, parameters) CUresult(*name) parameters;
  SETUN_CUDA_FUNCTIONS(DECLARE)
  SETUN_CUDA_EMULATION(DECLARE) /* NULL of the real one */
#undef DECLARE
  int version; /* of CUDA that the driver is for: 12040 for 12.4 */
} cuda_api;

/* Loads libcuda.so.1, or what SETUN_CUDA_DRIVER names, and starts it. It stays loaded: it is not made to be closed. */
int setun_cuda_load(cuda_api *api, setun_message message);
/* "WHAT: CUDA_ERROR_NAME (words)". */
int setun_cuda_fail(const cuda_api *api, CUresult result, setun_message message, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether a feature is on: an environment's variable of value 0 turns it off. */
bool setun_cuda_wanted(const char *variable);

/*===-- find.c: the devices that are there --------------------------------===*/

/* A compute capability as one number: 90 for 9.0. */
int setun_cuda_capability(const cuda_api *api, CUdevice device);
/* Whether the device can take the image. */
bool setun_cuda_fits(const cuda_api *api, const setun_device_code *code, const setun_image *image, int capability);
int setun_cuda_find(const setun_device_code *code, int32_t index, int32_t *found, setun_message message);
int setun_cuda_list(char *text, size_t size, setun_message message);

/*===-- device.c, module.c, weights.c: a program on a device --------------===*/

typedef struct cuda_kernel {
  CUfunction function;
  uint32_t shared; /* bytes of dynamic shared memory that it may have now */
  bool dependent;  /* it waits for what it needs itself: programmatic dependent launch */
  bool cooperative;
} cuda_kernel;

struct setun_device {
  cuda_api api;
  const setun_device_code *code;
  CUdevice device;
  int32_t index;
  int capability;
  char name[128];
  CUcontext context;
  CUmodule module;
  cuda_kernel *kernels;
  pthread_mutex_t lock;                           /* of kernels' `shared` */
  uint32_t persistent_threads, persistent_blocks; /* of the persistent kernel, all there at once; 0: do without */
  CUdeviceptr weights;
};

/* The caller's context is as before after leave. */
int setun_cuda_enter(const setun_device *device, setun_message message);
void setun_cuda_leave(const setun_device *device);
int setun_cuda_load_module(setun_device *device, setun_message message);
/* Lets the kernel have that much dynamic shared memory. */
int setun_cuda_allow_shared(setun_device *device, uint32_t kernel, uint32_t bytes, setun_message message);
/* Whether and how the device runs the persistent kernel, if SETUN_CUDA_PERSISTENT=1 asks for it. */
void setun_cuda_find_persistent(setun_device *device);
int setun_cuda_upload_weights(setun_device *device, const setun_device_source *source, setun_message message);
/* Allocates; the message tells how much is free. */
int setun_cuda_allocate(const setun_device *device, size_t size, CUdeviceptr *pointer, setun_message message);

/*===-- list.c: launches on record ----------------------------------------===*/

typedef struct cuda_record {
  uint32_t kernel, grid[3], block[3], shared;
  uint64_t params_size;
  /* the parameters, then zero up to a multiple of 16 */
} cuda_record;

/* The launches of a run, and how many bytes go to the device before them. */
typedef struct cuda_list {
  uint8_t *bytes;
  size_t size, reserved;
  size_t *starts; /* of each record */
  size_t count, starts_reserved;
  size_t upload, tokens;
} cuda_list;

void setun_cuda_list_clear(cuda_list *list);
void setun_cuda_list_free(cuda_list *list);
/* Returns -1 when there is no memory. */
int setun_cuda_list_add(cuda_list *list, const setun_launch *launch);
static inline const cuda_record *setun_cuda_record(const cuda_list *list, size_t index) {
  return (const cuda_record *)(const void *)(list->bytes + list->starts[index]);
}
/* In how many launches of the same kernels two lists differ, counted up to most + 1; SIZE_MAX when they launch others.
 */
size_t setun_cuda_list_differences(const cuda_list *a, const cuda_list *b, size_t most);
bool setun_cuda_record_equals(const cuda_record *a, const cuda_record *b);

/*===-- queue.c, launch.c, graph.c, persistent.c: a session on a device ----===*/

/* A list as a graph that is launched at once. */
typedef struct cuda_graph {
  cuda_list list;
  CUgraph graph;
  CUgraphExec exec;
  CUgraphNode *nodes; /* of the launches; NULL: they cannot be told apart, and nothing can be changed */
  uint64_t used;      /* when last, of all graphs */
} cuda_graph;

enum {
  CUDA_GRAPHS = 8, /* kept */
  CUDA_SEEN = 4,   /* lists that were launched one by one and may come again */
  /* The device frame's place in the mailbox. In front of it, up to it, are the run's tokens. */
  CUDA_FRAME = SETUN_DEVICE_TOKENS * sizeof(int64_t),
  CUDA_ANSWER = CUDA_FRAME + offsetof(setun_device_frame, tickets),
  CUDA_ROOM = 1 << 16, /* of small inputs, behind the frame */
  CUDA_LISTS = 1 << 19 /* of lists for the persistent kernel, behind these */
};

typedef struct cuda_profile cuda_profile;

struct setun_queue {
  setun_device *device;
  CUstream stream;
  /* What a run tells its kernels and hears from them: the run's token, the device frame, small inputs. One copy before
   * the launches and one behind them. */
  uint8_t *mailbox; /* of the host, pinned */
  uint8_t *answer;  /* behind it: the tokens and the frame's head as the kernels left them */
  size_t tokens;    /* bytes of tokens that a run gives back, a multiple of 64 */
  CUdeviceptr mailbox_on_device;
  size_t mailbox_size, mailbox_used;
  uint32_t num_symbols;
  cuda_list list;
  bool told;     /* the mailbox is on the device */
  bool launched; /* part of the run is: it cannot be one graph */
  bool failed;
  char failure[400]; /* the first of the run */
  bool with_graphs, with_early_starts, with_persistent;
  CUdeviceptr counters;  /* of the persistent kernel */
  uint32_t half;         /* which of them are next */
  bool capturing;        /* what is enqueued becomes a graph */
  cuda_profile *profile; /* NULL: nobody asks for times */
  cuda_graph graphs[CUDA_GRAPHS];
  cuda_list seen[CUDA_SEEN];
  size_t next_seen;
  uint64_t clock;
};

/* Remembers why the run fails. */
setun_message setun_cuda_failure(setun_queue *queue);
/* Enqueues the mailbox's copy to the device, and back. */
int setun_cuda_tell(setun_queue *queue, size_t bytes);
int setun_cuda_hear(setun_queue *queue);
/* Enqueues one launch, or those of a list one by one. `behind`: a kernel stands right before. */
int setun_cuda_launch_one(setun_queue *queue, const cuda_record *record, bool behind);
int setun_cuda_launch_all(setun_queue *queue, const cuda_list *list, bool behind);
/* Enqueues the whole run: by the persistent kernel or as a graph where that pays. */
int setun_cuda_submit(setun_queue *queue);
/* Whether the persistent kernel takes most of the run, and the run by it. */
bool setun_cuda_can_persist(const setun_queue *queue);
int setun_cuda_persist(setun_queue *queue);
void setun_cuda_graph_free(setun_queue *queue, cuda_graph *graph);

/*===-- profile.c: time by kernel ------------------------------------------===*/

/* Asked for by SETUN_CUDA_PROFILE; all of these do nothing if it is not. Closing writes what was measured. */
int setun_cuda_open_profile(setun_queue *queue, setun_message message);
void setun_cuda_close_profile(setun_queue *queue);
/* The queue's list is what is launched next. */
void setun_cuda_profile_list(setun_queue *queue);
/* Enqueues a mark behind so many of its launches. */
void setun_cuda_mark(setun_queue *queue, size_t launches);
/* Adds up the times of what was launched and is over. */
void setun_cuda_add_times(setun_queue *queue);

/*===-- queue.c, again -----------------------------------------------------===*/

/* The kernel of that name among the code's, or -1. */
int64_t setun_cuda_find_kernel(const setun_device_code *code, const char *name);
setun_queue *setun_cuda_open_queue(setun_device *device, uint32_t num_symbols, setun_message message);
void setun_cuda_close_queue(setun_queue *queue);
void setun_cuda_begin(setun_queue *queue, const int64_t *symbols);
void *setun_cuda_give(setun_queue *queue, const void *data, size_t size);
void setun_cuda_launch(setun_queue *queue, const setun_launch *launch);
void setun_cuda_read(setun_queue *queue, void *host, const void *device, uint64_t size);
int setun_cuda_argmax(setun_queue *queue, setun_dtype dtype, const void *logits, int64_t vocabulary, int64_t rows);
int setun_cuda_draw(setun_queue *queue, const setun_device_draw *draw);
int setun_cuda_finish(setun_queue *queue, bool drop, int64_t *token, setun_message message);
const int64_t *setun_cuda_tokens(const setun_queue *queue);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_CUDA_H */
