//===- InputToTernary.cpp - Recognition ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Evaluate/Passes.h"
#include "setun/Pipelines/Pipelines.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;

void setun::buildInputToTernary(OpPassManager &pm, const PipelineOptions &options) {
  addContract(pm, options, "input");
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSplitPackedProducts());
  pm.addPass(createFoldWeights());
  pm.addPass(createFoldConstants());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  bool keepProofs = options.verifyRaise;
  pm.addPass(createRaiseRmsNorm({keepProofs}));
  pm.addPass(createRaiseBitLinear({keepProofs}));
  pm.addPass(createCSEPass());
  pm.addPass(createRaiseRotaryEmbedding({keepProofs}));
  pm.addPass(createRaiseAttention({keepProofs}));
  if (keepProofs)
    pm.addPass(createVerifyRaise());
  pm.addPass(createLowerState());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSymbolDCEPass());
  addContract(pm, options, "ternary");
}
