/*===- info.c - What a model takes and gives -----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Main.h"
#include <string.h>

static const char *const kinds[] = {"input", "state", "output"};

static void print_string(const char *text) { setun_print_string(text, strlen(text)); }

/* A size, or a symbol's name; '?' for what only a run tells. */
static void print_dim(const setun_program *program, const setun_info *info, uint32_t index, bool json) {
  int64_t dim = info->dims[index];
  const char *name = info->kind == SETUN_OUTPUT ? "?" : setun_dim_name(program, dim);
  if (index)
    printf(", ");
  if (dim >= 0)
    printf("%lld", (long long)dim);
  else if (json)
    print_string(name ? name : "?");
  else
    printf("%s", name ? name : "?");
}

static void print_text(const setun_program *program, const setun_info *info) {
  printf("%-8s %-32s %-5s [", kinds[info->kind], info->name, setun_dtype_name(info->dtype));
  for (uint32_t d = 0; d < info->rank; ++d)
    print_dim(program, info, d, false);
  printf("]");
  if (info->kind == SETUN_STATE && info->axis >= 0)
    printf(" grows along dimension %d", info->axis);
  if (info->kind == SETUN_STATE && info->output_name)
    printf(" -> %s", info->output_name);
  printf("\n");
}

static void print_json(const setun_program *program, const setun_info *info) {
  printf("{\"kind\": \"%s\", \"name\": ", kinds[info->kind]);
  print_string(info->name);
  if (info->output_name) {
    printf(", \"output\": ");
    print_string(info->output_name);
  }
  printf(", \"dtype\": \"%s\", \"dims\": [", setun_dtype_name(info->dtype));
  for (uint32_t d = 0; d < info->rank; ++d)
    print_dim(program, info, d, true);
  printf("]");
  if (info->kind == SETUN_STATE && info->axis >= 0)
    printf(", \"axis\": %d", info->axis);
  printf("}");
}

int setun_command_info(const setun_command *command, setun_program *program, setun_text *error) {
  (void)error;
  const setun_model_desc *model = setun_describe(program);
  bool json = command->json;
  if (json)
    printf("{\"model\": ");
  if (json)
    print_string(model->name ? model->name : "");
  else
    printf("model    %s\nthreads  %d\ndevice   %s\nlevel    %s (of", model->name ? model->name : "",
           setun_threads(program), setun_get_device(program).name, setun_level_name(program));
  if (json) {
    const char *device = setun_get_device(program).name;
    printf(", \"threads\": %d, \"device\": ", setun_threads(program));
    print_string(device);
    printf(", \"level\": \"%s\", \"levels\": [", setun_level_name(program));
  }
  for (uint32_t i = 0; i < model->num_levels; ++i)
    printf(json ? "%s\"%s\"" : "%s %s", i ? json ? ", " : "," : "", model->levels[i].name);
  if (json) {
    printf("], \"weights\": {\"bytes\": %llu, \"file\": ", (unsigned long long)model->weights_size);
    print_string(model->weights_file ? model->weights_file : "");
    printf("}, \"default_capacity\": %lld, \"arguments\": [", (long long)model->default_capacity);
  } else {
    printf(")\nweights  %llu bytes, %s\n", (unsigned long long)model->weights_size,
           model->weights_file ? model->weights_file : "in this file");
  }
  static const setun_argument_kind order[] = {SETUN_INPUT, SETUN_STATE, SETUN_OUTPUT};
  setun_info info;
  bool first = true;
  for (int k = 0; k < 3; ++k)
    for (size_t i = 0; setun_get_info(program, order[k], i, &info) == 0; ++i) {
      if (json && !first)
        printf(", ");
      first = false;
      (json ? print_json : print_text)(program, &info);
    }
  if (json)
    printf("]}\n");
  return 0;
}
