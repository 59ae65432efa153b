//===- SlicePipeline.h - From the input contract to the LLVM dialect on the host -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_SLICEPIPELINE_H
#define SETUN_EVALUATE_SLICEPIPELINE_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

namespace setun {

/// Dialects and external models that a slice and its lowering need.
void registerSliceDialects(mlir::DialectRegistry &registry);

/// Lowers a module of functions on static tensors to the LLVM dialect. Results become trailing out parameters.
void buildSlicePipeline(mlir::OpPassManager &pm);

} // namespace setun

#endif // SETUN_EVALUATE_SLICEPIPELINE_H
