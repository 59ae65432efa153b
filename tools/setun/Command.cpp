//===- Command.cpp - What the subcommands share -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "setun/Dialect/Utils/Locations.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/BuiltinAttributes.h"

#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace llvm;

ModelFlags::ModelFlags(cl::SubCommand &subcommand)
    : states("state", cl::desc("Input IN and output OUT are one cache, carried by the session"),
             cl::value_desc("IN:OUT"), cl::sub(subcommand)),
      tokenizer("tokenizer",
                cl::desc("tokenizer.json, tokenizer.model or the folder with one, to compile into the model"),
                cl::value_desc("PATH"), cl::sub(subcommand)),
      context("context", cl::desc("Entries that growing caches hold, unless the session says otherwise"),
              cl::init(2048), cl::value_desc("N"), cl::sub(subcommand)),
      batch("batch", cl::desc("Sequences that a run of a checkpoint's folder takes, all of one length (1)"),
            cl::init(1), cl::value_desc("N"), cl::sub(subcommand)),
      target("target",
             cl::desc("What to compile for: native, TARGET (all its levels, one file), TARGET:LEVEL,LEVEL or an LLVM "
                      "triple; `setun targets` lists them. This machine's architecture by default"),
             cl::value_desc("NAME"), cl::sub(subcommand)),
      cpu("cpu", cl::desc("Processor, as LLVM names it: takes the best level it runs, and tunes for it"),
          cl::value_desc("NAME"), cl::sub(subcommand)),
      encoding("encoding",
               cl::desc("How every ternary weight is packed, as `setun targets` names encodings, whatever "
                        "the cost model says"),
               cl::value_desc("ENCODING"), cl::sub(subcommand)),
      products("products",
               cl::desc("Ternary products: 'best' for the machine, or 'addsub' for additions and subtractions alone"),
               cl::init("best"), cl::value_desc("best|addsub"), cl::sub(subcommand)),
      emulate("emulate", cl::desc("Do the target's instructions by plain arithmetic, to run any level's code here"),
              cl::sub(subcommand)),
      plugins("load-target", cl::desc("Shared library with more targets"), cl::value_desc("FILE"),
              cl::sub(subcommand)) {}

bool loadTargets(ArrayRef<std::string> files) {
  for (const std::string &file : files)
    if (Error error = setun::loadTargetPlugin(file)) {
      usageError(toString(std::move(error)));
      return false;
    }
  return true;
}

bool ModelFlags::apply(setun::CompileOptions &options) const {
  options.states.assign(states.begin(), states.end());
  options.tokenizer = tokenizer;
  options.context = context;
  options.batch = batch;
  options.target = target;
  options.cpu = cpu;
  options.encoding = encoding;
  options.products = products;
  options.emulate = emulate;
  return loadTargets(plugins);
}

/// A module path or node name, else file:line, else nothing.
static std::string describe(mlir::Location loc) {
  if (StringRef name = setun::getSourceName(loc); !name.empty())
    return name.str();
  if (auto file = dyn_cast<mlir::FileLineColLoc>(loc))
    return (file.getFilename().getValue() + ":" + Twine(file.getLine()) + ":" + Twine(file.getColumn())).str();
  return "";
}

DiagnosticPrinter::DiagnosticPrinter(mlir::MLIRContext &context, bool remarks)
    : remarks(remarks), handler(&context, [this](mlir::Diagnostic &diagnostic) {
        const char *kind = "error";
        switch (diagnostic.getSeverity()) {
        case mlir::DiagnosticSeverity::Error:
          if (failed)
            return mlir::success(); // what follows from the first
          failed = true;
          break;
        case mlir::DiagnosticSeverity::Warning:
          kind = "warning";
          break;
        default:
          if (!this->remarks)
            return mlir::success();
          kind = "remark";
        }
        std::string where = describe(diagnostic.getLocation());
        errs() << "setun: " << kind << ": " << where << (where.empty() ? "" : ": ") << diagnostic.str() << "\n";
        for (mlir::Diagnostic &note : diagnostic.getNotes())
          errs() << "setun: note: " << note.str() << "\n";
        return mlir::success();
      }) {}

std::function<void(const std::string &)> terminalProgress() {
  if (!sys::Process::StandardErrIsDisplayed())
    return {};
  auto begin = std::chrono::steady_clock::now();
  return [begin](const std::string &step) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
    if (seconds >= 2)
      errs() << "setun: " << seconds << " s: " << step << "\n";
  };
}

int usageError(const Twine &message) {
  errs() << "setun: error: " << message << "\n";
  return 2;
}
