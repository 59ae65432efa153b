//===- Pipelines.cpp - Names of the pipelines -----------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Pipelines/Pipelines.h"
#include "setun/Target/Target.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void setun::addContract(OpPassManager &pm, const PipelineOptions &options, StringRef stage) {
  if (!options.verify)
    return;
  VerifyContractOptions contract;
  contract.stage = stage.str();
  pm.addPass(createVerifyContract(contract));
}

setun::LevelOptions setun::getLevelOptions(const PipelineOptions &options) {
  return {options.products == "addsub" ? Products::AddSub : Products::Best, options.emulate};
}

void setun::registerPipelines() {
  PassPipelineRegistration<PipelineOptions>("setun-input-to-ternary", "the input contract to the ternary contract",
                                            buildInputToTernary);
  PassPipelineRegistration<PipelineOptions>("setun-encode", "share, fuse, and pack ternary weights", buildEncode);
  PassPipelineRegistration<PipelineOptions>("setun-encoded-to-target", "packed products to the target contract",
                                            buildEncodedToTarget);
  PassPipelineRegistration<PipelineOptions>("setun-bufferize", "tensors to buffers with a place each", buildBufferize);
  PassPipelineRegistration<PipelineOptions>("setun-target-to-llvm", "the target contract to the LLVM dialect",
                                            buildTargetToLLVM);
}
