//===- ImportHF.cpp - Hugging Face checkpoint folders to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/HF.h"

#include "setun/Import/Decoder.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace setun;

bool setun::isHfFolder(StringRef path) { return llvm::sys::fs::exists(path + "/config.json"); }

OwningOpRef<ModuleOp> setun::importHf(StringRef folder, const HfImportOptions &options, MLIRContext *context) {
  return emitError(NameLoc::get(StringAttr::get(context, folder))) << "not built yet", nullptr;
}
