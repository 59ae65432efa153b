//===- Options.h - What a compilation is asked to do -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_OPTIONS_H
#define SETUN_COMPILER_OPTIONS_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace setun {

enum class Emit { Executable, SharedLibrary, Object, LLVMIR, Assembly };
enum class WeightsPlace { Beside, Appended };

/// Everything `setun compile` can be told. Plain data: the command line and the C API fill it.
struct CompileOptions {
  std::string model;  ///< .onnx, a Hugging Face folder, or .mlir of any stage
  std::string output; ///< what to write; the weights go to OUTPUT.safetensors unless appended
  Emit emit = Emit::Executable;
  std::string artifact; ///< of the target's own (Target::getArtifacts), in place of `emit`
  WeightsPlace weights = WeightsPlace::Beside;
  std::string target;            ///< as selectTarget (Target/Registry.h) reads it; empty: all levels of this machine's
  std::string cpu;               ///< processor to choose one level for and to tune; empty: none
  std::string sysroot;           ///< folder with the headers and libraries of the target's system
  std::string encoding;          ///< of every ternary weight, as PackedLayout::str; empty: the cost model chooses
  bool emulate = false;          ///< plain arithmetic for the target's instructions, code for this machine
  std::string products = "best"; ///< best | addsub
  std::string compileTo;         ///< input | ternary | target | llvm: write the IR after that stage and stop
  std::string dumpStagesTo;      ///< folder for the IR after every stage
  std::string report;            ///< FILE.json or FILE.html
  std::string linker;            ///< program that links; empty: a compiler driver found in PATH
  bool linkStatically = false;   ///< of an executable: take in the C library as well
  std::vector<std::string> states; ///< IN:OUT pairs that name caches
  std::string tokenizer;    ///< as compileText (Import/Text.h) reads it; empty: of the model's folder, if it has one
  int64_t context = 2048;   ///< entries that growing states hold unless the session says otherwise
  int64_t batch = 1;        ///< sequences that a run of a checkpoint's folder takes
  bool verifyRaise = false; ///< evaluate every raise against what it replaced
  std::function<void(const std::string &)> progress; ///< told of each step; may be empty
};

} // namespace setun

#endif // SETUN_COMPILER_OPTIONS_H
