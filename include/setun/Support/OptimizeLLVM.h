//===- OptimizeLLVM.h - LLVM's optimizer, as every code path uses it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_SUPPORT_OPTIMIZELLVM_H
#define SETUN_SUPPORT_OPTIMIZELLVM_H

#include "llvm/IR/Module.h"
#include "llvm/Passes/OptimizationLevel.h"
#include "llvm/Target/TargetMachine.h"

namespace setun {

/// Runs LLVM's default pipeline of `level` on `module` for `machine`. Loops are vectorized; straight-line code is not,
/// since the SLP vectorizer tears the byte-index arithmetic of table kernels apart, lane by lane.
void optimizeLLVM(llvm::Module &module, llvm::TargetMachine &machine, llvm::OptimizationLevel level);

} // namespace setun

#endif // SETUN_SUPPORT_OPTIMIZELLVM_H
