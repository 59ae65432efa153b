/*===- tensors.c - Inputs, outputs and states by name --------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <string.h>

int setun_find_argument(const setun_model_desc *model, const char *name, bool output, uint32_t *index) {
  /* As an output a state goes by its output's name first: in some graphs that is another state's input name. */
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t i = 0; i < model->num_arguments; ++i) {
      const setun_argument *argument = &model->arguments[i];
      if (argument->kind == (output ? SETUN_INPUT : SETUN_OUTPUT))
        continue;
      const char *own = output && pass == 0 && argument->kind == SETUN_STATE ? argument->output_name : argument->name;
      if (own && strcmp(own, name) == 0) {
        *index = i;
        return 0;
      }
    }
  }
  return -1;
}

/* Copies `live` of `capacity` entries along the axis, between a compact tensor and the state's buffer. */
static int copy_entries(setun_session *session, uint8_t *to, int64_t to_size, const uint8_t *from, int64_t from_size,
                        int64_t live, const setun_argument *argument, const int64_t *dims, setun_direction direction) {
  int64_t outer = 1, inner = (int64_t)setun_dtype_size(argument->dtype);
  for (uint32_t d = 0; d < argument->rank; ++d) {
    if ((int32_t)d < argument->axis)
      outer *= dims[d];
    else if ((int32_t)d > argument->axis)
      inner *= dims[d];
  }
  for (int64_t i = 0; i < outer && live * inner > 0; ++i)
    if (setun_session_copy(session, to + i * to_size * inner, from + i * from_size * inner, (size_t)(live * inner),
                           direction))
      return -1;
  return setun_session_wait(session);
}

static int load_state(setun_session *session, uint32_t index, const int64_t *given, const void *data,
                      setun_direction direction) {
  const setun_argument *argument = &session->program->model->arguments[index];
  const setun_symbol *symbols = session->program->model->symbols;
  setun_slot *slot = &session->slots[index];
  int64_t dims[argument->rank + 1];
  for (uint32_t d = 0; d < argument->rank; ++d) {
    int64_t dim = argument->dims[d];
    bool grows = (int32_t)d == argument->axis;
    dims[d] = dim >= 0 ? dim : symbols[-1 - dim].kind == SETUN_CAPACITY ? session->capacity : given[d];
    if (grows && given[d] > dims[d])
      return setun_session_fail(session, "state '%s': dimension %u is %lld, but the session can hold %lld entries",
                                argument->name, d, (long long)given[d], (long long)dims[d]);
    if (!grows && given[d] != dims[d])
      return setun_session_fail(session, "state '%s': dimension %u is %lld, expected %lld", argument->name, d,
                                (long long)given[d], (long long)dims[d]);
  }
  int64_t bytes = setun_tensor_bytes(argument->dtype, dims, argument->rank);
  slot->ready = slot->used = false; /* what it held is gone */
  slot->live = 0;
  if (bytes < 0 || setun_session_reserve(session, &slot->block, (size_t)bytes, false))
    return setun_session_fail(session, "out of memory: state '%s'%s", argument->name, session->detail);
  memcpy(slot->dims, dims, argument->rank * sizeof *dims);
  /* A state of fixed size is one entry. */
  int64_t live = argument->axis < 0 ? 1 : given[argument->axis];
  if (copy_entries(session, slot->block.data, argument->axis < 0 ? 1 : dims[argument->axis], data, live, live, argument,
                   dims, direction))
    return setun_session_fail(session, "state '%s' cannot be copied%s", argument->name, session->detail);
  slot->ready = slot->used = true;
  slot->live = argument->axis < 0 ? 0 : live;
  return 0;
}

static int set_input(setun_session *session, const char *name, setun_dtype dtype, const int64_t *dims, uint32_t rank,
                     const void *data, bool on_device) {
  const setun_model_desc *model = session->program->model;
  session->error[0] = 0;
  uint32_t index;
  if (setun_find_argument(model, name, false, &index))
    return setun_session_fail(session, "the model has no input '%s'", name);
  const setun_argument *argument = &model->arguments[index];
  if (argument->dtype != (uint32_t)dtype)
    return setun_session_fail(session, "input '%s': its type is %s, expected %s", name,
                              setun_dtype_name(dtype) ? setun_dtype_name(dtype) : "unknown",
                              setun_dtype_name((setun_dtype)argument->dtype));
  if (argument->rank != rank)
    return setun_session_fail(session, "input '%s': it has %u dimensions, expected %u", name, rank, argument->rank);
  int64_t bytes = setun_tensor_bytes(dtype, dims, rank);
  if (bytes < 0)
    return setun_session_fail(session, "input '%s': a dimension is negative or the size is too large", name);
  if (bytes > 0 && !data)
    return setun_session_fail(session, "input '%s': no data", name);
  if (argument->kind == SETUN_STATE)
    return load_state(session, index, dims, data, on_device ? SETUN_ON_DEVICE : SETUN_TO_DEVICE);
  setun_slot *slot = &session->slots[index];
  memcpy(slot->dims, dims, rank * sizeof *dims);
  slot->given = data;
  slot->on_device = on_device;
  slot->ready = true;
  return 0;
}

int setun_set_input(setun_session *session, const char *name, setun_dtype dtype, const int64_t *dims, uint32_t rank,
                    const void *data) {
  return set_input(session, name, dtype, dims, rank, data, false);
}

int setun_set_input_device(setun_session *session, const char *name, setun_dtype dtype, const int64_t *dims,
                           uint32_t rank, const void *data) {
  return set_input(session, name, dtype, dims, rank, data, session->queue != NULL);
}

