//===- setun-translate.cpp - Foreign formats to MLIR and back -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/ONNX.h"

#include "mlir/InitAllTranslations.h"
#include "mlir/Support/LogicalResult.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  mlir::registerAllTranslations();
  setun::registerOnnxImport();
  return failed(mlir::mlirTranslateMain(argc, argv, "Setun translation driver"));
}
