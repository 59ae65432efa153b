/*===- place.c - A session's memory, wherever it is ----------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Code works on the host's memory or on a device's. All else of a session asks here. */

#include "Internal.h"
#include <stdio.h>
#include <string.h>

/* Puts "; " before what the driver said. */
static int told(setun_session *session, int failed, const char *text) {
  if (failed)
    snprintf(session->detail, sizeof session->detail, "; %s", text);
  return failed;
}

static int reserve_on(setun_session *session, setun_block *block, size_t size, bool host) {
  const setun_device_driver *driver = session->program->driver;
  char text[240] = "";
  if (block->data && block->size >= size)
    return 0;
  if (block->data)
    driver->release(session->queue, block->data, host);
  *block = (setun_block){0};
  size = size ? (size + SETUN_ALIGNMENT - 1) / SETUN_ALIGNMENT * SETUN_ALIGNMENT : SETUN_ALIGNMENT;
  void *data = driver->reserve(session->queue, size, host, (setun_message){text, sizeof text});
  if (!data)
    return told(session, -1, text);
  *block = (setun_block){data, size, false};
  return 0;
}

static void release_on(setun_session *session, setun_block *block, bool host) {
  if (block->data)
    session->program->driver->release(session->queue, block->data, host);
  *block = (setun_block){0};
}

int setun_session_reserve(setun_session *session, setun_block *block, size_t size, bool huge) {
  session->detail[0] = 0;
  return session->queue ? reserve_on(session, block, size, false) : setun_block_reserve(block, size, huge);
}

int setun_session_reserve_host(setun_session *session, setun_block *block, size_t size) {
  session->detail[0] = 0;
  return session->queue ? reserve_on(session, block, size, true) : setun_block_reserve(block, size, false);
}

void setun_session_release(setun_session *session, setun_block *block) {
  if (session->queue)
    release_on(session, block, false);
  else
    setun_block_free(block);
}

void setun_session_release_host(setun_session *session, setun_block *block) {
  if (session->queue)
    release_on(session, block, true);
  else
    setun_block_free(block);
}

int setun_session_copy(setun_session *session, void *to, const void *from, size_t size, setun_direction direction) {
  char text[240] = "";
  session->detail[0] = 0;
  if (size == 0)
    return 0;
  if (session->queue)
    return told(
        session,
        session->program->driver->copy(session->queue, to, from, size, direction, (setun_message){text, sizeof text}),
        text);
  memcpy(to, from, size);
  return 0;
}

int setun_session_zero(setun_session *session, void *to, size_t size) {
  char text[240] = "";
  session->detail[0] = 0;
  if (session->queue)
    return told(session, session->program->driver->zero(session->queue, to, size, (setun_message){text, sizeof text}),
                text);
  memset(to, 0, size);
  return 0;
}

int setun_session_wait(setun_session *session) {
  char text[240] = "";
  session->detail[0] = 0;
  if (!session->queue)
    return 0;
  return told(session, session->program->driver->wait(session->queue, (setun_message){text, sizeof text}), text);
}
