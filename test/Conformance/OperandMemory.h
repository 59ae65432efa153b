//===- OperandMemory.h - Operands between pages that must not be touched -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One region for each operand of a product, in a file that processes which run
// kernels elsewhere map as well (Remote/Protocol.h).
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_OPERANDMEMORY_H
#define SETUN_TEST_CONFORMANCE_OPERANDMEMORY_H

#include "Remote/Protocol.h"

#include <cassert>
#include <cstddef>

namespace setun::conformance {

enum class Slot { X, Weight, Scales, Result };

class OperandMemory {
public:
  OperandMemory();
  ~OperandMemory();
  OperandMemory(const OperandMemory &) = delete;

  /// Room for `count` elements, the last (or the first) of which borders on memory that cannot be touched.
  template <typename T> T *place(Slot slot, size_t count, bool atStart = false) {
    size_t bytes = count * sizeof(T);
    assert(bytes <= SETUN_REGION_SIZE && "a case larger than Protocol.h has room for");
    uint8_t *region = base + SETUN_REGION_START(static_cast<int>(slot));
    return reinterpret_cast<T *>(atStart ? region : region + SETUN_REGION_SIZE - bytes);
  }
  int64_t offsetOf(const void *data) const { return static_cast<const uint8_t *>(data) - base; }
  int getFile() const { return file; }

private:
  int file;
  uint8_t *base;
};

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_OPERANDMEMORY_H
