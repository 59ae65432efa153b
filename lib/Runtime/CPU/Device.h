/*===- Device.h - Devices beside the host ------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* How the runtime reaches a device. What drives one is a library of its own, linked where it is wanted; this side knows
 * it by a table of functions. Functions that can fail return 0, or -1 (NULL) with a message. */

#ifndef SETUN_RT_DEVICE_H
#define SETUN_RT_DEVICE_H

#include "setun-rt/setun.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a message goes: a caller's array, cut to fit. */
typedef struct setun_message {
  char *text;
  size_t size;
} setun_message;
/* Writes the message and returns -1. */
int setun_fail(setun_message message, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct setun_device setun_device; /* one program on one device: code and weights */
typedef struct setun_queue setun_queue;   /* one session: work in order, memory, what a run tells its kernels */

typedef struct setun_device_source {
  const setun_device_code *code;
  int32_t index; /* of the device */
  const uint8_t *weights;
  uint64_t weights_size;
  setun_progress_fn progress; /* may be NULL */
  void *user;
} setun_device_source;

typedef enum setun_direction { SETUN_TO_DEVICE, SETUN_TO_HOST, SETUN_ON_DEVICE } setun_direction;

/* A draw (setun_draw_options); addresses are the device's. */
typedef struct setun_device_draw {
  setun_dtype dtype;
  int64_t vocabulary;
  const void *logits, *options;
  void *memory;
  bool draws, ranks, shares; /* not the likeliest; top-k and top-p leave something out */
  int64_t place, places;     /* of the result among the run's tokens, and how many the run may draw */
} setun_device_draw;

enum { SETUN_DEVICE_TOKENS = 256 };

typedef struct setun_device_driver {
  const char *name; /* as setun_device_code has it */
  int32_t type;     /* as DLPack counts devices */
  /* Which device runs the code: the one of that index, or with -1 the first that does. The message says why none. */
  int (*find)(const setun_device_code *code, int32_t index, int32_t *found, setun_message message);
  /* One line for each device that is there. */
  int (*list)(char *text, size_t size, setun_message message);
  setun_device *(*open)(const setun_device_source *source, setun_message message);
  void (*close)(setun_device *device);
  const char *(*get_name)(const setun_device *device);
  const uint8_t *(*get_weights)(const setun_device *device);

  setun_queue *(*open_queue)(setun_device *device, uint32_t num_symbols, setun_message message);
  void (*close_queue)(setun_queue *queue);
  void *(*get_stream)(const setun_queue *queue);
  setun_device_frame *(*get_frame)(const setun_queue *queue);
  /* Memory of the device, zero, or of the host where the device reaches it fast. */
  void *(*reserve)(setun_queue *queue, size_t size, bool host, setun_message message);
  void (*release)(setun_queue *queue, void *memory, bool host);
  /* Enqueued behind all before. Memory of the host must stay until `wait`. */
  int (*copy)(setun_queue *queue, void *to, const void *from, size_t size, setun_direction direction,
              setun_message message);
  int (*zero)(setun_queue *queue, void *to, size_t size, setun_message message);
  int (*wait)(setun_queue *queue, setun_message message);

  /* A run: begin, any number of the next four, finish. Errors between are told by finish. `symbols` NULL: goes on with
   * what the last run told its kernels. */
  void (*begin)(setun_queue *queue, const int64_t *symbols);
  /* Takes a small input along: where it will be on the device, or NULL when there is no room. */
  void *(*give)(setun_queue *queue, const void *data, size_t size);
  void (*launch)(setun_queue *queue, const setun_launch *launch);
  void (*read)(setun_queue *queue, void *host, const void *device, uint64_t size);
  /* The index of the largest logit becomes the run's token, of each of at most SETUN_DEVICE_TOKENS rows one behind the
   * other; -1 when the code has no kernel for it. */
  int (*argmax)(setun_queue *queue, setun_dtype dtype, const void *logits, int64_t vocabulary, int64_t rows);
  /* The token drawn, as setun_draw_options tells, becomes one of the run's; -1 when the code has no kernels for it. */
  int (*draw)(setun_queue *queue, const setun_device_draw *draw);
  /* Waits, and gives the first token. `drop`: what was not enqueued yet need not be, and faults are not looked for. */
  int (*finish)(setun_queue *queue, bool drop, int64_t *token, setun_message message);
  /* All tokens of the run that is over, SETUN_DEVICE_TOKENS. */
  const int64_t *(*tokens)(const setun_queue *queue);
} setun_device_driver;

/* The drivers that are linked in, NULL behind the last; itself NULL when there are none. */
extern const setun_device_driver *const setun_device_drivers[] __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_DEVICE_H */
