//===- CompileText.cpp - Tokenizers and chat templates to a text table -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/Text.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace setun;

bool setun::hasTokenizer(StringRef folder) {
  return llvm::sys::fs::exists(folder + "/tokenizer.json") || llvm::sys::fs::exists(folder + "/tokenizer.model");
}

FailureOr<std::string> setun::compileText(StringRef path, Location location) {
  return emitError(location) << "not built yet";
}
