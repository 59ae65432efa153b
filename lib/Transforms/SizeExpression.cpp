//===- SizeExpression.cpp - Sizes as polynomials in the symbols -----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading sizes from IR and comparing them. Writing them back is in SizeExpressionWriter.cpp.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/SizeExpression.h"

#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace setun;
using Poly = SizePolynomial;

SizeExpressions::SizeExpressions(func::FuncOp entry) : entry(entry) {
  for (unsigned i = 0, e = entry::symbols(entry).size(); i < e; ++i)
    atoms.push_back({Atom::Symbol, i, {}});
}

Poly SizeExpressions::constant(int64_t value) { return value ? Poly{{{}, value}} : Poly{}; }

std::optional<Poly> SizeExpressions::add(const Poly &a, const Poly &b, int64_t scale) {
  Poly sum = a;
  for (auto &[monomial, coefficient] : b) {
    int64_t &entry = sum[monomial];
    auto product = llvm::checkedMul(coefficient, scale);
    auto total = product ? llvm::checkedAdd(entry, *product) : std::nullopt;
    if (!total)
      return std::nullopt;
    if (!(entry = *total))
      sum.erase(monomial);
  }
  return sum;
}

std::optional<Poly> SizeExpressions::multiply(const Poly &a, const Poly &b) {
  Poly product;
  for (auto &[left, x] : a)
    for (auto &[right, y] : b) {
      std::vector<unsigned> monomial(left.size() + right.size());
      std::merge(left.begin(), left.end(), right.begin(), right.end(), monomial.begin());
      auto coefficient = llvm::checkedMul(x, y);
      auto sum = coefficient ? add(product, Poly{{monomial, *coefficient}}) : std::nullopt;
      if (!sum)
        return std::nullopt;
      product = *sum;
    }
  return product;
}

Poly SizeExpressions::atom(Atom atom) {
  auto it = llvm::find(atoms, atom);
  unsigned number = it - atoms.begin();
  if (it == atoms.end())
    atoms.push_back(std::move(atom));
  return Poly{{{number}, 1}};
}

Poly SizeExpressions::divide(const Poly &a, int64_t divisor) {
  if (llvm::all_of(a, [&](auto &term) { return term.second % divisor == 0; })) {
    Poly quotient = a;
    for (auto &term : quotient)
      term.second /= divisor;
    return quotient;
  }
  if (a.size() == 1 && a.begin()->first.empty())
    return constant(llvm::divideFloorSigned(a.begin()->second, divisor));
  return atom({Atom::Quotient, divisor, {a}});
}

/// floor(a / b), or the ceiling, for a constant b > 0.
static std::optional<Poly> readQuotient(SizeExpressions &sizes, const std::optional<Poly> &a,
                                        const std::optional<Poly> &b, bool up) {
  if (!a || !b || b->size() != 1 || !b->begin()->first.empty() || b->begin()->second <= 0)
    return std::nullopt;
  int64_t divisor = b->begin()->second;
  auto dividend = up ? SizeExpressions::add(*a, SizeExpressions::constant(divisor - 1)) : a;
  if (!dividend)
    return std::nullopt;
  return sizes.divide(*dividend, divisor);
}

std::optional<Poly> SizeExpressions::read(AffineExpr expr, ArrayRef<Poly> dims, ArrayRef<Poly> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return SizeExpressions::constant(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto a = read(binary.getLHS(), dims, symbols), b = read(binary.getRHS(), dims, symbols);
  if (!a || !b)
    return std::nullopt;
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    return add(*a, *b);
  case AffineExprKind::Mul:
    return multiply(*a, *b);
  case AffineExprKind::FloorDiv:
    return readQuotient(*this, a, b, /*up=*/false);
  case AffineExprKind::CeilDiv:
    return readQuotient(*this, a, b, /*up=*/true);
  case AffineExprKind::Mod: {
    auto quotient = readQuotient(*this, a, b, /*up=*/false);
    auto whole = quotient ? multiply(*quotient, *b) : std::nullopt;
    return whole ? add(*a, *whole, -1) : std::nullopt;
  }
  default:
    return std::nullopt;
  }
}

