//===- Pipelines.h - The named pipelines -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The way of a model in steps that can be run, printed and stopped at. Each builder is also a pipeline of setun-opt
// under the name in its comment.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_PIPELINES_PIPELINES_H
#define SETUN_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace setun {

/// All choices that pipelines take. Command lines bind it in setun-opt, the compiler's options set it in lib/Compiler.
struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<bool> verify{*this, "verify", llvm::cl::desc("run the contract verifiers between stages"),
                      llvm::cl::init(true)};
};

/// setun-bufferize: the ternary contract on tensors to buffers that are views of arena, weights and arguments.
void buildBufferize(mlir::OpPassManager &pm, const PipelineOptions &options);
/// setun-target-to-llvm: the target contract to the LLVM dialect.
void buildTargetToLLVM(mlir::OpPassManager &pm, const PipelineOptions &options);

void registerPipelines();

} // namespace setun

#endif // SETUN_PIPELINES_PIPELINES_H
