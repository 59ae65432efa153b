/*===- argmax.c - The likeliest token ------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* On a device whose code has a kernel for it the logits stay there. Who asks once asks after every token: the next run
 * makes the answer along with the rest, so that one wait is enough. */

#include "Internal.h"
#include <string.h>

#define LARGEST(type, name)                                                                                            \
  static int64_t largest_##name(const type *numbers, int64_t count) {                                                  \
    int64_t best = -1;                                                                                                 \
    type most = -__builtin_inf();                                                                                      \
    for (int64_t i = 0; i < count; ++i)                                                                                \
      if (numbers[i] > most) {                                                                                         \
        most = numbers[i];                                                                                             \
        best = i;                                                                                                      \
      }                                                                                                                \
    return best;                                                                                                       \
  }
LARGEST(float, f32)
LARGEST(double, f64)

/* Halves compare as their bits do once the sign is the number's; `infinity`: its bits, above which NaN begin. */
static int64_t largest_half(const uint16_t *numbers, int64_t count, int32_t infinity) {
  int64_t best = -1;
  int32_t most = -infinity;
  for (int64_t i = 0; i < count; ++i) {
    int32_t size = numbers[i] & 0x7fff, number = numbers[i] & 0x8000 ? -size : size;
    if (size <= infinity && number > most) {
      most = number;
      best = i;
    }
  }
  return best;
}

static int64_t largest(setun_dtype dtype, const void *numbers, int64_t count) {
  return dtype == SETUN_F32   ? largest_f32(numbers, count)
         : dtype == SETUN_F64 ? largest_f64(numbers, count)
                              : largest_half(numbers, count, dtype == SETUN_F16 ? 0x7c00 : 0x7f80);
}

int64_t setun_find_row(const setun_slot *slot, uint32_t rank, int64_t row) {
  int64_t rows = 1;
  for (uint32_t d = 0; d + 1 < rank; ++d)
    rows *= slot->dims[d];
  row = row < 0 ? rows + row : row;
  return row >= 0 && row < rows ? row * slot->dims[rank - 1] : -1;
}

/* Enqueues the device's kernel. Returns -1 when there is none. */
static int enqueue(setun_session *session, uint32_t index, int64_t start, int64_t rows) {
  const setun_argument *argument = &session->program->model->arguments[index];
  const setun_slot *slot = &session->slots[index];
  const uint8_t *data = (const uint8_t *)slot->block.data + (size_t)start * setun_dtype_size(argument->dtype);
  return session->program->driver->argmax(session->queue, (setun_dtype)argument->dtype, data,
                                          slot->dims[argument->rank - 1], rows);
}

void setun_argmax_follow(setun_session *session) {
  if (!session->argmax.follow)
    return;
  session->argmax.follow = false; /* unless it is asked for */
  uint32_t index = session->argmax.argument, rank = session->program->model->arguments[index].rank;
  const setun_slot *slot = &session->slots[index];
  int64_t row = session->argmax.row, rows = session->argmax.rows;
  int64_t start = setun_find_row(slot, rank, row), last = setun_find_row(slot, rank, row + rows - 1);
  bool there = start >= 0 && last - start == (rows - 1) * slot->dims[rank - 1];
  session->argmax.ready = there && enqueue(session, index, start, rows) == 0;
}

void setun_argmax_keep(setun_session *session) {
  if (session->argmax.ready)
    memcpy(session->argmax.tokens, session->program->driver->tokens(session->queue),
           (size_t)session->argmax.rows * sizeof *session->argmax.tokens);
}

/* The answer by a kernel. Returns 1 when there is none. */
static int ask_device(setun_session *session, uint32_t index, int64_t row, int64_t start, int64_t rows,
                      int64_t *tokens) {
  const setun_device_driver *driver = session->program->driver;
  char text[512] = "";
  bool asked = session->argmax.ready && session->argmax.argument == index && session->argmax.row == row &&
               session->argmax.rows == rows;
  if (!asked) {
    session->argmax.ready = false;
    driver->begin(session->queue, NULL);
    if (enqueue(session, index, start, rows)) {
      (void)driver->finish(session->queue, true, tokens, (setun_message){text, sizeof text});
      return 1;
    }
    if (driver->finish(session->queue, false, &session->argmax.token, (setun_message){text, sizeof text}))
      return setun_session_fail(session, "%s", text);
  }
  session->argmax.argument = index;
  session->argmax.row = row;
  session->argmax.rows = rows;
  session->argmax.ready = session->argmax.follow = true;
  if (!asked)
    setun_argmax_keep(session);
  setun_draw_forget(session);
  memcpy(tokens, session->argmax.tokens, (size_t)rows * sizeof *tokens);
  return 0;
}

int setun_find_logits(setun_session *session, const char *name, int64_t row, uint32_t *index, int64_t *start) {
  const setun_model_desc *model = session->program->model;
  session->error[0] = 0;
  if (setun_find_argument(model, name, true, index) || model->arguments[*index].kind != SETUN_OUTPUT)
    return setun_session_fail(session, "the model has no output '%s'", name);
  const setun_argument *argument = &model->arguments[*index];
  const setun_slot *slot = &session->slots[*index];
  if (argument->dtype > SETUN_BF16 || argument->rank < 1)
    return setun_session_fail(session, "output '%s' has no rows of floats", name);
  if (!slot->ready)
    return setun_session_fail(session, "output '%s' has no value: no run has succeeded", name);
  *start = setun_find_row(slot, argument->rank, row);
  return *start < 0 ? setun_session_fail(session, "output '%s' has no row %lld", name, (long long)row) : 0;
}

/* At most SETUN_DEVICE_TOKENS rows. */
static int find_largest(setun_session *session, const char *name, int64_t first, int64_t rows, int64_t *indices) {
  uint32_t index;
  int64_t start, last;
  if (setun_find_logits(session, name, first, &index, &start) ||
      setun_find_logits(session, name, first + rows - 1, &index, &last))
    return -1;
  const setun_argument *argument = &session->program->model->arguments[index];
  int64_t width = session->slots[index].dims[argument->rank - 1];
  if (last - start != (rows - 1) * width)
    return setun_session_fail(session, "output '%s' has no %lld rows from row %lld on", name, (long long)rows,
                              (long long)first);
  int status = session->queue ? ask_device(session, index, first, start, rows, indices) : 1;
  if (status <= 0)
    return status;
  setun_tensor output;
  if (setun_get_output(session, name, &output))
    return -1;
  for (int64_t i = 0; i < rows; ++i)
    indices[i] =
        largest(output.dtype,
                (const uint8_t *)output.data + (size_t)(start + i * width) * setun_dtype_size(output.dtype), width);
  return 0;
}

int setun_argmax_rows(setun_session *session, const char *name, int64_t first, int64_t count, int64_t *indices) {
  session->error[0] = 0;
  if (count < 0)
    return setun_session_fail(session, "a negative number of rows");
  for (int64_t done = 0; done < count;) {
    int64_t rows = count - done < SETUN_DEVICE_TOKENS ? count - done : SETUN_DEVICE_TOKENS;
    if (find_largest(session, name, first + done, rows, indices + done))
      return -1;
    done += rows;
  }
  return 0;
}

int setun_argmax(setun_session *session, const char *name, int64_t row, int64_t *token) {
  return find_largest(session, name, row, 1, token);
}
