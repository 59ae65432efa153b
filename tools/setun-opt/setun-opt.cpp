//===- setun-opt.cpp - Runs any pass on any stage's IR -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  setun::registerDialects(registry);
  setun::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Setun pass driver\n", registry));
}
