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
    session->rt = (setun_rt){parallel_for, record_failure};
    session->program = program;
    session->capacity = capacity;
    /* One more of each than needed, so that none is empty. */
    session->slots = calloc(arguments + 1, sizeof *session->slots);
    session->symbols = calloc(symbols + 1, sizeof *session->symbols);
    session->binders = calloc(symbols + 1, sizeof *session->binders);
    session->buffers = calloc(arguments + 1, sizeof *session->buffers);
    session->plan = calloc(ranks + 1, sizeof *session->plan);
    session->dims = calloc(ranks + 1, sizeof *session->dims);
  }
  if (!session || !session->slots || !session->symbols || !session->binders || !session->buffers || !session->plan ||
      !session->dims) {
    setun_session_close(session);
    setun_fail(message, "out of memory");
    return NULL;
  }
  int64_t *dims = session->dims;
  for (size_t i = 0; i < arguments; dims += model->arguments[i++].rank)
    session->slots[i].dims = dims;
  return session;
}

void setun_session_close(setun_session *session) {
  if (!session)
    return;
  for (uint32_t i = 0; session->slots && i < session->program->model->num_arguments; ++i) {
    setun_block_free(&session->slots[i].block);
    setun_block_free(&session->slots[i].compact);
  }
  setun_block_free(&session->arena);
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
      if (setun_block_reserve(&slot->block, (size_t)bytes, false))
        return setun_session_fail(session, "out of memory: output '%s' takes %lld bytes", argument->name,
                                  (long long)bytes);
    } else if (argument->axis >= 0 &&
               (sizes[argument->axis] > slot->dims[argument->axis] || sizes[argument->axis] < 0)) {
      return setun_session_fail(
          session, "the context is full: state '%s' can hold %lld entries, holds %lld, and this run makes it %lld",
          argument->name, (long long)slot->dims[argument->axis], (long long)slot->live,
          (long long)sizes[argument->axis]);
    }
    sizes += argument->rank;
  }
  if (session->plan[0] < 0 || setun_block_reserve(&session->arena, (size_t)session->plan[0], true))
    return setun_session_fail(session, "out of memory: the run takes %lld bytes of scratch",
                              (long long)session->plan[0]);
  return 0;
}

/* The buffer that generated code sees. */
static void *buffer_of(setun_session *session, uint32_t index) {
  const setun_argument *argument = &session->program->model->arguments[index];
  setun_slot *slot = &session->slots[index];
  if (argument->kind != SETUN_INPUT)
    return slot->block.data;
  if (slot->given && (uintptr_t)slot->given % SETUN_ALIGNMENT == 0)
    return (void *)slot->given;
  size_t bytes = (size_t)setun_tensor_bytes(argument->dtype, slot->dims, argument->rank);
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

int setun_run(setun_session *session) {
  const setun_program *program = session->program;
  const setun_model_desc *model = program->model;
  session->error[0] = 0;
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (model->arguments[i].kind == SETUN_OUTPUT)
      session->slots[i].ready = false;
  if (setun_session_bind(session))
    return -1;
  program->level->plan(session->symbols, session->plan);
  if (check_plan(session))
    return -1;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    if (!(session->buffers[i] = buffer_of(session, i)))
      return setun_session_fail(session, "out of memory: input '%s' must be copied", model->arguments[i].name);
    session->slots[i].used |= model->arguments[i].kind == SETUN_STATE && model->arguments[i].axis < 0;
  }
  setun_frame frame = {program->weights.data, session->arena.data, session->buffers, session->symbols};
  __atomic_store_n(&session->failure, NULL, __ATOMIC_RELAXED);
  uint32_t saved = setun_float_state_enter();
  program->level->run(&session->rt, &frame);
  setun_float_state_leave(saved);
  const char *failure = __atomic_load_n(&session->failure, __ATOMIC_ACQUIRE);
  if (failure)
    return setun_session_fail(session, "%s", failure);
  advance(session);
  return 0;
}
