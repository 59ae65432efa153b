//===- SamplingKernels.h - Kernels that read logits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_SAMPLINGKERNELS_H
#define SETUN_LIB_TARGET_NVPTX_SAMPLINGKERNELS_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace setun::nvptx {

/// Whether some result of `module` may be logits of that type: rows of floats.
bool hasLogits(mlir::ModuleOp module, mlir::Type element);
/// A kernel at the end of `container`, of blocks of so many threads, with `b` before its return.
mlir::gpu::GPUFuncOp addKernel(DeviceBuilder &b, mlir::gpu::GPUModuleOp container, llvm::StringRef name,
                               mlir::TypeRange parameters, int64_t threads);

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_SAMPLINGKERNELS_H
