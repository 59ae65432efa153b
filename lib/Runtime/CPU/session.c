/*===- session.c - Sessions ----------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int setun_session_fail(setun_session *session, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(session->error, sizeof session->error, format, args);
  va_end(args);
  return -1;
}

static void parallel_for(setun_rt *rt, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  setun_pool_for(((setun_session *)rt)->program->pool, count, grain, body, env);
}

static void record_failure(setun_rt *rt, const char *message) {
  const char *none = NULL;
  __atomic_compare_exchange_n(&((setun_session *)rt)->failure, &none, message, false, __ATOMIC_RELEASE,
                              __ATOMIC_RELAXED);
}

static void launch(setun_rt *rt, const setun_launch *what) {
  setun_session *session = (setun_session *)rt;
  session->program->driver->launch(session->queue, what);
}

static void read_device(setun_rt *rt, void *host, const void *device, uint64_t size) {
  setun_session *session = (setun_session *)rt;
  session->program->driver->read(session->queue, host, device, size);
}

static int open_queue(setun_session *session, setun_message message) {
  const setun_program *program = session->program;
  if (!program->device)
    return 0;
  session->queue = program->driver->open_queue(program->device, program->model->num_symbols, message);
  if (!session->queue)
    return -1;
  session->rt.launch = launch;
  session->rt.read = read_device;
  session->rt.device = program->driver->get_frame(session->queue);
  return 0;
}

setun_session *setun_session_open(setun_program *program, int64_t capacity, char *error, size_t error_size) {
  setun_message message = {error, error_size};
  const setun_model_desc *model = program->model;
  if (capacity == 0)
    capacity = model->default_capacity;
  if (capacity < 0) {
    setun_fail(message, "a session cannot hold %lld entries", (long long)capacity);
    return NULL;
  }
  size_t ranks = 0, arguments = model->num_arguments, symbols = model->num_symbols;
  for (size_t i = 0; i < arguments; ++i)
    ranks += model->arguments[i].rank;
  setun_session *session = calloc(1, sizeof *session);
  if (session) {
    session->rt = (setun_rt){.parallel_for = parallel_for, .fail = record_failure};
    session->program = program;
    session->capacity = capacity;
    /* One more of each than needed, so that none is empty. */
    session->slots = calloc(arguments + 1, sizeof *session->slots);
    session->symbols = calloc(symbols + 1, sizeof *session->symbols);
    session->binders = calloc(symbols + 1, sizeof *session->binders);
    session->buffers = calloc(arguments + 1, sizeof *session->buffers);
    session->plan = calloc(ranks + 1, sizeof *session->plan);
    session->dims = calloc(2 * ranks + 1, sizeof *session->dims);
  }
  if (!session || !session->slots || !session->symbols || !session->binders || !session->buffers || !session->plan ||
      !session->dims) {
    setun_session_close(session);
    setun_fail(message, "out of memory");
    return NULL;
  }
  int64_t *dims = session->dims;
  for (size_t i = 0; i < arguments; dims += 2 * model->arguments[i++].rank) {
    session->slots[i].dims = dims;
    session->slots[i].live_dims = dims + model->arguments[i].rank;
  }
  if (open_queue(session, message)) {
    setun_session_close(session);
    return NULL;
  }
  return session;
}

void setun_session_close(setun_session *session) {
  if (!session)
    return;
  for (uint32_t i = 0; session->slots && i < session->program->model->num_arguments; ++i) {
    setun_session_release(session, &session->slots[i].block);
    setun_session_release(session, &session->slots[i].compact);
    setun_session_release_host(session, &session->slots[i].host);
  }
  setun_session_release(session, &session->arena);
  setun_draw_close(session);
  if (session->queue)
    session->program->driver->close_queue(session->queue);
  free(session->slots);
  free(session->symbols);
  free(session->binders);
  free(session->buffers);
  free(session->plan);
  free(session->dims);
  free(session);
}

const char *setun_error(const setun_session *session) { return session->error; }

/* Takes plan's sizes: outputs get their buffers, growing states must have room. */
static int check_plan(setun_session *session) {
  const setun_model_desc *model = session->program->model;
  const int64_t *sizes = session->plan + 1;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    setun_slot *slot = &session->slots[i];
    if (argument->kind == SETUN_INPUT)
      continue;
    if (argument->kind == SETUN_OUTPUT) {
      memcpy(slot->dims, sizes, argument->rank * sizeof *sizes);
      int64_t bytes = setun_tensor_bytes(argument->dtype, slot->dims, argument->rank);
      if (bytes < 0)
        return setun_session_fail(session, "output '%s' is too large", argument->name);
      if (setun_session_reserve(session, &slot->block, (size_t)bytes, false))
        return setun_session_fail(session, "out of memory: output '%s' takes %lld bytes%s", argument->name,
                                  (long long)bytes, session->detail);
    } else if (argument->axis >= 0 &&
               (sizes[argument->axis] > slot->dims[argument->axis] || sizes[argument->axis] < 0)) {
      return setun_session_fail(
          session, "the context is full: state '%s' can hold %lld entries, holds %lld, and this run makes it %lld",
          argument->name, (long long)slot->dims[argument->axis], (long long)slot->live,
          (long long)sizes[argument->axis]);
    }
    sizes += argument->rank;
  }
  if (session->plan[0] < 0 || setun_session_reserve(session, &session->arena, (size_t)session->plan[0], true))
    return setun_session_fail(session, "out of memory: the run takes %lld bytes of scratch%s",
                              (long long)session->plan[0], session->detail);
  return 0;
}

