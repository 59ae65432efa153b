//===- RowEmitter.h - Loops over tokens and their norms -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A token is a line along a buffer's last dimension. The norm stands here so that
// nn.rms_norm and ternary.norm_quantize write the same bits.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_CONVERSION_UTILS_ROWEMITTER_H
#define SETUN_LIB_CONVERSION_UTILS_ROWEMITTER_H

#include "setun/Conversion/LoopEmitter.h"

namespace setun {

/// The line of `buffer` along its last dimension at `leading`.
Line rowOf(LoopEmitter &e, mlir::Value buffer, llvm::ArrayRef<mlir::Value> leading);
/// The sizes of all dimensions of `buffer` but the last.
llvm::SmallVector<mlir::Value> leadingSizes(LoopEmitter &e, mlir::Value buffer);
/// Runs `body` with the leading indices of every row of `buffer`, shared by threads. `work` is that of an element.
void forEachRow(LoopEmitter &e, mlir::Value buffer, int64_t work,
                llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)> body);
/// The number of elements of a row, as a float of `type`.
mlir::Value countAsFloat(LoopEmitter &e, mlir::Value size, mlir::Type type);
/// Rounds `value` to `element` and widens it again.
mlir::Value roundTo(LoopEmitter &e, mlir::Value value, mlir::Type element);

/// x / rms * gamma, in f32, for one row.
struct RmsRow {
  Line x, gamma;
  mlir::Value size, rms;
  RmsRow(LoopEmitter &e, Line x, mlir::Value gamma, double epsilon);
  mlir::Value read(LoopEmitter &e, mlir::Value at, Lanes lanes) const;
};

} // namespace setun

#endif // SETUN_LIB_CONVERSION_UTILS_ROWEMITTER_H
