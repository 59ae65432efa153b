/*===- Internal.h - What the runtime's files share ---------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* One section for each file that is more than its public functions. Nothing here is seen outside of the library. */

#ifndef SETUN_RT_INTERNAL_H
#define SETUN_RT_INTERNAL_H

#include "Device.h"
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/*===-- memory.c: blocks --------------------------------------------------===*/

typedef struct setun_block {
  void *data;
  size_t size;
  bool mapped;
} setun_block;
/* Makes the block hold at least `size` bytes, aligned and, when it had to be made anew, zero; its content is not kept.
 * `huge`: ask for huge pages where that helps. Returns -1 when there is no memory. */
int setun_block_reserve(setun_block *block, size_t size, bool huge);
void setun_block_free(setun_block *block);
/* Bytes of a tensor; -1 when a size is negative or the product passes 2^62. */
int64_t setun_tensor_bytes(setun_dtype dtype, const int64_t *dims, uint32_t rank);

/*===-- cpu.c: the processor ----------------------------------------------===*/

/* This processor's SETUN_X86_* or SETUN_ARM_*. */
uint64_t setun_cpu_features(void);
/* The same from words of cpuid (leaf 7_1: subleaf 1; extended: leaf 0x80000001) and the low half of xgetbv's xcr0. */
typedef struct setun_x86_words {
  uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax, extended_ecx, xcr0;
} setun_x86_words;
uint64_t setun_x86_features(const setun_x86_words *words);
/* The same from Linux's AT_HWCAP and AT_HWCAP2 of AArch64. */
uint64_t setun_arm_features(uint64_t hwcap, uint64_t hwcap2);
/* Float state as the language's default (nearest even, denormals kept), so that results do not depend on the caller's.
 */
uint32_t setun_float_state_enter(void);
void setun_float_state_leave(uint32_t saved);

/*===-- levels.c ----------------------------------------------------------===*/

/* The code that runs, and what it runs on. */
typedef struct setun_choice {
  const setun_level *level;
  const setun_device_driver *driver; /* NULL: the processor */
  int32_t index;                     /* of the device */
} setun_choice;
/* The level named `target`, as "LEVEL" or "TARGET:LEVEL" (NULL: the one in SETUN_TARGET, else the first that runs here)
 * on `device`, as setun_options has it. `features`: the processor's. NULL with a message. */
const setun_level *setun_pick_level(const setun_model_desc *model, const char *target, const char *device,
                                    uint64_t features, setun_choice *choice, setun_message message);

/*===-- threads.c: the pool -----------------------------------------------===*/

typedef struct setun_pool setun_pool;
/* Starts no thread before the first job that can use one. threads: 0 for the default. */
setun_pool *setun_pool_create(int32_t threads, bool pin, setun_message message);
void setun_pool_destroy(setun_pool *pool);
int32_t setun_pool_threads(const setun_pool *pool);
/* As setun_rt.parallel_for. A call while the pool is at work (from another session, or nested) runs inline. */
void setun_pool_for(setun_pool *pool, int64_t count, int64_t grain, setun_body_fn body, void *env);

/*===-- weights.c: the weights file ---------------------------------------===*/

typedef struct setun_weights {
  void *map;
  size_t map_size;
  const uint8_t *data; /* the data section, or NULL for a model without weights */
} setun_weights;
/* Finds and maps a model's weights. `library` is the model's file, or NULL for a model in this program. */
int setun_weights_map(setun_weights *weights, const setun_model_desc *model, const char *library, const char *override,
                      setun_message message);
void setun_weights_unmap(setun_weights *weights);

/*===-- model.c, session.c, bind.c, place.c, argmax.c, draw.c -------------===*/

struct setun_program {
  const setun_model_desc *model;
  const setun_level *level;
  setun_weights weights;
  setun_pool *pool;
  void *library;
  const setun_device_driver *driver; /* NULL: the code works on the host's memory */
  setun_device *device;
  int32_t device_index;
};

