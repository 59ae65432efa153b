//===- Passes.h - Passes of the CUDA target -*- C++ -*- ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_PASSES_H
#define SETUN_TARGET_NVPTX_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace setun {
namespace nvptx {

/// On a barrier of a kernel: blocks (i32) that a multiprocessor must hold at once, which bounds registers.
constexpr llvm::StringLiteral kMinBlocksAttr = "setun.min_blocks";
/// On the rotary embedding of keys in a step of attention: it makes the keys from attention's `past` on, in their
/// place.
constexpr llvm::StringLiteral kNewKeysAttr = "setun.new_keys";
/// An intrinsic in kernels, until they have parameters: the device frame.
constexpr llvm::StringLiteral kDeviceFrame = "llvm.setun.device_frame";
/// On a barrier, then on its kernel: for several tokens, so that a persistent kernel need not hold it.
constexpr llvm::StringLiteral kManyTokensAttr = "setun.many_tokens";

#define GEN_PASS_DECL
#include "setun/Target/NVPTX/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "setun/Target/NVPTX/Passes.h.inc"

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_PASSES_H
