//===- Steps.h - Which operations kernels are made of -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the passes share that turn operations on buffers into kernels.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_STEPS_H
#define SETUN_LIB_TARGET_NVPTX_STEPS_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace setun {
namespace nvptx {

/// The operations of `function` that can become launches of their own: those that stand in its body or in groups there,
/// provided that nothing beside them reads memory into a value, for the host could not compute with it. Another
/// function is left to setun-map-to-device as a whole.
llvm::SmallVector<mlir::Operation *> getSteps(mlir::func::FuncOp function);

/// f32, f16 or bf16: what kernels compute with in f32.
bool isFloat32OrNarrower(mlir::Type type);

} // namespace nvptx
} // namespace setun

#endif // SETUN_LIB_TARGET_NVPTX_STEPS_H
