//===- HostJit.h - LLVM IR to a function of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_HOSTJIT_H
#define SETUN_EVALUATE_HOSTJIT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

namespace setun {

/// LLVM's ORC with the settings that a slice is compiled with.
class HostJit {
public:
  /// Calls a function with the addresses of its arguments' descriptors.
  using Entry = void (*)(void **);

  /// Compiles a module of the LLVM dialect and returns the function whose C interface is `_mlir_ciface_NAME`. NAME must
  /// be new to this object.
  llvm::Expected<Entry> compile(mlir::ModuleOp module, llvm::StringRef name);

private:
  std::string messages; // what the session reports beside its errors
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace setun

#endif // SETUN_EVALUATE_HOSTJIT_H
