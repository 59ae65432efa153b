/*===- levels.c - Which code of a model runs -----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Levels stand best first, those of devices before the processor's. Without a wish a level whose device is not there is
 * passed over in silence, as one that the processor lacks; when none is left, the error tells why. */

#include "Internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the caller or the environment asks for; NULL: anything. */
typedef struct wish {
  const char *target, *target_source;
  const char *device, *device_source;
  size_t device_length; /* of its name, without the index */
  int32_t index;        /* -1: any */
} wish;

/* Room for a driver's message. */
enum { REASON_SIZE = 400 };

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

static const setun_device_driver *find_driver(const char *name) {
  for (size_t i = 0; setun_device_drivers && setun_device_drivers[i]; ++i)
    if (strcmp(setun_device_drivers[i]->name, name) == 0)
      return setun_device_drivers[i];
  return NULL;
}

/* The option, or the environment's word for it, or NULL. */
static const char *ask(const char *option, const char *name, const char *variable, const char **source) {
  *source = option && *option ? name : variable;
  const char *value = option && *option ? option : getenv(variable);
  return value && *value ? value : NULL;
}

static int parse_device(wish *w, setun_message message) {
  w->index = -1;
  if (!w->device)
    return 0;
  w->device_length = strcspn(w->device, ":");
  const char *colon = w->device[w->device_length] ? w->device + w->device_length : NULL;
  if (!colon)
    return 0;
  char *end = NULL;
  long index = strtol(colon + 1, &end, 10);
  bool cpu = w->device_length == 3 && strncmp(w->device, "cpu", 3) == 0;
  if (cpu || colon[1] < '0' || colon[1] > '9' || *end || index > INT16_MAX)
    return setun_fail(message, "%s: '%s' is no device: give cpu, or a device with or without its number (cuda:0)",
                      w->device_source, w->device);
  w->index = (int32_t)index;
  return 0;
}

/* Whether the wish allows code for this place. */
static bool allows(const wish *w, const setun_level *level) {
  const char *own = level->device ? level->device->driver : "cpu";
  return !w->device || (strlen(own) == w->device_length && strncmp(own, w->device, w->device_length) == 0);
}

/* Takes the level if it runs here; else says why not. */
static bool take(const setun_level *level, const wish *w, uint64_t features, setun_choice *choice, char *reason) {
  setun_message message = {reason, REASON_SIZE};
  *choice = (setun_choice){level, NULL, 0};
  if (!runs(level, features))
    return false;
  if (!level->device)
    return true;
  choice->driver = find_driver(level->device->driver);
  if (choice->driver)
    return choice->driver->find(level->device, w->index, &choice->index, message) == 0;
  return setun_fail(message, "this program was linked without the runtime's part for %s", level->device->driver) == 0;
}

const setun_level *setun_pick_level(const setun_model_desc *model, const char *target, const char *device,
                                    uint64_t features, setun_choice *choice, setun_message message) {
  wish w = {0};
  w.target = ask(target, "target", "SETUN_TARGET", &w.target_source);
  w.device = ask(device, "device", "SETUN_DEVICE", &w.device_source);
  if (parse_device(&w, message))
    return NULL;
  const char *colon = w.target ? strrchr(w.target, ':') : NULL, *name = colon ? colon + 1 : w.target;
  char levels[256], reason[REASON_SIZE] = "";
  const setun_level *named = NULL, *refused = NULL; /* refused: the first that a device refused */
  for (uint32_t i = 0; i < model->num_levels; ++i) {
    const setun_level *level = &model->levels[i];
    char why[REASON_SIZE] = "";
    if (w.target && strcmp(level->name, name) != 0)
      continue;
    named = level;
    if (!allows(&w, level))
      continue;
    if (take(level, &w, features, choice, why))
      return level;
    if (why[0] && !refused) {
      refused = level;
      memcpy(reason, why, sizeof reason);
    }
  }
  list_levels(model, ~(uint64_t)0, levels, sizeof levels);
  if (w.target && !named)
    setun_fail(message, "%s: the model has no level '%s'; it has: %s", w.target_source, w.target, levels);
  else if (refused)
    setun_fail(message, "%s%scannot run the level '%s': %s",
               w.target   ? w.target_source
               : w.device ? w.device_source
                          : "",
               w.target || w.device ? ": " : "", refused->name, reason);
  else if (w.target && !allows(&w, named))
    setun_fail(message, "%s: '%s' does not run the level '%s'", w.device_source, w.device, named->name);
  else if (w.target) {
    list_levels(model, features, levels, sizeof levels);
    setun_fail(message, "%s: this processor cannot run the level '%s'; of the model's it runs: %s", w.target_source,
               w.target, levels);
  } else if (w.device) {
    setun_fail(message, "%s: the model has no level that runs on '%s'; it has: %s", w.device_source, w.device, levels);
  } else {
    setun_fail(message, "this processor runs none of the model's levels: %s", levels);
  }
  return NULL;
}

int setun_list_devices(char *text, size_t size) {
  setun_message message = {text, size};
  if (!setun_device_drivers || !setun_device_drivers[0])
    return setun_fail(message, "this program was linked without the runtime's part for any device");
  size_t used = 0;
  bool found = false;
  for (size_t i = 0; setun_device_drivers[i] && used < size; ++i) {
    message = (setun_message){text + used, size - used};
    if (setun_device_drivers[i]->list(text + used, size - used, message) == 0) {
      found = true;
      used += strlen(text + used);
    }
  }
  return found ? 0 : -1;
}
