//===- Vnni.h - Products by vpdpbusd -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_X86_VNNI_H
#define SETUN_LIB_TARGET_X86_VNNI_H

#include "setun/Target/Kernels/Dot.h"
#include "setun/Target/Target.h"

namespace setun::x86 {

/// vpdpbusd of 256 or 512 bits: unsigned codes times signed activations.
DotInstruction getVpdpbusd(unsigned vectorBits);

std::unique_ptr<TargetLevel> createAvxVnniLevel(const Target &target);
std::unique_ptr<TargetLevel> createAvx512VnniLevel(const Target &target);

} // namespace setun::x86

#endif // SETUN_LIB_TARGET_X86_VNNI_H