/* Makes `data`, on the device, an output on the host. */
static int bring(setun_session *session, uint32_t index, size_t bytes, setun_tensor *output) {
  setun_slot *slot = &session->slots[index];
  const char *name = session->program->model->arguments[index].name;
  if (setun_session_reserve_host(session, &slot->host, bytes))
    return setun_session_fail(session, "out of memory: '%s' takes %lld bytes of the host%s", name, (long long)bytes,
                              session->detail);
  if (setun_session_copy(session, slot->host.data, output->data, bytes, SETUN_TO_HOST) || setun_session_wait(session))
    return setun_session_fail(session, "'%s' cannot be read%s", name, session->detail);
  output->data = slot->host.data;
  return 0;
}

/* Hands out a state, of a growing one the live part. */
static int read_state(setun_session *session, uint32_t index, bool on_device, setun_tensor *output) {
  const setun_argument *argument = &session->program->model->arguments[index];
  setun_slot *slot = &session->slots[index];
  if (!slot->ready)
    return setun_session_fail(session, "state '%s' has no value before a run", argument->name);
  *output = (setun_tensor){(setun_dtype)argument->dtype, argument->rank, slot->dims, slot->block.data};
  bool to_host = session->queue && !on_device;
  if (argument->axis < 0 || slot->live == slot->dims[argument->axis])
    return to_host
               ? bring(session, index, (size_t)setun_tensor_bytes(argument->dtype, slot->dims, argument->rank), output)
               : 0;
  memcpy(slot->live_dims, slot->dims, argument->rank * sizeof *slot->dims);
  slot->live_dims[argument->axis] = slot->live;
  size_t bytes = (size_t)setun_tensor_bytes(argument->dtype, slot->live_dims, argument->rank);
  setun_block *block = to_host ? &slot->host : &slot->compact;
  if (to_host ? setun_session_reserve_host(session, block, bytes) : setun_session_reserve(session, block, bytes, false))
    return setun_session_fail(session, "out of memory: state '%s'%s", argument->name, session->detail);
  if (copy_entries(session, block->data, slot->live, slot->block.data, slot->dims[argument->axis], slot->live, argument,
                   slot->dims, to_host ? SETUN_TO_HOST : SETUN_ON_DEVICE))
    return setun_session_fail(session, "state '%s' cannot be copied%s", argument->name, session->detail);
  output->dims = slot->live_dims;
  output->data = block->data;
  return 0;
}

static int get_output(setun_session *session, const char *name, bool on_device, setun_tensor *output) {
  const setun_model_desc *model = session->program->model;
  session->error[0] = 0;
  uint32_t index;
  if (setun_find_argument(model, name, true, &index))
    return setun_session_fail(session, "the model has no output '%s'", name);
  if (model->arguments[index].kind == SETUN_STATE)
    return read_state(session, index, on_device, output);
  const setun_argument *argument = &model->arguments[index];
  setun_slot *slot = &session->slots[index];
  if (!slot->ready)
    return setun_session_fail(session, "output '%s' has no value: no run has succeeded", name);
  *output = (setun_tensor){(setun_dtype)argument->dtype, argument->rank, slot->dims, slot->block.data};
  if (!session->queue || on_device)
    return 0;
  if (slot->host_ready)
    output->data = slot->host.data;
  else if (bring(session, index, (size_t)setun_tensor_bytes(argument->dtype, slot->dims, argument->rank), output))
    return -1;
  slot->host_ready = true;
  return 0;
}

int setun_get_output(setun_session *session, const char *name, setun_tensor *output) {
  return get_output(session, name, false, output);
}

int setun_get_output_device(setun_session *session, const char *name, setun_tensor *output) {
  return get_output(session, name, true, output);
}

void *setun_get_stream(const setun_session *session) {
  return session->queue ? session->program->driver->get_stream(session->queue) : NULL;
}

int64_t setun_position(const setun_session *session) {
  int64_t position = 0;
  const setun_model_desc *model = session->program->model;
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (model->arguments[i].kind == SETUN_STATE && session->slots[i].live > position)
      position = session->slots[i].live;
  return position;
}

int64_t setun_capacity(const setun_session *session) {
  int64_t capacity = 0;
  const setun_model_desc *model = session->program->model;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    if (argument->kind != SETUN_STATE || argument->axis < 0)
      continue;
    int64_t dim = argument->dims[argument->axis], own = dim < 0 ? session->capacity : dim;
    if (capacity == 0 || own < capacity)
      capacity = own;
  }
  return capacity;
}

int setun_truncate(setun_session *session, int64_t position) {
  const setun_model_desc *model = session->program->model;
  session->error[0] = 0;
  if (position == 0) {
    setun_reset(session);
    return 0;
  }
  if (position < 0 || position > setun_position(session))
    return setun_session_fail(session, "cannot go back to position %lld from %lld", (long long)position,
                              (long long)setun_position(session));
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (model->arguments[i].kind == SETUN_STATE && model->arguments[i].axis < 0 && position < setun_position(session))
      return setun_session_fail(session, "state '%s' does not grow and cannot go back to position %lld",
                                model->arguments[i].name, (long long)position);
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (session->slots[i].live > position)
      session->slots[i].live = position;
  return 0;
}

void setun_reset(setun_session *session) {
  const setun_model_desc *model = session->program->model;
  session->error[0] = 0;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    setun_slot *slot = &session->slots[i];
    if (argument->kind == SETUN_STATE && argument->axis < 0 && slot->ready)
      (void)setun_session_zero(session, slot->block.data,
                               slot->block.size); /* a device that fails fails the next run */
    slot->live = 0;
    slot->used = false;
  }
}
