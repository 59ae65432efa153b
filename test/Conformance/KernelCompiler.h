//===- KernelCompiler.h - Products to optimized LLVM modules -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_KERNELCOMPILER_H
#define SETUN_TEST_CONFORMANCE_KERNELCOMPILER_H

#include "setun/Target/Registry.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"
#include <optional>

namespace setun::conformance {

/// How a level's kernels are compiled.
struct Variant {
  const TargetLevel *level;
  Products products;
  bool emulated; // intrinsics as plain arithmetic, code for the plainest processor of this machine's architecture
  std::string name() const;
};

/// An optimized module and the code generator for it.
struct CompiledModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::unique_ptr<llvm::TargetMachine> machine;
};

/// Parallel loops made serial, in place; or calls of the runtime, as the compiler makes them: functions then take a
/// setun_rt after their own arguments.
enum class Loops { Serial, Runtime };

class KernelCompiler {
public:
  KernelCompiler();
  /// Runs the product lowering and everything after it on `source`. Functions have a C interface, cInterface(NAME).
  /// Reports errors on stderr.
  std::optional<CompiledModule> compile(llvm::StringRef source, const Variant &variant, Loops loops = Loops::Serial);
  /// Whether a level's lowering of `source` holds anything but plain arithmetic.
  bool usesIntrinsics(llvm::StringRef source, const TargetLevel &level);
  /// Whether a level's best products are its additions.
  bool onlyAdds(llvm::StringRef source, const TargetLevel &level);

private:
  mlir::OwningOpRef<mlir::ModuleOp> lower(llvm::StringRef source, const TargetLevel &level, Products products);

  mlir::MLIRContext context;
};

inline std::string cInterface(llvm::StringRef name) { return ("_mlir_ciface_" + name).str(); }

/// A function `name` with one product; sizes of -1 are dynamic. `scales`: groups, 0 for none, -1 dynamic.
std::string productSource(llvm::StringRef name, llvm::StringRef type, int64_t m, int64_t n, int64_t k, int64_t scales,
                          const PackedLayout &layout = PackedLayout{2, 16, 16, 2});

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_KERNELCOMPILER_H
