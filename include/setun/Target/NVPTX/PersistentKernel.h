//===- PersistentKernel.h - Many launches as one -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One more kernel, which runs a list of launches of the others one after the other.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_PERSISTENTKERNEL_H
#define SETUN_TARGET_NVPTX_PERSISTENTKERNEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace setun::nvptx {

inline constexpr const char *kPersistentKernel = "setun_persistent_coop";
/// How functions that do what a kernel does begin; behind it stands the kernel's name.
inline constexpr llvm::StringLiteral kPersistentBody = "setun.body.";

/// Adds that kernel to `code`, which is not optimized yet. Gives for each of `kernels` what setun_device_code's
/// `persistent` says of it, and nothing at all, with no kernel made, if there are fewer than two that it can run.
/// `excluded`: kernels that no short list launches.
llvm::Expected<std::vector<uint32_t>> addPersistentKernel(llvm::Module &code, llvm::ArrayRef<std::string> kernels,
                                                          llvm::ArrayRef<bool> excluded);

/// After the optimizer: parameters of bodies are read where they are used, so that they hold no registers elsewhere.
void sinkPersistentParameters(llvm::Module &code);

/// After that: bodies become part of the kernel, for a call would keep registers in memory.
void inlinePersistentKernel(llvm::Module &code);

} // namespace setun::nvptx

#endif // SETUN_TARGET_NVPTX_PERSISTENTKERNEL_H
