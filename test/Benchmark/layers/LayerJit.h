//===- LayerJit.h - One layer as a model in this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_BENCHMARK_LAYERS_LAYERJIT_H
#define SETUN_TEST_BENCHMARK_LAYERS_LAYERJIT_H

#include "setun-rt/abi.h"
#include "setun/Target/Target.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <string>
#include <vector>

namespace setun::bench {

/// The levels whose code this machine runs, best first; of those that differ in ternary products alone, one.
std::vector<const TargetLevel *> getLevels();

/// Code of one level: a layer that went through the compiler's pipelines, and LLVM IR beside it that is measured
/// against it.
class LayerJit {
public:
  explicit LayerJit(const TargetLevel &level);
  ~LayerJit();
  /// Compiles a module of the ternary contract. Reports errors on stderr.
  bool compile(const std::string &source);
  /// Compiles LLVM IR as it is.
  bool compileIR(const std::string &source);
  void *lookup(const std::string &name);

  /// Runs the compiled layer on one thread, arguments in the entry's order.
  void run(const std::vector<void *> &buffers, const std::vector<int64_t> &symbols);

private:
  bool add(std::unique_ptr<llvm::Module> module, std::unique_ptr<llvm::LLVMContext> context);

  const TargetLevel &level;
  std::unique_ptr<llvm::TargetMachine> target;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  setun_run_fn runFunction = nullptr;
  setun_plan_fn planFunction = nullptr;
  std::vector<uint8_t> arena;
};

} // namespace setun::bench

#endif // SETUN_TEST_BENCHMARK_LAYERS_LAYERJIT_H
