//===- Entry.h - The entry function and its arguments -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How passes read the entry function of docs/contracts.md: which argument is a symbol, a state, an output, the weights,
// the arena or the runtime, and what sizes a tensor has in terms of the symbols. One place knows the attributes' names.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TRANSFORMS_ENTRY_H
#define SETUN_TRANSFORMS_ENTRY_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinOps.h"

namespace setun::entry {

inline constexpr llvm::StringLiteral kEntry = "setun.entry", kName = "setun.name", kShape = "setun.shape",
                                     kDtype = "setun.dtype", kSymbol = "setun.symbol", kState = "setun.state",
                                     kAxis = "setun.axis", kOutput = "setun.output",
                                     // Of a state that grows: the symbol that counts its live entries.
    kPosition = "setun.position",
                                     // Of a state: its sizes after the run, by the symbols.
    kNextShape = "setun.next_shape",
                                     // Of a parameter: its first byte in the weights' data section.
    kOffset = "setun.offset";

/// Arguments that no graph has. They stand last, in this order, each marked by a unit attribute.
enum class Service { Weights, Arena, Runtime };

/// The function with `setun.entry`; null if the module has none.
mlir::func::FuncOp find(mlir::ModuleOp module);

/// The `index` arguments with `setun.symbol`, in order.
llvm::SmallVector<mlir::BlockArgument> symbols(mlir::func::FuncOp entry);

/// Where an argument that belongs before the symbols goes.
unsigned firstSymbol(mlir::func::FuncOp entry);

/// The sizes of argument `index` by the symbols: its `attribute`; null if it has none.
mlir::AffineMap shape(mlir::func::FuncOp entry, unsigned index, llvm::StringRef attribute = kShape);

/// The service argument of that kind; null if there is none yet.
mlir::Value service(mlir::func::FuncOp entry, Service kind);

/// The same, made where it is missing: memref<?xi8> for weights and arena, !llvm.ptr for the runtime.
mlir::Value getOrAddService(mlir::func::FuncOp entry, Service kind);

/// Bytes of one element in a buffer: whole bytes; 0 for a type that no buffer may hold (trits).
int64_t elementBytes(mlir::Type element);

} // namespace setun::entry

#endif // SETUN_TRANSFORMS_ENTRY_H
