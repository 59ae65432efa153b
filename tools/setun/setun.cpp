//===- setun.cpp - The compiler's command line -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace llvm;

static const Command *const commands[] = {&compileCommand, &runCommand,     &chatCommand,     &inspectCommand,
                                          &benchCommand,   &targetsCommand, &tokenizerCommand};

static const char overview[] = R"(Setun compiles ternary neural networks ahead of time to native code.

  setun compile model.onnx -o model          an executable, and its weights in model.safetensors
  setun inspect model.onnx                   what is ternary in it, what is not, and why
  setun run model --input x=x.npy --output-dir out
  setun chat model                           talk to a language model
  setun tokenizer folder -o table           a tokenizer alone, for setun-rt/text.h
  setun targets                              what can be compiled for, and what this machine runs
  setun bench model -p 512 -n 128 -t 1,2     tokens a second of a language model

`setun COMMAND --help` tells the flags of each.
)";

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
#ifdef __GLIBC__
  // Weights come and go one at a time: each is to leave no hole behind. Without this the limit grows with what is
  // freed.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  if (argc < 2 || StringRef(argv[1]) == "--help" || StringRef(argv[1]) == "-h") {
    outs() << overview;
    return argc < 2 ? 2 : 0;
  }
  StringRef name = argv[1];
  for (const Command *command : commands)
    if (command->subcommand.getName() == name) {
      cl::ParseCommandLineOptions(argc, argv, overview);
      return command->run();
    }
  return usageError("unknown command '" + name + "'; setun --help lists them");
}
