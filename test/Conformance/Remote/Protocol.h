/*===- Protocol.h - Between the suite and the program that runs kernels elsewhere -*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Operands lie in a file that both map: one region for each operand of a product, with memory that cannot be touched
 * before, between and after them. A command names a kernel and where its operands are; the answer is one byte. Both
 * sides are little-endian with 64-bit addresses. */

#ifndef SETUN_TEST_CONFORMANCE_PROTOCOL_H
#define SETUN_TEST_CONFORMANCE_PROTOCOL_H

#include <stdint.h>

enum { SETUN_REGIONS = 4 };
#define SETUN_GUARD (INT64_C(64) << 10) /* whole pages on any machine */
#define SETUN_REGION_SIZE (INT64_C(16) << 20)
#define SETUN_REGION_START(INDEX) (SETUN_GUARD + (INDEX) * (SETUN_REGION_SIZE + SETUN_GUARD))
#define SETUN_MEMORY_SIZE SETUN_REGION_START(SETUN_REGIONS)

struct setun_operand {
  int64_t offset; /* of its first byte in the file */
  int64_t rank;   /* 1 or 2 */
  int64_t sizes[2], strides[2];
};

struct setun_command {
  int64_t kernel, operand_count;
  struct setun_operand operands[SETUN_REGIONS];
};

#endif /* SETUN_TEST_CONFORMANCE_PROTOCOL_H */
