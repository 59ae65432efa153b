/*===- bind.c - Sizes of a run -------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Every dynamic size is a symbol. The session knows positions and capacities; all others are bound by the first input
 * (or loaded state) that has them, and checked against every other. */

#include "Internal.h"
#include <string.h>

#define UNBOUND INT64_MIN

int64_t setun_session_dim(const setun_session *session, const setun_argument *argument, uint32_t index) {
  int64_t dim = argument->dims[index];
  return dim < 0 ? session->symbols[-1 - dim] : dim;
}

/* States that share a position must hold equally many entries. */
static int bind_positions(setun_session *session) {
  const setun_model_desc *model = session->program->model;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    if (argument->kind != SETUN_STATE || argument->position < 0)
      continue;
    int64_t *symbol = &session->symbols[argument->position], live = session->slots[i].live;
    if (*symbol != UNBOUND && *symbol != live)
      return setun_session_fail(
          session, "state '%s' holds %lld entries, but '%s', which shares its position, holds %lld", argument->name,
          (long long)live, model->arguments[session->binders[argument->position]].name, (long long)*symbol);
    *symbol = live;
    session->binders[argument->position] = (int32_t)i;
  }
  return 0;
}

static int bind_dims(setun_session *session, uint32_t index) {
  const setun_model_desc *model = session->program->model;
  const setun_argument *argument = &model->arguments[index];
  const char *what = argument->kind == SETUN_STATE ? "state" : "input";
  for (uint32_t d = 0; d < argument->rank; ++d) {
    int64_t got = session->slots[index].dims[d], dim = argument->dims[d];
    if (dim >= 0) {
      if (got != dim)
        return setun_session_fail(session, "%s '%s': dimension %u is %lld, expected %lld", what, argument->name, d,
                                  (long long)got, (long long)dim);
      continue;
    }
    int64_t *symbol = &session->symbols[-1 - dim];
    int32_t *binder = &session->binders[-1 - dim];
    if (*symbol == UNBOUND) {
      *symbol = got;
      *binder = (int32_t)index;
    } else if (*symbol != got) {
      const char *name = model->symbols[-1 - dim].name;
      if (*binder < 0)
        return setun_session_fail(session, "%s '%s': dimension %u is %lld, expected %lld (the session's '%s')", what,
                                  argument->name, d, (long long)got, (long long)*symbol, name);
      return setun_session_fail(session, "%s '%s': dimension %u is %lld, expected %lld ('%s', as in '%s')", what,
                                argument->name, d, (long long)got, (long long)*symbol, name,
                                model->arguments[*binder].name);
    }
  }
  return 0;
}

/* Gives a state the buffer that this run's sizes ask for. */
static int prepare_state(setun_session *session, uint32_t index) {
  const setun_argument *argument = &session->program->model->arguments[index];
  setun_slot *slot = &session->slots[index];
  bool same = slot->ready;
  for (uint32_t d = 0; d < argument->rank; ++d) {
    int64_t size = setun_session_dim(session, argument, d);
    same &= slot->dims[d] == size;
    slot->dims[d] = size;
  }
  if (same)
    return 0;
  int64_t bytes = setun_tensor_bytes(argument->dtype, slot->dims, argument->rank);
  if (bytes < 0)
    return setun_session_fail(session, "state '%s' is too large", argument->name);
  slot->ready = false;
  if (slot->block.data && argument->axis < 0)
    setun_session_release(session, &slot->block); /* its first value is zero */
  if (setun_session_reserve(session, &slot->block, (size_t)bytes, false))
    return setun_session_fail(session, "out of memory: state '%s' takes %lld bytes%s", argument->name, (long long)bytes,
                              session->detail);
  slot->ready = true;
  return 0;
}

int setun_session_bind(setun_session *session) {
  const setun_model_desc *model = session->program->model;
  for (uint32_t s = 0; s < model->num_symbols; ++s) {
    session->symbols[s] = model->symbols[s].kind == SETUN_CAPACITY ? session->capacity : UNBOUND;
    session->binders[s] = -1;
  }
  if (bind_positions(session))
    return -1;
  for (uint32_t i = 0; i < model->num_arguments; ++i) {
    const setun_argument *argument = &model->arguments[i];
    const setun_slot *slot = &session->slots[i];
    if (argument->kind == SETUN_INPUT && !slot->ready)
      return setun_session_fail(session, "input '%s' is not given", argument->name);
    /* A state binds sizes only by what it holds: an empty one takes this run's. */
    bool holds = argument->kind == SETUN_STATE && slot->ready && (slot->live > 0 || slot->used);
    if ((argument->kind == SETUN_INPUT || holds) && bind_dims(session, i))
      return -1;
  }
  for (uint32_t s = 0; s < model->num_symbols; ++s)
    if (session->symbols[s] == UNBOUND)
      return setun_session_fail(session, "no input tells the size '%s'", model->symbols[s].name);
  for (uint32_t i = 0; i < model->num_arguments; ++i)
    if (model->arguments[i].kind == SETUN_STATE && prepare_state(session, i))
      return -1;
  return 0;
}
