/*===- Runner.c - Runs kernels of another machine for the conformance suite ------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Linked with an object that holds kernels and their table. `runner FD` maps the operands' file, then takes commands
 * on its standard input and answers each with one byte. A kernel that leaves its operands kills the process: that is
 * what the suite watches for. */

#define _GNU_SOURCE
#include "Protocol.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct descriptor {
  void *allocated, *aligned;
  int64_t offset, rest[4]; /* size, stride; or two sizes, two strides */
};

typedef void (*three_fn)(void *, void *, void *);
typedef void (*four_fn)(void *, void *, void *, void *);
extern void (*const setun_kernels[])(void);

static int read_all(void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = read(0, (char *)to + done, size - done);
    if (got <= 0)
      return 0;
    done += (size_t)got;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  int file = atoi(argv[1]);
  char *memory = mmap(NULL, SETUN_MEMORY_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return 3;
  for (int i = 0; i < SETUN_REGIONS; ++i)
    if (mmap(memory + SETUN_REGION_START(i), SETUN_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
             SETUN_REGION_START(i)) == MAP_FAILED)
      return 4;

  struct setun_command command;
  while (read_all(&command, sizeof command)) {
    struct descriptor operands[SETUN_REGIONS];
    for (int64_t i = 0; i < command.operand_count; ++i) {
      const struct setun_operand *from = &command.operands[i];
      struct descriptor *to = &operands[i];
      to->allocated = to->aligned = memory + from->offset;
      to->offset = 0;
      for (int64_t d = 0; d < from->rank; ++d) {
        to->rest[d] = from->sizes[d];
        to->rest[from->rank + d] = from->strides[d];
      }
    }
    void (*kernel)(void) = setun_kernels[command.kernel];
    if (command.operand_count == 3)
      ((three_fn)kernel)(&operands[0], &operands[1], &operands[2]);
    else
      ((four_fn)kernel)(&operands[0], &operands[1], &operands[2], &operands[3]);
    if (write(1, "+", 1) != 1)
      return 5;
  }
  return 0;
}
