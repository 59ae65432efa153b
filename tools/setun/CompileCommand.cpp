//===- CompileCommand.cpp - setun compile -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "setun/Compiler/Compiler.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"

using namespace llvm;
using namespace setun;

static cl::SubCommand subcommand("compile", "Compile a model to native code");
static cl::opt<std::string> input(cl::Positional, cl::Required, cl::desc("MODEL.onnx or FOLDER"), cl::sub(subcommand));
static cl::opt<std::string> output("o", cl::desc("File to write; weights go to FILE.safetensors"),
                                   cl::value_desc("FILE"), cl::sub(subcommand));
static cl::opt<std::string>
    emitKind("emit",
             cl::desc("What to write: exe, an executable (the default); shared, a shared library for `setun run` and "
                      "the C API; object, to link with the runtime library; llvm or asm, as text; or an artifact of "
                      "the target's own"),
             cl::init("exe"), cl::value_desc("KIND"), cl::sub(subcommand));
static cl::opt<WeightsPlace>
    weights("weights", cl::desc("Where the weights go:"), cl::init(WeightsPlace::Beside), cl::sub(subcommand),
            cl::values(clEnumValN(WeightsPlace::Beside, "beside", "into FILE.safetensors (the default)"),
                       clEnumValN(WeightsPlace::Appended, "append", "into the output itself")));
static cl::opt<std::string> compileTo("compile-to",
                                      cl::desc("Stop after a stage and write its IR: input, ternary, target or llvm"),
                                      cl::value_desc("STAGE"), cl::sub(subcommand));
static cl::opt<std::string> dumpTo("dump-stages-to", cl::desc("Write the IR of every stage into a folder"),
                                   cl::value_desc("DIR"), cl::sub(subcommand));
static cl::opt<std::string> report("report", cl::desc("Write what was done to each layer: FILE.json or FILE.html"),
                                   cl::value_desc("FILE"), cl::sub(subcommand));
static cl::opt<std::string> sysroot("sysroot", cl::desc("Folder with the headers and libraries of another machine"),
                                    cl::value_desc("DIR"), cl::sub(subcommand));
static cl::opt<std::string> linker("linker",
                                   cl::desc("Program that links (a compiler driver found in PATH by default)"),
                                   cl::value_desc("PROGRAM"), cl::sub(subcommand));
static cl::opt<bool> linkStatically("static", cl::desc("Link an executable that needs no library at run time"),
                                    cl::sub(subcommand));
static cl::opt<bool> verifyRaise("verify-raise",
                                 cl::desc("Evaluate every recognized layer against the operations it replaced"),
                                 cl::sub(subcommand));
static cl::opt<bool> remarks("remarks", cl::desc("Tell of each product whether it is ternary, and why not"),
                             cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static int run() {
  CompileOptions options;
  options.model = input;
  options.output = output;
  if (options.output.empty())
    options.output = getModelName(input) + (sys::fs::is_directory(input) ? ".setun" : ""); // a folder has its name
  if (!compileTo.empty() && !is_contained({"input", "ternary", "target", "llvm"}, compileTo))
    return usageError("--compile-to takes input, ternary, target or llvm");
  if (!report.empty() && !StringRef(report).ends_with(".json") && !StringRef(report).ends_with(".html"))
    return usageError("--report takes a file that ends in .json or .html");
  std::optional<Emit> emit = StringSwitch<std::optional<Emit>>(emitKind)
                                 .Case("exe", Emit::Executable)
                                 .Case("shared", Emit::SharedLibrary)
                                 .Case("object", Emit::Object)
                                 .Case("llvm", Emit::LLVMIR)
                                 .Case("asm", Emit::Assembly)
                                 .Default(std::nullopt);
  options.emit = emit.value_or(Emit::Object);
  if (!emit)
    options.artifact = emitKind;
  options.sysroot = sysroot;
  options.weights = weights;
  options.compileTo = compileTo;
  options.dumpStagesTo = dumpTo;
  options.report = report;
  options.linker = linker;
  options.linkStatically = linkStatically;
  options.verifyRaise = verifyRaise;
  options.progress = terminalProgress();
  if (!modelFlags.apply(options))
    return 2;
  std::unique_ptr<mlir::MLIRContext> context = makeCompilerContext();
  DiagnosticPrinter printer(*context, remarks);
  return failed(compileModel(options, *context));
}

const Command compileCommand{subcommand, run};
