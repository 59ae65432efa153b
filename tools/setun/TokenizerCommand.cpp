//===- TokenizerCommand.cpp - setun tokenizer -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "setun/Import/Text.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace llvm;
using namespace setun;

static cl::SubCommand subcommand("tokenizer", "Compile a tokenizer alone to a text table (setun-rt/text.h)");
static cl::opt<std::string> source(cl::Positional, cl::desc("FOLDER|tokenizer.json|tokenizer.model"), cl::Required,
                                   cl::sub(subcommand));
static cl::opt<std::string> output("o", cl::desc("The table"), cl::value_desc("FILE"), cl::Required,
                                   cl::sub(subcommand));

static int run() {
  mlir::MLIRContext context;
  DiagnosticPrinter printer(context, /*remarks=*/false);
  mlir::Location location = mlir::NameLoc::get(mlir::StringAttr::get(&context, source));
  FailureOr<std::string> table = compileText(source, location);
  if (failed(table))
    return 1;
  std::error_code error;
  ToolOutputFile file(output, error, sys::fs::OF_None);
  if (!error) {
    file.os() << *table;
    file.os().close();
    error = file.os().error();
    file.os().clear_error();
  }
  if (error) {
    mlir::emitError(location) << "cannot write " << output << ": " << error.message();
    return 1;
  }
  file.keep();
  return 0;
}

const Command tokenizerCommand{subcommand, run};
