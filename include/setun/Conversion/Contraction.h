//===- Contraction.h - What a dense product is made of -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_CONTRACTION_H
#define SETUN_CONVERSION_CONTRACTION_H

#include "setun/Conversion/LoopEmitter.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace setun {

/// One buffer of a product: how it is indexed by the loops and whether its integers are unsigned.
struct ProductOperand {
  mlir::Value buffer;
  mlir::AffineMap map;
  bool isUnsigned = false;
};

/// c[batch.., m, n] += sum over k of a[batch.., m, k] * b[batch.., n, k], each buffer with its dimensions in any
/// order. m and n may be absent.
struct Contraction {
  ProductOperand a, b, c;
  llvm::SmallVector<unsigned> batch;
  std::optional<unsigned> m, n;
  unsigned k = 0;
  unsigned numLoops = 0;
  mlir::Type sumType;

  /// The contraction that `op` is, if it is one of this form on buffers.
  static std::optional<Contraction> match(mlir::linalg::LinalgOp op);
  /// Whether the right operand has k as its last dimension: then sums go by lanes of k.
  bool isDot() const;
  mlir::Value size(LoopEmitter &e, unsigned loop) const;
  /// The line of `operand` at loop indices `ivs` that runs along `free`.
  Line line(LoopEmitter &e, const ProductOperand &operand, llvm::ArrayRef<mlir::Value> ivs,
            std::optional<unsigned> free) const;
  /// Reads and widens to the type of sums.
  mlir::Value read(LoopEmitter &e, const ProductOperand &operand, const Line &line, mlir::Value at, Lanes lanes) const;
};

} // namespace setun

#endif // SETUN_CONVERSION_CONTRACTION_H
