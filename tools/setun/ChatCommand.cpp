//===- ChatCommand.cpp - setun chat -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Launch.h"

using namespace llvm;

static cl::SubCommand subcommand("chat", "Talk to a language model, compiled or to be compiled first");
static cl::opt<std::string> file(cl::Positional, cl::Required, cl::desc("FILE"), cl::sub(subcommand));
static cl::list<std::string> rest(cl::ConsumeAfter, cl::desc("FLAGS of the model's own main program (its --help)"),
                                  cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static int run() {
  std::vector<std::string> arguments = {"--chat"};
  arguments.insert(arguments.end(), rest.begin(), rest.end());
  return launch(file, arguments, modelFlags);
}

const Command chatCommand{subcommand, run};