/* Where an input is on the device. What fits goes along with the run; NULL on failure. */
static void *bring(setun_session *session, setun_slot *slot, size_t bytes) {
  const setun_device_driver *driver = session->program->driver;
  bool aligned = (uintptr_t)slot->given % SETUN_ALIGNMENT == 0;
  if (slot->on_device && slot->given && aligned)
    return (void *)slot->given;
  void *taken = slot->on_device ? NULL : driver->give(session->queue, slot->given, bytes);
  if (taken)
    return taken;
  if (setun_session_reserve(session, &slot->block, bytes, false) ||
      setun_session_copy(session, slot->block.data, slot->given, bytes,
                         slot->on_device ? SETUN_ON_DEVICE : SETUN_TO_DEVICE))
    return NULL;
  return slot->block.data;
}

/* The buffer that generated code sees. */
static void *buffer_of(setun_session *session, uint32_t index) {
  const setun_argument *argument = &session->program->model->arguments[index];
  setun_slot *slot = &session->slots[index];
  if (argument->kind != SETUN_INPUT)
    return slot->block.data;
  size_t bytes = (size_t)setun_tensor_bytes(argument->dtype, slot->dims, argument->rank);
  if (session->queue)
    return bring(session, slot, bytes);
  if (slot->given && (uintptr_t)slot->given % SETUN_ALIGNMENT == 0)
    return (void *)slot->given;
  if (setun_block_reserve(&slot->block, bytes, false))
    return NULL;
  if (bytes)
    memcpy(slot->block.data, slot->given, bytes);
  return slot->block.data;
}

static void advance(setun_session *session) {
  const setun_model_desc *model = session->program->model;
  const int64_t *sizes = session->plan + 1;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    setun_slot *slot = &session->slots[i];
    if (argument->kind == SETUN_INPUT)
      continue;
    if (argument->kind == SETUN_OUTPUT)
      slot->ready = true;
    else if (argument->axis >= 0)
      slot->live = sizes[argument->axis];
    sizes += argument->rank;
  }
}

/* Ends a device's run that cannot start. */
static int abandon(setun_session *session) {
  char text[256];
  if (session->queue)
    (void)session->program->driver->finish(session->queue, true, &session->argmax.token,
                                           (setun_message){text, sizeof text});
  return -1;
}

/* Runs the code on the host's memory, or has the device do what it launches. */
static int run_level(setun_session *session) {
  const setun_program *program = session->program;
  const setun_device_driver *driver = program->driver;
  const uint8_t *weights = driver ? driver->get_weights(program->device) : program->weights.data;
  setun_frame frame = {weights, session->arena.data, session->buffers, session->symbols};
  __atomic_store_n(&session->failure, NULL, __ATOMIC_RELAXED);
  uint32_t saved = setun_float_state_enter();
  program->level->run(&session->rt, &frame);
  setun_float_state_leave(saved);
  const char *failure = __atomic_load_n(&session->failure, __ATOMIC_ACQUIRE);
  char text[512] = "";
  if (driver && !failure) {
    setun_argmax_follow(session);
    setun_draw_follow(session);
  }
  if (driver &&
      driver->finish(session->queue, failure != NULL, &session->argmax.token, (setun_message){text, sizeof text}))
    failure = failure ? failure : text;
  setun_argmax_keep(session);
  setun_draw_end(session, failure != NULL);
  return failure ? setun_session_fail(session, "%s", failure) : 0;
}

int setun_run(setun_session *session) {
  const setun_program *program = session->program;
  const setun_model_desc *model = program->model;
  session->error[0] = 0;
  session->argmax.ready = false;
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (model->arguments[i].kind == SETUN_OUTPUT)
      session->slots[i].ready = session->slots[i].host_ready = false;
  if (setun_session_bind(session))
    return -1;
  program->level->plan(session->symbols, session->plan);
  if (check_plan(session))
    return -1;
  if (session->queue)
    program->driver->begin(session->queue, session->symbols);
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    if (!(session->buffers[i] = buffer_of(session, i))) {
      (void)setun_session_fail(session, "out of memory: input '%s' must be copied%s", model->arguments[i].name,
                               session->detail);
      return abandon(session);
    }
    session->slots[i].used |= model->arguments[i].kind == SETUN_STATE && model->arguments[i].axis < 0;
  }
  setun_draw_prepare(session);
  if (run_level(session)) {
    session->argmax.ready = false;
    return -1;
  }
  advance(session);
  return 0;
}
