//===- CostModel.h - Predicted times of the shared kernel forms -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_KERNELS_COSTMODEL_H
#define SETUN_TARGET_KERNELS_COSTMODEL_H

#include "setun/Target/Target.h"

namespace setun {

/// Products a nanosecond of one thread in each shared form, on a typical machine of the target.
struct AddSubRates {
  double selectAdd, tableAdd8, tableAdd16, tableAdd32, columnAdd;
};

/// Tokens that a plan is made for: those of the shape, or one (a decode step) where they are not known.
int64_t plannedTokens(const ProductShape &shape);

/// The larger of the time to read the weights and the time to compute, as a plan of that form.
ProductPlan makePlan(const TargetInfo &info, const ProductShape &shape, llvm::StringRef form, double productsPerNs,
                     bool multiplies);

/// What emitAddSubProduct does for this shape.
ProductPlan planAddSub(const TargetInfo &info, const ProductShape &shape, const AddSubRates &rates);

} // namespace setun

#endif // SETUN_TARGET_KERNELS_COSTMODEL_H
