//===- BuildDecoder.cpp - Decoder-only models in the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/Decoder.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace setun::decoder;

OwningOpRef<ModuleOp> setun::decoder::buildDecoder(const Model &model, const Options &options, Location location) {
  return emitError(location) << "not built yet", nullptr;
}
