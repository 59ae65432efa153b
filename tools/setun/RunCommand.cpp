//===- RunCommand.cpp - setun run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Launch.h"

using namespace llvm;

static cl::SubCommand subcommand("run", "Run a compiled model, or a model that is compiled first, once on .npy files");
static cl::opt<std::string> file(cl::Positional, cl::Required, cl::desc("FILE"), cl::sub(subcommand));
static cl::list<std::string> inputs("input", cl::desc("An input (or state) and the .npy file that holds it"),
                                    cl::value_desc("NAME=FILE.npy"), cl::sub(subcommand));
static cl::opt<std::string> outputDir("output-dir", cl::desc("Folder for one .npy an output, named as the output"),
                                      cl::value_desc("DIR"), cl::sub(subcommand));
static cl::opt<std::string> threads("threads", cl::desc("Threads to use (all cores by default)"), cl::value_desc("N"),
                                    cl::sub(subcommand));
static cl::opt<std::string> device("device", cl::desc("Where to run: cpu, cuda, cuda:1"), cl::value_desc("DEVICE"),
                                   cl::sub(subcommand));
static cl::list<std::string> rest(cl::ConsumeAfter, cl::desc("-- ARGUMENTS of the model's own main program"),
                                  cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static int run() {
  std::vector<std::string> arguments;
  for (const std::string &input : inputs)
    arguments.insert(arguments.end(), {"--input", input});
  if (!outputDir.empty())
    arguments.insert(arguments.end(), {"--output-dir", outputDir});
  if (!threads.empty())
    arguments.insert(arguments.end(), {"--threads", threads});
  if (!device.empty())
    arguments.insert(arguments.end(), {"--device", device});
  bool divided = !rest.empty() && rest.front() == "--";
  arguments.insert(arguments.end(), rest.begin() + divided, rest.end());
  return launch(file, arguments, modelFlags);
}

const Command runCommand{subcommand, run};
