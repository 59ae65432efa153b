//===- Spill.h - Large constants outside of memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_SPILL_H
#define SETUN_DIALECT_UTILS_SPILL_H

#include "mlir/IR/AsmState.h"

namespace setun {

/// Room for the bytes of a constant that a pass makes. A large one (from 1 MiB) lies in a temporary file without a
/// name, which is mapped: its pages count as memory only while they are used. Where no such file can be made ($TMPDIR,
/// else /var/tmp, is full or cannot be written), and for small ones, it is memory.
mlir::AsmResourceBlob allocateBlob(size_t size);

/// The same with a copy of `bytes`, which is at rest.
mlir::AsmResourceBlob copyToBlob(llvm::ArrayRef<char> bytes);

/// Gives memory back that a blob of allocateBlob (no other one) takes: it will not be used for a while. Its bytes stay.
void restBlob(const mlir::AsmResourceBlob &blob);

} // namespace setun

#endif // SETUN_DIALECT_UTILS_SPILL_H
