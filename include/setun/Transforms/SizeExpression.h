//===- SizeExpression.h - Sizes as polynomials in the symbols -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory planner compares sizes that it does not know. It reads an `index` value of the entry function as a
// polynomial in the symbols (and in quotients, minima and maxima of such polynomials), in one normal form, and writes
// upper bounds of it as IR. Symbols are never negative.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TRANSFORMS_SIZEEXPRESSION_H
#define SETUN_TRANSFORMS_SIZEEXPRESSION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineExpr.h"

#include <map>
#include <optional>
#include <vector>

namespace setun {

/// Sum of coefficients times products of atoms (by number, sorted); no zero coefficient.
using SizePolynomial = std::map<std::vector<unsigned>, int64_t>;

class SizeExpressions {
public:
  explicit SizeExpressions(mlir::func::FuncOp entry);

  /// The value as a polynomial; none if it depends on more than symbols or a coefficient overflows.
  std::optional<SizePolynomial> read(mlir::Value index);

  static SizePolynomial constant(int64_t value);
  static std::optional<SizePolynomial> add(const SizePolynomial &a, const SizePolynomial &b, int64_t scale = 1);
  static std::optional<SizePolynomial> multiply(const SizePolynomial &a, const SizePolynomial &b);
  /// The atom floor(a / divisor), or the plain quotient where it is exact.
  SizePolynomial divide(const SizePolynomial &a, int64_t divisor);

  /// A polynomial without negative coefficients that is at least max(a, 0); none if no sign is known.
  std::optional<SizePolynomial> upperBound(const SizePolynomial &a) const;

  /// Writes an upper bound of `a`, which is one itself, by the symbols' values. With `saturate`, a value that would
  /// exceed `limit` becomes `limit`.
  mlir::Value write(const SizePolynomial &a, mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange symbols,
                    bool saturate) const;
  static mlir::Value writeAdd(mlir::Value a, mlir::Value b, mlir::OpBuilder &builder, mlir::Location loc,
                              bool saturate);
  static mlir::Value writeMultiply(mlir::Value a, int64_t b, mlir::OpBuilder &builder, mlir::Location loc,
                                   bool saturate);

  /// More than any arena: twice it, and any alignment of it, still fits 64 bits.
  static constexpr int64_t limit = int64_t(1) << 62;

private:
  struct Atom {
    enum Kind { Symbol, Quotient, Minimum, Maximum } kind;
    int64_t number; // of the symbol, or the divisor
    std::vector<SizePolynomial> operands;
    bool operator==(const Atom &other) const {
      return kind == other.kind && number == other.number && operands == other.operands;
    }
  };

  SizePolynomial atom(Atom atom);
  std::optional<SizePolynomial> read(mlir::AffineExpr expr, llvm::ArrayRef<SizePolynomial> dims,
                                     llvm::ArrayRef<SizePolynomial> symbols);
  std::optional<SizePolynomial> readMap(mlir::AffineMap map, mlir::ValueRange operands, Atom::Kind kind);
  std::optional<SizePolynomial> readDim(mlir::Value source, int64_t dim);
  bool isNonNegative(unsigned atom) const;
  bool isNonNegative(const SizePolynomial &a) const;
  mlir::Value writeAtom(unsigned number, mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange symbols,
                        bool saturate) const;

  mlir::func::FuncOp entry;
  std::vector<Atom> atoms;
};

} // namespace setun

#endif // SETUN_TRANSFORMS_SIZEEXPRESSION_H
