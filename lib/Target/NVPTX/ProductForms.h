//===- ProductForms.h - What products cost on CUDA devices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_PRODUCTFORMS_H
#define SETUN_LIB_TARGET_NVPTX_PRODUCTFORMS_H

#include "setun/Target/Kernels/KernelLevel.h"

namespace setun::nvptx {

/// A typical device of an architecture.
struct DeviceRates {
  double processors, gigahertz;
  bool warpGroups = false; // has wgmma
  /// Instructions of single threads in a nanosecond: four warps a clock and processor.
  double lanes() const { return processors * gigahertz * 128; }
};

/// Nanoseconds from one kernel of a graph to the next.
constexpr double kLaunchNs = 2000;

/// What this target's products do for so many tokens.
ProductForm getDeviceForm(const ProductShape &shape, int64_t tokens, Products products, const DeviceRates &rates);

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_PRODUCTFORMS_H
