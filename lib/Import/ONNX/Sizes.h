//===- Sizes.h - Algebra of symbolic sizes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Sizes are affine expressions in named symbols. Exporters give equal sizes
// different names; where two sizes must be equal, one symbol is replaced by
// what the other says, and the graph is imported again with that knowledge.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_SIZES_H
#define SETUN_LIB_IMPORT_ONNX_SIZES_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>
#include <vector>

namespace setun::onnx {

using Shape = llvm::SmallVector<mlir::AffineExpr>;

/// A product in normal form: a constant and factors in a fixed order.
struct SizeProduct {
  int64_t constant = 1;
  llvm::SmallVector<mlir::AffineExpr> factors;
  bool operator==(const SizeProduct &other) const { return constant == other.constant && factors == other.factors; }
};

class Sizes {
public:
  explicit Sizes(mlir::MLIRContext *context) : context(context) {}

  mlir::AffineExpr constant(int64_t value) const { return mlir::getAffineConstantExpr(value, context); }
  /// The symbol of that name, made at the first request.
  mlir::AffineExpr symbol(llvm::StringRef name);
  size_t numSymbols() const { return names.size(); }
  llvm::StringRef name(unsigned symbol) const { return names[symbol]; }

  /// The one spelling of a size, with all that is known of its symbols.
  mlir::AffineExpr canonical(mlir::AffineExpr expr) const;
  bool equal(mlir::AffineExpr a, mlir::AffineExpr b) const { return canonical(a) == canonical(b); }
  /// Makes two sizes equal; false if they can't be. `changed` tells that a symbol was replaced.
  bool unify(mlir::AffineExpr a, mlir::AffineExpr b);
  bool changed = false;
  /// A symbol turned out to be a number: types made so far are wrong and this run can't go on.
  bool becameConstant = false;

  SizeProduct product(llvm::ArrayRef<mlir::AffineExpr> sizes) const;
  mlir::AffineExpr expr(const SizeProduct &product) const;
  /// Removes what two products share.
  static void cancel(SizeProduct &a, SizeProduct &b);
  /// a / b where that is exact for all symbols.
  std::optional<mlir::AffineExpr> divide(SizeProduct a, SizeProduct b) const;

private:
  mlir::MLIRContext *context;
  std::vector<std::string> names;
  llvm::StringMap<unsigned> byName;
  /// What a symbol stands for, null while it stands for itself. Never refers to itself, however indirectly.
  std::vector<mlir::AffineExpr> replacements;
};

std::optional<int64_t> constantOf(mlir::AffineExpr expr);
/// True if no symbol can make it negative, symbols being sizes.
bool isNonNegative(mlir::AffineExpr expr);
/// Parses what exporters write for a size: "s64 + s70", "past + 1", "2"; null if it is not a sum of products.
mlir::AffineExpr parseSize(llvm::StringRef text, Sizes &sizes);

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_SIZES_H
