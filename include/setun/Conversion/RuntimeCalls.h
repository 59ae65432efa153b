//===- RuntimeCalls.h - Calls of the runtime's services -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Run-time failures. A lowering that must be able to fail while the model runs (an index out of bounds, say) emits
//
//     cf.assert %ok, "embedding index out of range"
//
// wherever it stands, in any function and inside any loop. `--setun-parallel-to-runtime` turns it into a call of the
// runtime's `fail` (include/setun-rt/abi.h) when %ok is false. The code then GOES ON: whatever the condition guards
// must be safe without it (read behind an `scf.if %ok`, or clamp the index).
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_RUNTIMECALLS_H
#define SETUN_CONVERSION_RUNTIMECALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace setun {

/// Functions that have the runtime (a setun_rt, as !llvm.ptr), each with the argument that is it. In order, for stable
/// names.
using RuntimeArguments = llvm::MapVector<mlir::func::FuncOp, mlir::Value>;

/// Gives the runtime to the entry, to each function with an operation that needs it and to each that calls one which
/// does. Functions that have it keep it.
RuntimeArguments giveRuntime(mlir::ModuleOp module, llvm::function_ref<bool(mlir::Operation *)> needs);

/// rt->fail(rt, message). `rt` is an !llvm.ptr; the message becomes a private constant of the enclosing module.
void emitFail(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rt, llvm::StringRef message);

/// rt->parallel_for(rt, count, grain, body, env): count and grain are i64, body and env !llvm.ptr.
void emitParallelFor(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rt, mlir::Value count, mlir::Value grain,
                     mlir::Value body, mlir::Value env);

/// rt->launch(rt, launch)
void emitLaunch(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rt, mlir::Value launch);

/// rt->device
mlir::Value loadDeviceFrame(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rt);

} // namespace setun

#endif // SETUN_CONVERSION_RUNTIMECALLS_H
