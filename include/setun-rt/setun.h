/*===- setun.h - Running compiled models -------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The public C API of the thin runtime: open a compiled model, open sessions on it, give inputs by name, run, take
 * outputs by name. Functions that can fail return 0 on success and -1 on failure with a message of one line; nothing
 * aborts and nothing is kept outside of the objects made here. A program may be shared by threads; a session is used by
 * one thread at a time. Results do not depend on threads, on other sessions or on the processor. */

#ifndef SETUN_RT_SETUN_H
#define SETUN_RT_SETUN_H

#include "setun-rt/abi.h"
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SETUN_API __attribute__((visibility("default")))

/* An opened model: its code, its weights (mapped, shared by all sessions and processes) and its threads. */
typedef struct setun_program setun_program;
/* One use of a program: its state (caches and their position), its scratch memory, its inputs and outputs. */
typedef struct setun_session setun_session;

/*===-- Programs ----------------------------------------------------------===*/

/* Sees how far opening is: bytes of the weights that are on the device. */
typedef void (*setun_progress_fn)(void *user, uint64_t done, uint64_t total);

/* All zero means all defaults. */
typedef struct setun_options {
  int32_t threads;     /* 0: the number in SETUN_THREADS, else one for each processor this process may use */
  int32_t pin_threads; /* not 0: keep each worker on one processor */
  const char *weights; /* a .safetensors file to take in place of the one that the model names; NULL: the model's */
  const char *target;  /* the level of code to run, by name; NULL: SETUN_TARGET, else the best this machine runs */
  const char *device;  /* "cpu", "cuda", "cuda:1"; NULL: SETUN_DEVICE, else the first that runs the best code */
  setun_progress_fn progress; /* called while a device gets the weights; may be NULL */
  void *progress_user;
} setun_options;

/* Opens a model from a shared library, or one that is linked into this program. `options` may be NULL. On failure
 * returns NULL and writes a message of at most error_size bytes, its end included. */
SETUN_API setun_program *setun_open(const char *library, const setun_options *options, char *error, size_t error_size);
SETUN_API setun_program *setun_open_linked(const setun_model_desc *model, const setun_options *options, char *error,
                                           size_t error_size);
/* All sessions of the program must be closed before it. */
SETUN_API void setun_close(setun_program *program);

SETUN_API const setun_model_desc *setun_describe(const setun_program *program);
SETUN_API const char *setun_level_name(const setun_program *program); /* of the code that runs */
SETUN_API int32_t setun_threads(const setun_program *program);

/* Where the code runs and where setun_get_output_device's memory lies, in DLPack's terms. */
typedef struct setun_device_info {
  int32_t type;     /* 1: the processor, 2: CUDA */
  int32_t index;    /* of the device, from 0 */
  const char *name; /* of the processor "cpu" */
} setun_device_info;
SETUN_API setun_device_info setun_get_device(const setun_program *program);
/* The devices beside the processor that are there, one a line, or why there is none. Writes at most `size` bytes, its
 * end included; returns 0 when there is one. */
SETUN_API int setun_list_devices(char *text, size_t size);
/* The model's text table, as setun_tokenizer_open (text.h) takes it, valid as long as the program; NULL and a size of 0
 * when the model has none. */
SETUN_API const void *setun_text_table(const setun_program *program, size_t *size);

/* A number that tells models apart: of name, inputs, states, outputs and (samples of) the weights. */
SETUN_API uint64_t setun_fingerprint(const setun_program *program);

/* What a model takes, keeps and gives. A dimension d < 0 of an input or state is symbolic, and its name is
 * setun_dim_name(program, d); one of an output is known after a run. */
