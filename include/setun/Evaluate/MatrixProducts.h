//===- MatrixProducts.h - Products with constant weights as products of matrices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_MATRIXPRODUCTS_H
#define SETUN_EVALUATE_MATRIXPRODUCTS_H

#include "setun/Analysis/ConstantValues.h"

namespace setun {

/// Writes products of a constant matrix that have another form as `linalg.matmul`: a batch of one matrix
/// (`linalg.batch_matmul` with batch 1), a vector times the matrix (`linalg.vecmat`), the matrix times a vector
/// (`linalg.matvec`, whose matrix is then the right operand, [N, K]).
void makeMatrixProducts(mlir::func::FuncOp function, const ConstantValues &constants);

} // namespace setun

#endif // SETUN_EVALUATE_MATRIXPRODUCTS_H
