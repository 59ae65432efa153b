//===- TargetToLLVM.cpp - The target contract to the LLVM dialect ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parallel loops and entry points are ours; the rest is upstream's.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/Flatten.h"
#include "setun/Conversion/Passes.h"
#include "setun/Pipelines/Pipelines.h"
#include "setun/Target/Registry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void setun::buildTargetToLLVM(OpPassManager &pm, const PipelineOptions &options) {
  if (const TargetLevel *level = lookupLevel(options.target))
    level->extendPipeline(PipelinePoint::BeforeLLVM, pm, getLevelOptions(options));
  pm.addPass(createParallelToRuntime());
  pm.addPass(createHoistScratch());
  pm.addPass(createEntryToLLVM());
  pm.addPass(createSymbolDCEPass()); // parameters: the weights file has them
  addFlattening(pm);
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}
