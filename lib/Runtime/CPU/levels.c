/*===- levels.c - Which code of a model runs -----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool runs(const setun_level *level, uint64_t features) { return (level->features & ~features) == 0; }

/* The names of the levels that `features` allow, or "none". */
static void list_levels(const setun_model_desc *model, uint64_t features, char *text, size_t size) {
  size_t used = 0;
  for (uint32_t i = 0; i < model->num_levels && used < size; ++i)
    if (runs(&model->levels[i], features))
      used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", model->levels[i].name);
  if (!used)
    snprintf(text, size, "none");
}

const setun_level *setun_pick_level(const setun_model_desc *model, const char *target, uint64_t features,
                                    setun_message message) {
  const char *source = "target";
  if (!target || !*target) {
    target = getenv("SETUN_TARGET");
    source = "SETUN_TARGET";
  }
  bool forced = target && *target;
  const char *colon = forced ? strrchr(target, ':') : NULL, *name = colon ? colon + 1 : target;
  char levels[256];
  for (uint32_t i = 0; i < model->num_levels; ++i) {
    const setun_level *level = &model->levels[i];
    if (forced && strcmp(level->name, name) != 0)
      continue;
    if (runs(level, features))
      return level;
    if (forced) {
      list_levels(model, features, levels, sizeof levels);
      setun_fail(message, "%s: this processor cannot run the level '%s'; of the model's it runs: %s", source, target,
                 levels);
      return NULL;
    }
  }
  list_levels(model, ~(uint64_t)0, levels, sizeof levels);
  if (forced)
    setun_fail(message, "%s: the model has no level '%s'; it has: %s", source, target, levels);
  else
    setun_fail(message, "this processor runs none of the model's levels: %s", levels);
  return NULL;
}
