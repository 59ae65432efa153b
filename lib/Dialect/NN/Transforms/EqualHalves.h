//===- EqualHalves.h - Tensors that hold everything twice -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_TRANSFORMS_EQUALHALVES_H
#define SETUN_DIALECT_NN_TRANSFORMS_EQUALHALVES_H

#include "setun/Dialect/Utils/Matchers.h"

namespace setun {

/// Whether a tensor's two halves along its last dimension are equal by how it was made: a concatenation of one value
/// with itself, elementwise work on such, reshapes that keep the last dimension, or constant data.
bool hasEqualHalves(mlir::Value value);

/// The first half of a tensor for which `hasEqualHalves` holds, computed once where it can be.
mlir::Value makeHalf(mlir::OpBuilder &builder, mlir::Value value);

} // namespace setun

#endif // SETUN_DIALECT_NN_TRANSFORMS_EQUALHALVES_H