/* What a session knows of one argument. */
typedef struct setun_slot {
  int64_t *dims;       /* input: as given; output: after the run; state: of the buffer */
  int64_t *live_dims;  /* of a growing state: those of its live part */
  const void *given;   /* of an input: the caller's data */
  bool on_device;      /* of an input: where that is */
  bool ready;          /* input: given; output: there; state: the buffer has its sizes */
  bool used;           /* of a state of fixed size: it holds more than its first value */
  int64_t live;        /* entries of a growing state */
  setun_block block;   /* output, state; an input's aligned copy: where the code works */
  setun_block compact; /* a growing state's live part, handed out */
  setun_block host;    /* with a device: what is handed out on the host */
  bool host_ready;     /* of an output: it is there */
} setun_slot;

struct setun_session {
  setun_rt rt; /* first: generated code gets the session as its setun_rt */
  setun_program *program;
  int64_t capacity;
  setun_slot *slots;
  int64_t *symbols;
  int32_t *binders; /* for each symbol: the argument that gave it its value, or -1 */
  void **buffers;
  int64_t *plan;
  int64_t *dims; /* storage of all slots' dims */
  setun_block arena;
  const char *failure; /* atomic; from generated code */
  setun_queue *queue;  /* of the program's device */
  struct {
    uint32_t argument;
    int64_t row, rows; /* the first, as it was asked for, and how many */
    int64_t token, tokens[SETUN_DEVICE_TOKENS];
    bool follow; /* the next run makes it */
    bool ready;  /* `tokens` are of the last run */
  } argmax;
  struct setun_drawing *drawings; /* draw.c: of each row that the device was asked to draw from */
  char detail[256];               /* of the device's last failure, with "; " before */
  char error[768];
};

int setun_session_fail(setun_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Gives every symbol its value from inputs and states, and every state its buffer. */
int setun_session_bind(setun_session *session);
/* Memory for the code to work on. On failure `detail` says more. */
int setun_session_reserve(setun_session *session, setun_block *block, size_t size, bool huge);
/* Memory that hands results out on the host. */
int setun_session_reserve_host(setun_session *session, setun_block *block, size_t size);
void setun_session_release(setun_session *session, setun_block *block);
void setun_session_release_host(setun_session *session, setun_block *block);
/* Copies; done, where the host is part of it, after setun_session_wait. On failure `detail` says why. */
int setun_session_copy(setun_session *session, void *to, const void *from, size_t size, setun_direction direction);
int setun_session_zero(setun_session *session, void *to, size_t size);
int setun_session_wait(setun_session *session);
/* Of an output or input by name. Returns -1 when there is none. */
int setun_find_argument(const setun_model_desc *model, const char *name, bool output, uint32_t *index);
/* Enqueues into this run what setun_argmax is likely to be asked after it. */
void setun_argmax_follow(setun_session *session);
/* Keeps what the device has answered. */
void setun_argmax_keep(setun_session *session);
/* Where a row of an output lies from its beginning, in elements; -1 when there is no such row. */
int64_t setun_find_row(const setun_slot *slot, uint32_t rank, int64_t row);
/* A row of floats of the last run. Returns -1 when there is none, with the session's error. */
int setun_find_logits(setun_session *session, const char *name, int64_t row, uint32_t *index, int64_t *start);
/* The same for draws: first what the run's kernels are told, then the kernels, then whether the run has succeeded. */
void setun_draw_prepare(setun_session *session);
void setun_draw_follow(setun_session *session);
void setun_draw_end(setun_session *session, bool failed);
void setun_draw_forget(setun_session *session); /* the next run draws nothing, unless it is asked for */
void setun_draw_close(setun_session *session);
/* The size along dimension `index` of an argument, by the symbols' values. */
int64_t setun_session_dim(const setun_session *session, const setun_argument *argument, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_INTERNAL_H */
