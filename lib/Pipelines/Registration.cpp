//===- Registration.cpp - Dialects and passes, each named in one place -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Pipelines/Registration.h"

#include "setun/Analysis/Passes.h"
#include "setun/Conversion/Passes.h"
#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Evaluate/Passes.h"
#include "setun/Pipelines/Pipelines.h"
#include "setun/Target/Passes.h"
#include "setun/Target/Registry.h"
#include "setun/Transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

void setun::registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  registry.insert<ternary::TernaryDialect, nn::NNDialect>();
  ternary::registerBufferization(registry);
  nn::registerBufferization(registry);
}

void setun::registerPasses() {
  mlir::registerAllPasses();
  registerTernaryTransformsPasses();
  registerNNTransformsPasses();
  registerAnalysisPasses();
  registerTransformsPasses();
  registerConversionPasses();
  registerEvaluatePasses();
  registerTargetPasses();
  for (const std::unique_ptr<Target> &target : getTargets())
    target->registerPasses();
  registerPipelines();
}
