//===- Stages.cpp - Running and showing the stages -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Compiler/Stages.h"

#include "setun/Compiler/OutputFile.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace setun;

LogicalResult setun::runPipeline(ModuleOp module, StringRef pipeline) {
  PassManager passes(module.getContext(), ModuleOp::getOperationName());
  std::string errors;
  llvm::raw_string_ostream os(errors);
  if (failed(parsePassPipeline(pipeline, passes, os)))
    return emitError(module.getLoc()) << "internal: bad pipeline '" << pipeline << "': " << errors;
  return passes.run(module);
}

static LogicalResult writeModule(ModuleOp module, StringRef path) {
  FailureOr<OutputFile> file = OutputFile::open(path, module.getLoc());
  if (failed(file))
    return failure();
  module.print(file->os(), OpPrintingFlags().enableDebugInfo(/*enable=*/true, /*prettyForm=*/false));
  return file->commit();
}

LogicalResult setun::endStage(ModuleOp module, StringRef stage, const CompileOptions &options, bool &finished) {
  if (options.progress)
    options.progress(("stage " + stage).str());
  if (!options.dumpStagesTo.empty()) {
    if (std::error_code error = llvm::sys::fs::create_directories(options.dumpStagesTo))
      return emitError(module.getLoc()) << "cannot make " << options.dumpStagesTo << ": " << error.message();
    if (failed(writeModule(module, options.dumpStagesTo + "/" + stage.str() + ".mlir")))
      return failure();
  }
  finished = options.compileTo == stage;
  return finished ? writeModule(module, options.output) : success();
}