std::optional<Poly> SizeExpressions::readMap(AffineMap map, ValueRange operands, Atom::Kind kind) {
  SmallVector<Poly> values;
  for (Value operand : operands) {
    auto value = read(operand);
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  Atom result{kind, 0, {}};
  for (AffineExpr expr : map.getResults()) {
    auto value =
        read(expr, ArrayRef(values).take_front(map.getNumDims()), ArrayRef(values).drop_front(map.getNumDims()));
    if (!value)
      return std::nullopt;
    result.operands.push_back(*value);
  }
  return result.operands.size() == 1 ? result.operands.front() : atom(result);
}

std::optional<Poly> SizeExpressions::readDim(Value source, int64_t dim) {
  auto type = dyn_cast<MemRefType>(source.getType());
  if (!type || dim < 0 || dim >= type.getRank())
    return std::nullopt;
  if (!type.isDynamicDim(dim))
    return constant(type.getDimSize(dim));
  if (auto alloc = source.getDefiningOp<memref::AllocOp>())
    return read(alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
  if (auto cast = source.getDefiningOp<memref::CastOp>())
    return isa<MemRefType>(cast.getSource().getType()) ? readDim(cast.getSource(), dim) : std::nullopt;
  auto argument = dyn_cast<BlockArgument>(source);
  if (!argument || argument.getOwner() != &entry.front())
    return std::nullopt;
  AffineMap shape = entry::shape(entry, argument.getArgNumber());
  if (!shape || shape.getNumResults() != type.getRank())
    return std::nullopt;
  SmallVector<Poly> symbols;
  for (unsigned i = 0; i < shape.getNumSymbols(); ++i)
    symbols.push_back(atom({Atom::Symbol, i, {}}));
  return read(shape.getResult(dim), {}, symbols);
}

std::optional<Poly> SizeExpressions::read(Value value) {
  if (auto constant = getConstantIntValue(value))
    return SizeExpressions::constant(*constant);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    for (auto [i, symbol] : llvm::enumerate(entry::symbols(entry)))
      if (symbol == argument)
        return atom({Atom::Symbol, static_cast<int64_t>(i), {}});
    return std::nullopt;
  }
  Operation *op = value.getDefiningOp();
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return readMap(apply.getAffineMap(), apply.getMapOperands(), Atom::Minimum);
  if (auto min = dyn_cast<affine::AffineMinOp>(op))
    return readMap(min.getAffineMap(), min.getMapOperands(), Atom::Minimum);
  if (auto max = dyn_cast<affine::AffineMaxOp>(op))
    return readMap(max.getAffineMap(), max.getMapOperands(), Atom::Maximum);
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    auto index = dim.getConstantIndex();
    return index ? readDim(dim.getSource(), *index) : std::nullopt;
  }
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return op->getOperand(0).getType().isInteger(64) || value.getType().isInteger(64) ? read(op->getOperand(0))
                                                                                      : std::nullopt;
  if (op->getNumOperands() != 2 || op->getDialect()->getNamespace() != arith::ArithDialect::getDialectNamespace())
    return std::nullopt;
  auto a = read(op->getOperand(0)), b = read(op->getOperand(1));
  if (!a || !b)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return add(*a, *b);
  if (isa<arith::SubIOp>(op))
    return add(*a, *b, -1);
  if (isa<arith::MulIOp>(op))
    return multiply(*a, *b);
  if (isa<arith::FloorDivSIOp>(op) || (isa<arith::DivSIOp, arith::DivUIOp>(op) && isNonNegative(*a)))
    return readQuotient(*this, a, b, /*up=*/false);
  if (isa<arith::CeilDivSIOp>(op) || (isa<arith::CeilDivUIOp>(op) && isNonNegative(*a)))
    return readQuotient(*this, a, b, /*up=*/true);
  if (isa<arith::MinSIOp>(op))
    return atom({Atom::Minimum, 0, {*a, *b}});
  if (isa<arith::MaxSIOp>(op))
    return atom({Atom::Maximum, 0, {*a, *b}});
  return std::nullopt;
}

bool SizeExpressions::isNonNegative(unsigned number) const {
  const Atom &a = atoms[number];
  auto known = [&](const Poly &operand) { return isNonNegative(operand); };
  return a.kind == Atom::Symbol ||
         (a.kind == Atom::Maximum ? llvm::any_of(a.operands, known) : llvm::all_of(a.operands, known));
}

bool SizeExpressions::isNonNegative(const Poly &a) const {
  return llvm::all_of(a, [&](auto &term) {
    return term.second >= 0 && llvm::all_of(term.first, [&](unsigned atom) { return isNonNegative(atom); });
  });
}

std::optional<Poly> SizeExpressions::upperBound(const Poly &a) const {
  Poly bound;
  for (auto &[monomial, coefficient] : a) {
    // An atom of unknown sign may stand alone: it is written as max(atom, 0). Elsewhere two signs could cancel.
    if ((coefficient < 0 || monomial.size() > 1) &&
        !llvm::all_of(monomial, [&](unsigned atom) { return isNonNegative(atom); }))
      return std::nullopt;
    if (coefficient < 0)
      continue;
    for (unsigned atom : monomial)
      for (const Poly &operand : atoms[atom].operands)
        if (!upperBound(operand))
          return std::nullopt;
    bound.insert({monomial, coefficient});
  }
  return bound;
}
