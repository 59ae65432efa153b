//===- setun-opt.cpp - Runs any pass on any stage's IR -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Pipelines/Registration.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

static llvm::cl::list<std::string> plugins("load-target", llvm::cl::desc("Shared library with more targets"),
                                           llvm::cl::cb<void, std::string>([](const std::string &file) {
                                             if (llvm::Error error = setun::loadTargetPlugin(file)) {
                                               llvm::errs()
                                                   << "setun-opt: error: " << toString(std::move(error)) << "\n";
                                               std::exit(1);
                                             }
                                           }));

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  setun::registerDialects(registry);
  setun::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Setun pass driver\n", registry));
}