typedef struct setun_info {
  const char *name;
  const char *output_name; /* of a state: under which name its next value is an output; may be NULL */
  setun_argument_kind kind;
  setun_dtype dtype;
  uint32_t rank;
  int32_t axis; /* of a state that grows: the dimension along which it does; else -1 */
  const int64_t *dims;
} setun_info;
SETUN_API size_t setun_count(const setun_program *program, setun_argument_kind kind);
SETUN_API int setun_get_info(const setun_program *program, setun_argument_kind kind, size_t index, setun_info *info);
SETUN_API const char *setun_dim_name(const setun_program *program, int64_t dim);

SETUN_API const char *setun_dtype_name(setun_dtype dtype); /* "f32"; NULL when there is no such type */
SETUN_API size_t setun_dtype_size(setun_dtype dtype);      /* in bytes; 0 when there is no such type */

/*===-- Sessions ----------------------------------------------------------===*/

/* `capacity` is how many entries (tokens) growing states can hold; 0: as the model was compiled for. */
SETUN_API setun_session *setun_session_open(setun_program *program, int64_t capacity, char *error, size_t error_size);
SETUN_API void setun_session_close(setun_session *session);
/* Why the last call failed. Valid until the next call on this session. */
SETUN_API const char *setun_error(const setun_session *session);

/* Gives an input: row-major, borrowed (it must stay as it is until runs are over or the input is given again). Data
 * that is not aligned to SETUN_ALIGNMENT is copied at each run. The name of a state loads that state (copied at once)
 * and sets its position; states that share a position must be loaded alike before the next run. */
SETUN_API int setun_set_input(setun_session *session, const char *name, setun_dtype dtype, const int64_t *dims,
                              uint32_t rank, const void *data);

/* Checks all inputs against the model and each other, runs, and moves growing states on. A run that would pass a
 * state's capacity fails before it starts. After a failure growing states are as before; states of fixed size are
 * undefined when the failure came from the model's code. */
SETUN_API int setun_run(setun_session *session);

typedef struct setun_tensor {
  setun_dtype dtype;
  uint32_t rank;
  const int64_t *dims;
  const void *data; /* row-major, aligned to SETUN_ALIGNMENT; never NULL */
} setun_tensor;
/* An output of the last run, or a state (by its output's or its own name): of a growing one its live part. Owned by the
 * session; valid until the next call on it other than setun_get_output. */
SETUN_API int setun_get_output(setun_session *session, const char *name, setun_tensor *output);

/* The same two with data in the memory of the program's device (setun_get_device); on the processor there is no
 * difference. What is given must be whole when the run starts, or ordered before it on setun_get_stream; what is taken
 * is whole. */
SETUN_API int setun_set_input_device(setun_session *session, const char *name, setun_dtype dtype, const int64_t *dims,
                                     uint32_t rank, const void *data);
SETUN_API int setun_get_output_device(setun_session *session, const char *name, setun_tensor *output);
/* The device's queue that the session's work stands in (of CUDA a CUstream); NULL on the processor. */
SETUN_API void *setun_get_stream(const setun_session *session);

/* The index of the largest number in a row (the last dimension) of a float output, the first of equal ones; NaN counts
 * as minus infinity, and -1 means that there is nothing above it. Rows count from 0, or from the end with -1 for the
 * last. On a device this moves one number, and a run after it makes the same row's at once. */
SETUN_API int setun_argmax(setun_session *session, const char *name, int64_t row, int64_t *index);
/* The same of `count` rows one behind the other, from row `first` on: on a device at once. */
SETUN_API int setun_argmax_rows(setun_session *session, const char *name, int64_t first, int64_t count,
                                int64_t *indices);

/* Live entries of the growing states; 0 when there are none. */
SETUN_API int64_t setun_position(const setun_session *session);
/* Entries that growing states can hold; 0 when there are none. */
SETUN_API int64_t setun_capacity(const setun_session *session);
/* Forgets the entries from `position` on. States of fixed size cannot go back, but for to 0. */
SETUN_API int setun_truncate(setun_session *session, int64_t position);
/* As a session just opened; inputs stay given. */
SETUN_API void setun_reset(setun_session *session);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_SETUN_H */
