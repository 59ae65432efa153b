//===- TernaryToTarget.cpp - From products to loops ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Analysis/Passes.h"
#include "setun/Conversion/Passes.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"
#include "setun/Pipelines/Pipelines.h"
#include "setun/Target/Passes.h"
#include "setun/Target/Registry.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void setun::buildEncode(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createShareActivations());
  pm.addNestedPass<func::FuncOp>(createFuseNormQuant());
  pm.addNestedPass<func::FuncOp>(createFuseEpilogue());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  SelectEncodingOptions encoding;
  encoding.target = options.target;
  encoding.products = options.products;
  encoding.encoding = options.encoding;
  pm.addPass(createSelectEncoding(encoding));
  pm.addPass(createMaterializeEncoding());
}

void setun::buildEncodedToTarget(OpPassManager &pm, const PipelineOptions &options) {
  const TargetLevel *level = lookupLevel(options.target); // if there is none, the pass that lowers products says so
  if (level)
    level->extendPipeline(PipelinePoint::BeforeBufferize, pm, getLevelOptions(options));
  buildBufferize(pm, options);
  ConvertTernaryToLoopsOptions product;
  product.target = options.target;
  product.products = options.products;
  pm.addPass(createConvertTernaryToLoops(product));
  if (options.products == "addsub")
    pm.addPass(createProveAddSub());
  if (options.emulate)
    pm.addPass(createEmulateIntrinsics({options.target}));
  if (level)
    level->extendPipeline(PipelinePoint::AfterProducts, pm, getLevelOptions(options));
  int64_t vectorBits = level ? level->getInfo().vectorBits : 128;
  pm.addNestedPass<func::FuncOp>(createConvertNNToLoops({vectorBits}));
  pm.addNestedPass<func::FuncOp>(createConvertQuantizeToLoops({vectorBits}));
  pm.addNestedPass<func::FuncOp>(createConvertDenseToLoops({vectorBits}));
  pm.addNestedPass<func::FuncOp>(createConvertReductionsToLoops({vectorBits}));
  pm.addNestedPass<func::FuncOp>(createConvertElementwiseToLoops({vectorBits}));
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass()); // what is left, in order
  pm.addNestedPass<func::FuncOp>(createExpandMath({level && !options.emulate && level->getInfo().convertsHalf}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  addContract(pm, options, "target");
}
