//===- Flatten.h - What hosts and devices lower alike -*- C++ -*- ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_FLATTEN_H
#define SETUN_CONVERSION_FLATTEN_H

#include "mlir/Pass/PassManager.h"

namespace setun {

/// From loops, views and floats of any width to branches, addresses and what the machine's instructions round: before
/// the conversions to LLVM, and the same for a host and for a device's kernels, so that both round alike
/// (docs/numerics.md).
void addFlattening(mlir::OpPassManager &pm);

} // namespace setun

#endif // SETUN_CONVERSION_FLATTEN_H
