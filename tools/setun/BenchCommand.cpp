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
static cl::opt<unsigned> prompt("p", cl::desc("Tokens of the prompt"), cl::init(128), cl::value_desc("N"),
                                cl::sub(subcommand));
static cl::opt<unsigned> tokens("n", cl::desc("Tokens to generate"), cl::init(64), cl::value_desc("N"),
                                cl::sub(subcommand));
static cl::opt<unsigned> repetitions("r", cl::desc("Repetitions"), cl::init(5), cl::value_desc("N"),
                                     cl::sub(subcommand));
static cl::opt<std::string> threads("threads", cl::desc("Threads to use (all cores by default)"), cl::value_desc("N"),
                                    cl::sub(subcommand));
static cl::opt<bool> json("json", cl::desc("Print JSON"), cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static int run() {
  std::vector<std::string> arguments = {
      "--bench", "-p", std::to_string(prompt), "-n", std::to_string(tokens), "-r", std::to_string(repetitions)};
  if (!threads.empty())
    arguments.insert(arguments.end(), {"--threads", threads});
  if (json)
    arguments.push_back("--json");
  return launch(file, arguments, modelFlags);
}

const Command benchCommand{subcommand, run};
