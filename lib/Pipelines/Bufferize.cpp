//===- Bufferize.cpp - From tensors to planned memory ---------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Destinations first, so that empty tensors can become them; one bufferization of the whole module; then each buffer
// gets its place and each step its function.
//
//===----------------------------------------------------------------------===//

#include "setun/Pipelines/Pipelines.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void setun::buildBufferize(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createDecomposeConcat());
  pm.addPass(createOutputsToArguments());
  pm.addPass(createResolveParameters());
  pm.addPass(createSplitInits());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(createReuseInputs());
  pm.addPass(bufferization::createEmptyTensorToAllocTensorPass());
  pm.addPass(createOneShotBufferize());
  pm.addPass(memref::createResolveShapedTypeResultDimsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(bufferization::createBufferLoopHoistingPass());
  pm.addPass(createExpandCopies());
  pm.addPass(createPlanMemory());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createOutlineKernels());
}
