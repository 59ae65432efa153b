//===- SetunDialects.cpp - Both dialects as a plugin of mlir-opt -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   mlir-opt --load-dialect-plugin=SetunDialects.so --load-pass-plugin=SetunDialects.so ...
//
// gives stock MLIR tools the ternary and nn dialects, with bufferization, and
// the passes inside them.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/NN/Transforms/Passes.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Ternary/Transforms/Passes.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"

static void registerDialects(mlir::DialectRegistry *registry) {
  registry->insert<setun::ternary::TernaryDialect, setun::nn::NNDialect>();
  setun::ternary::registerBufferization(*registry);
  setun::nn::registerBufferization(*registry);
}

static void registerPasses() {
  setun::registerTernaryTransformsPasses();
  setun::registerNNTransformsPasses();
}

extern "C" __attribute__((visibility("default"))) mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "SetunDialects", LLVM_VERSION_STRING, registerDialects};
}

extern "C" __attribute__((visibility("default"))) mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "SetunDialects", LLVM_VERSION_STRING, registerPasses};
}
