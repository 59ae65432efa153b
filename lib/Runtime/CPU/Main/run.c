/*===- run.c - One run on arrays -----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Half.h"
#include "Main.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* f32 data for an f16 or bf16 input: NumPy has no bf16. */
static void narrow(setun_array *array, setun_dtype dtype) {
  int64_t count = 1;
  for (uint32_t d = 0; d < array->rank; ++d)
    count *= array->dims[d];
  char *bytes = array->data; /* in place: an element is read before its place is written */
  for (int64_t i = 0; i < count; ++i) {
    float value;
    memcpy(&value, bytes + 4 * i, sizeof value);
    uint16_t half = dtype == SETUN_F16 ? setun_f32_to_f16(value) : setun_f32_to_bf16(value);
    memcpy(bytes + 2 * i, &half, sizeof half);
  }
  array->dtype = dtype;
}

static setun_dtype wanted_type(const setun_program *program, const char *name) {
  setun_info info;
  for (int kind = SETUN_INPUT; kind <= SETUN_STATE; ++kind)
    for (size_t i = 0; setun_get_info(program, (setun_argument_kind)kind, i, &info) == 0; ++i)
      if (strcmp(info.name, name) == 0)
        return info.dtype;
  return SETUN_F32;
}

static int give_input(setun_session *session, const setun_program *program, const char *input, setun_array *array,
                      setun_text *error) {
  /* A name may hold '=', and so may a path: the name is the longest that the model knows. */
  const char *equals = strchr(input, '=');
  setun_info info;
  for (int kind = SETUN_INPUT; kind <= SETUN_STATE; ++kind)
    for (size_t i = 0; setun_get_info(program, (setun_argument_kind)kind, i, &info) == 0; ++i)
      if (strncmp(info.name, input, strlen(info.name)) == 0 && input[strlen(info.name)] == '=' &&
          input + strlen(info.name) > equals)
        equals = input + strlen(info.name);
  if (setun_npy_read(equals + 1, array, error))
    return -1;
  char *name = strndup(input, (size_t)(equals - input));
  if (!name)
    return setun_text_fail(error, "out of memory");
  setun_dtype wanted = wanted_type(program, name);
  if (array->dtype == SETUN_F32 && (wanted == SETUN_F16 || wanted == SETUN_BF16))
    narrow(array, wanted);
  int failed = setun_set_input(session, name, array->dtype, array->dims, array->rank, array->data);
  free(name);
  return failed ? setun_text_fail(error, "%s", setun_error(session)) : 0;
}

static int write_output(setun_session *session, const char *name, const char *folder, setun_npy_file *npy,
                        setun_text *error) {
  setun_tensor tensor;
  if (setun_get_output(session, name, &tensor))
    return setun_text_fail(error, "%s", setun_error(session));
  char *path;
  if (asprintf(&path, "%s/%s.npy", folder, name) < 0)
    return setun_text_fail(error, "out of memory");
  for (char *at = path + strlen(folder) + 1; *at; ++at)
    if (*at == '/')
      *at = '_';
  int failed = setun_npy_create(npy, path, error);
  free(path);
  int64_t count = 1;
  for (uint32_t d = 0; d < tensor.rank; ++d)
    count *= tensor.dims[d];
  return failed || setun_npy_append(npy, tensor.dtype, tensor.data, count, error) ||
                 setun_npy_finish(npy, tensor.dtype, tensor.dims, tensor.rank, error)
             ? -1
             : 0;
}

static int write_all(setun_session *session, const setun_program *program, const char *folder, setun_text *error) {
  if (mkdir(folder, 0777) && errno != EEXIST)
    return setun_text_fail(error, "cannot make the folder '%s': %m", folder);
  size_t room = setun_count(program, SETUN_OUTPUT) + setun_count(program, SETUN_STATE), made = 0;
  setun_npy_file *files = calloc(room + 1, sizeof *files);
  if (!files)
    return setun_text_fail(error, "out of memory");
  int failed = 0;
  setun_info info;
  for (int kind = SETUN_OUTPUT; !failed && kind >= SETUN_STATE; --kind)
    for (size_t i = 0; !failed && setun_get_info(program, (setun_argument_kind)kind, i, &info) == 0; ++i) {
      const char *name = kind == SETUN_STATE ? info.output_name : info.name;
      if (!name)
        continue;
      failed = write_output(session, name, folder, &files[made++], error);
      for (size_t j = 0; !failed && j + 1 < made; ++j)
        if (strcmp(files[j].path, files[made - 1].path) == 0)
          failed = setun_text_fail(error, "two outputs would both be written to '%s'", files[j].path);
    }
  for (size_t i = 0; !failed && i < made; ++i)
    failed = setun_npy_commit(&files[i], error);
  for (size_t i = 0; i < made; ++i)
    setun_npy_close(&files[i]);
  free(files);
  return failed;
}

int setun_command_run(const setun_command *command, setun_program *program, setun_text *error) {
  if (!command->output_dir)
    return setun_text_fail(error, "--output-dir is missing: where should the outputs go?");
  setun_session *session =
      setun_session_open(program, command->context > 0 ? command->context : 0, error->text, sizeof error->text);
  setun_array *arrays = calloc(command->inputs.size + 1, sizeof *arrays);
  int failed = !session ? -1 : arrays ? 0 : setun_text_fail(error, "out of memory");
  for (size_t i = 0; !failed && i < command->inputs.size; ++i)
    failed = give_input(session, program, command->inputs.items[i], &arrays[i], error);
  if (!failed && setun_run(session))
    failed = setun_text_fail(error, "%s", setun_error(session));
  if (!failed)
    failed = write_all(session, program, command->output_dir, error);
  for (size_t i = 0; arrays && i < command->inputs.size; ++i)
    free(arrays[i].data);
  free(arrays);
  setun_session_close(session);
  return failed;
}
