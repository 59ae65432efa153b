//===- BenchCommand.cpp - setun bench -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Launch.h"

using namespace llvm;

static cl::SubCommand subcommand("bench", "Tokens a second of a language model: prefill and decode, median and spread");
static cl::opt<std::string> file(cl::Positional, cl::Required, cl::desc("FILE"), cl::sub(subcommand));
static cl::opt<std::string> prompt("p", cl::desc("Tokens of a prompt (512; 0: no such test)"), cl::value_desc("N,..."),
                                   cl::sub(subcommand));
static cl::opt<std::string> tokens("n", cl::desc("Tokens to generate one by one (128; 0: no such test)"),
                                   cl::value_desc("N,..."), cl::sub(subcommand));
static cl::opt<std::string> repetitions("r", cl::desc("Repetitions (5)"), cl::value_desc("N"), cl::sub(subcommand));
static cl::opt<std::string> threads("threads", cl::desc("Threads to use (all cores by default)"),
                                    cl::value_desc("N,..."), cl::sub(subcommand));
static cl::alias threadsShort("t", cl::aliasopt(threads), cl::desc("The same")); // in the same subcommand
static cl::opt<std::string> device("device", cl::desc("Where to run: cpu, cuda, cuda:1"), cl::value_desc("DEVICE"),
                                   cl::sub(subcommand));
static cl::opt<bool> json("json", cl::desc("Print JSON"), cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static int run() {
  std::vector<std::string> arguments = {"--bench"};
  auto pass = [&](const char *flag, const std::string &value) {
    if (!value.empty())
      arguments.insert(arguments.end(), {flag, value});
  };
  pass("-p", prompt);
  pass("-n", tokens);
  pass("-r", repetitions);
  pass("--threads", threads);
  pass("--device", device);
  if (modelFlags.context.getNumOccurrences())
    pass("--context", std::to_string(modelFlags.context));
  if (json)
    arguments.push_back("--json");
  return launch(file, arguments, modelFlags);
}

const Command benchCommand{subcommand, run};
