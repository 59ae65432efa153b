//===- Command.h - The subcommands of setun -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TOOLS_SETUN_COMMAND_H
#define SETUN_TOOLS_SETUN_COMMAND_H

#include "setun/Compiler/Options.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/CommandLine.h"

/// A subcommand: its place in the command line and what it does. Each has a file of its own, which defines one object.
struct Command {
  llvm::cl::SubCommand &subcommand;
  int (*run)();
};
extern const Command compileCommand, runCommand, chatCommand, inspectCommand, benchCommand, targetsCommand,
    tokenizerCommand;

/// What compile, run, chat, inspect and bench share about a model: caches, what to compile for, and how.
struct ModelFlags {
  explicit ModelFlags(llvm::cl::SubCommand &subcommand);
  /// Reports a plug-in that cannot be loaded and returns false.
  [[nodiscard]] bool apply(setun::CompileOptions &options) const;

  llvm::cl::list<std::string> states;
  llvm::cl::opt<std::string> tokenizer;
  llvm::cl::opt<int64_t> context, batch;
  llvm::cl::opt<std::string> target, cpu, encoding, products;
  llvm::cl::opt<bool> emulate;
  llvm::cl::list<std::string> plugins;
};

/// Loads target plug-ins; reports the first that cannot be loaded and returns false.
[[nodiscard]] bool loadTargets(llvm::ArrayRef<std::string> files);

/// Prints diagnostics as `setun: error: WHERE: what`, one error a run; warnings always, remarks if asked.
class DiagnosticPrinter {
public:
  DiagnosticPrinter(mlir::MLIRContext &context, bool remarks);

private:
  bool remarks, failed = false;
  mlir::ScopedDiagnosticHandler handler;
};

/// One line of progress on a terminal, for steps that take long; nothing elsewhere.
std::function<void(const std::string &)> terminalProgress();

/// Reports a mistake on the command line and returns the exit status for it.
int usageError(const llvm::Twine &message);

#endif // SETUN_TOOLS_SETUN_COMMAND_H
