//===- SamplingKernels.cpp - Kernels that read logits===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SamplingKernels.h"

#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace setun;

bool nvptx::hasLogits(ModuleOp module, Type element) {
  for (auto function : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto type = dyn_cast<MemRefType>(function.getArgument(i).getType());
      if (function.getArgAttr(i, entry::kOutput) && type && type.getRank() >= 2 && type.getElementType() == element)
        return true;
    }
  return false;
}

gpu::GPUFuncOp nvptx::addKernel(DeviceBuilder &b, gpu::GPUModuleOp container, StringRef name, TypeRange parameters,
                                int64_t threads) {
  b.setInsertionPointToEnd(container.getBody());
  auto kernel = gpu::GPUFuncOp::create(b, name, b.getFunctionType(parameters, {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel.setKnownBlockSize(ArrayRef<int32_t>{static_cast<int32_t>(threads), 1, 1});
  b.setInsertionPointToStart(&kernel.getBody().front());
  gpu::ReturnOp::create(b);
  b.setInsertionPointToStart(&kernel.getBody().front());
  return kernel;
}
