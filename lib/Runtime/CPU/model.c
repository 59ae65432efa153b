/*===- model.c - Opening models ------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "Internal.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static int check(const setun_model_desc *model, setun_message message) {
  if (!model)
    return setun_fail(message, "no model given");
  if (model->abi_version != SETUN_ABI_VERSION)
    return setun_fail(message, "the model was compiled for version %u of the runtime's interface; this runtime has %u",
                      model->abi_version, SETUN_ABI_VERSION);
  if (model->num_levels == 0)
    return setun_fail(message, "the model '%s' holds no code", model->name);
  return 0;
}

/* Brings code and weights to the device that was chosen, if one was. */
static int open_device(setun_program *program, const setun_choice *choice, const setun_options *options,
                       setun_message message) {
  const setun_model_desc *model = program->model;
  if (!choice->driver)
    return 0;
  uint64_t size = program->weights.data ? model->weights_size - model->data_offset : 0;
  if (model->text_size && model->text_offset <= size && model->text_offset + model->text_size >= size)
    size = model->text_offset; /* text stays here */
  setun_device_source source = {program->level->device, choice->index,         program->weights.data, size,
                                options->progress,      options->progress_user};
  program->device = choice->driver->open(&source, message);
  program->driver = choice->driver;
  program->device_index = choice->index;
  return program->device ? 0 : -1;
}

static setun_program *open_model(const setun_model_desc *model, const char *library, const setun_options *options,
                                 setun_message message) {
  static const setun_options defaults;
  if (!options)
    options = &defaults;
  if (check(model, message))
    return NULL;
  setun_program *program = calloc(1, sizeof *program);
  if (!program) {
    setun_fail(message, "out of memory");
    return NULL;
  }
  program->model = model;
  setun_choice choice;
  program->level = setun_pick_level(model, options->target, options->device, setun_cpu_features(), &choice, message);
  if (program->level && !setun_weights_map(&program->weights, model, library, options->weights, message) &&
      !open_device(program, &choice, options, message))
    program->pool = setun_pool_create(options->threads, options->pin_threads != 0, message);
  if (!program->pool) {
    setun_close(program);
    return NULL;
  }
  return program;
}

setun_program *setun_open_linked(const setun_model_desc *model, const setun_options *options, char *error,
                                 size_t error_size) {
  return open_model(model, NULL, options, (setun_message){error, error_size});
}

setun_program *setun_open(const char *library, const setun_options *options, char *error, size_t error_size) {
  setun_message message = {error, error_size};
  char *path = realpath(library, NULL); /* with a slash, so that dlopen does not search */
  if (!path) {
    setun_fail(message, "cannot open model '%s': %m", library);
    return NULL;
  }
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  setun_program *program = NULL;
  const setun_model_desc *model = handle ? dlsym(handle, SETUN_MODEL_SYMBOL) : NULL;
  if (!handle)
    setun_fail(message, "cannot load model: %s", dlerror());
  else if (!model)
    setun_fail(message, "'%s' is not a model compiled by Setun: it has no symbol '" SETUN_MODEL_SYMBOL "'", library);
  else
    program = open_model(model, path, options, message);
  if (program)
    program->library = handle;
  else if (handle)
    dlclose(handle);
  free(path);
  return program;
}

void setun_close(setun_program *program) {
  if (!program)
    return;
  if (program->pool)
    setun_pool_destroy(program->pool);
  if (program->device)
    program->driver->close(program->device);
  setun_weights_unmap(&program->weights);
  if (program->library)
    dlclose(program->library);
  free(program);
}

const setun_model_desc *setun_describe(const setun_program *program) { return program->model; }

const char *setun_level_name(const setun_program *program) { return program->level->name; }

setun_device_info setun_get_device(const setun_program *program) {
  if (!program->device)
    return (setun_device_info){1, 0, "cpu"};
  return (setun_device_info){program->driver->type, program->device_index, program->driver->get_name(program->device)};
}

int32_t setun_threads(const setun_program *program) { return setun_pool_threads(program->pool); }

const void *setun_text_table(const setun_program *program, size_t *size) {
  const setun_model_desc *model = program->model;
  *size = program->weights.data ? model->text_size : 0;
  return *size ? program->weights.data + model->text_offset : NULL;
}

size_t setun_count(const setun_program *program, setun_argument_kind kind) {
  size_t count = 0;
  for (uint32_t i = 0; i < program->model->num_arguments; ++i)
    count += program->model->arguments[i].kind == (uint32_t)kind;
  return count;
}

int setun_get_info(const setun_program *program, setun_argument_kind kind, size_t index, setun_info *info) {
  for (uint32_t i = 0; i < program->model->num_arguments; ++i) {
    const setun_argument *argument = &program->model->arguments[i];
    if (argument->kind != (uint32_t)kind || index--)
      continue;
    *info = (setun_info){argument->name, argument->output_name, kind,          (setun_dtype)argument->dtype,
                         argument->rank, argument->axis,        argument->dims};
    return 0;
  }
  return -1;
}

const char *setun_dim_name(const setun_program *program, int64_t dim) {
  int64_t symbol = -1 - dim;
  return symbol >= 0 && symbol < program->model->num_symbols ? program->model->symbols[symbol].name : NULL;
}
