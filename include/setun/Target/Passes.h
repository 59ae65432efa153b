//===- Passes.h - Passes of Target -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_PASSES_H
#define SETUN_TARGET_PASSES_H

#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace setun {

#define GEN_PASS_DECL
#include "setun/Target/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "setun/Target/Passes.h.inc"

} // namespace setun

#endif // SETUN_TARGET_PASSES_H
