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

struct LevelOptions;

/// All choices that pipelines take. Command lines bind it in setun-opt, the compiler's options set it in lib/Compiler.
struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<bool> verify{*this, "verify", llvm::cl::desc("run the contract verifiers between stages"),
                      llvm::cl::init(true)};
  Option<bool> verifyRaise{*this, "verify-raise", llvm::cl::desc("evaluate every raise against what it replaced"),
                           llvm::cl::init(false)};
  Option<std::string> target{*this, "target", llvm::cl::desc("what to compile for; of one level, to generate code"),
                             llvm::cl::init("generic")};
  Option<std::string> encoding{*this, "encoding", llvm::cl::desc("of every ternary weight; empty: by cost"),
                               llvm::cl::init("")};
  Option<bool> emulate{*this, "emulate", llvm::cl::desc("plain arithmetic in place of the target's instructions"),
                       llvm::cl::init(false)};
  Option<std::string> products{*this, "products", llvm::cl::desc("best | addsub"), llvm::cl::init("best")};
};

/// setun-input-to-ternary: the input contract to the ternary contract.
void buildInputToTernary(mlir::OpPassManager &pm, const PipelineOptions &options);
/// setun-encode: shares and fuses work, then packs every ternary weight as the target's family likes it.
void buildEncode(mlir::OpPassManager &pm, const PipelineOptions &options);
/// setun-encoded-to-target: what setun-encode made to the target contract, for one level.
void buildEncodedToTarget(mlir::OpPassManager &pm, const PipelineOptions &options);

/// setun-bufferize: the ternary contract on tensors to buffers that are views of arena, weights and arguments.
void buildBufferize(mlir::OpPassManager &pm, const PipelineOptions &options);
/// setun-target-to-llvm: the target contract to the LLVM dialect, for one level.
void buildTargetToLLVM(mlir::OpPassManager &pm, const PipelineOptions &options);

/// What of them concerns a level's own passes.
LevelOptions getLevelOptions(const PipelineOptions &options);

/// The verifier of a stage's contract, unless `verify` is off.
void addContract(mlir::OpPassManager &pm, const PipelineOptions &options, llvm::StringRef stage);

void registerPipelines();

} // namespace setun

#endif // SETUN_PIPELINES_PIPELINES_H
