//===- Sizes.cpp - Algebra of symbolic sizes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sizes.h"

#include "mlir/IR/AffineExprVisitor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace setun::onnx;

std::optional<int64_t> setun::onnx::constantOf(AffineExpr expr) {
  if (auto constant = dyn_cast_or_null<AffineConstantExpr>(expr))
    return constant.getValue();
  return std::nullopt;
}

bool setun::onnx::isNonNegative(AffineExpr expr) {
  if (std::optional<int64_t> value = constantOf(expr))
    return *value >= 0;
  if (isa<AffineSymbolExpr>(expr))
    return true;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Mod)
    return true;
  return isNonNegative(binary.getLHS()) && isNonNegative(binary.getRHS());
}

AffineExpr Sizes::symbol(StringRef name) {
  auto [entry, inserted] = byName.try_emplace(name, names.size());
  if (inserted) {
    names.push_back(name.str());
    replacements.push_back(nullptr);
  }
  return getAffineSymbolExpr(entry->second, context);
}

AffineExpr Sizes::canonical(AffineExpr expr) const {
  if (isa<AffineConstantExpr>(expr))
    return expr;
  for (bool again = true; again;) {
    again = false;
    DenseMap<AffineExpr, AffineExpr> map;
    expr.walk([&](AffineExpr part) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
        if (AffineExpr replacement = replacements[symbol.getPosition()])
          map[part] = replacement;
    });
    if (!map.empty()) {
      expr = expr.replace(map);
      again = true;
    }
  }
  return isa<AffineSymbolExpr>(expr) ? expr : simplifyAffineExpr(expr, 0, names.size());
}

/// Adds `scale` x expr to a table of coefficients; each symbol, and each part that is no sum, has one.
static void addTerms(AffineExpr expr, int64_t scale, llvm::MapVector<AffineExpr, int64_t> &terms, int64_t &constant) {
  if (std::optional<int64_t> value = constantOf(expr)) {
    constant += scale * *value;
    return;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (binary && expr.getKind() == AffineExprKind::Add) {
    addTerms(binary.getLHS(), scale, terms, constant);
    addTerms(binary.getRHS(), scale, terms, constant);
    return;
  }
  if (binary && expr.getKind() == AffineExprKind::Mul)
    if (std::optional<int64_t> factor = constantOf(binary.getRHS()))
      return addTerms(binary.getLHS(), scale * *factor, terms, constant);
  terms[expr] += scale;
}

bool Sizes::unify(AffineExpr a, AffineExpr b) {
  a = canonical(a), b = canonical(b);
  if (a == b)
    return true;
  llvm::MapVector<AffineExpr, int64_t> terms;
  int64_t constant = 0;
  addTerms(a, 1, terms, constant);
  addTerms(b, -1, terms, constant);
  terms.remove_if([](auto &term) { return term.second == 0; });
  if (terms.empty())
    return constant == 0;
  // The last symbol that can be solved for is replaced: what comes first in the file keeps its name.
  for (auto &[term, scale] : llvm::reverse(terms)) {
    auto symbol = dyn_cast<AffineSymbolExpr>(term);
    if (!symbol || (scale != 1 && scale != -1))
      continue;
    AffineExpr value = this->constant(-constant * scale);
    bool inOthers = false;
    for (auto &[other, otherScale] : terms) {
      if (other == term)
        continue;
      inOthers |= other.isFunctionOfSymbol(symbol.getPosition());
      value = value + other * (-otherScale * scale);
    }
    value = canonical(value);
    // A size that would have to be negative, or a difference of sizes, is no answer.
    if (inOthers || !isNonNegative(value))
      continue;
    // Between two symbols the later one gives way.
    if (auto other = dyn_cast<AffineSymbolExpr>(value))
      if (other.getPosition() > symbol.getPosition()) {
        replacements[other.getPosition()] = symbol;
        return changed = true;
      }
    replacements[symbol.getPosition()] = value;
    becameConstant |= isa<AffineConstantExpr>(value);
    return changed = true;
  }
  return false;
}

static void addFactors(AffineExpr expr, SizeProduct &product) {
  if (std::optional<int64_t> value = constantOf(expr)) {
    if (llvm::MulOverflow(product.constant, *value, product.constant))
      product.constant = -1;
    return;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (binary && expr.getKind() == AffineExprKind::Mul) {
    addFactors(binary.getLHS(), product);
    addFactors(binary.getRHS(), product);
    return;
  }
  int64_t divisor = expr.getLargestKnownDivisor();
  if (binary && divisor > 1) {
    AffineExpr rest = simplifyAffineExpr(expr.floorDiv(divisor), 0, 1u << 16);
    if (rest.getKind() != AffineExprKind::FloorDiv) {
      addFactors(getAffineConstantExpr(divisor, expr.getContext()), product);
      return addFactors(rest, product);
    }
  }
  product.factors.push_back(expr);
}

SizeProduct Sizes::product(ArrayRef<AffineExpr> sizes) const {
  SizeProduct result;
  for (AffineExpr size : sizes)
    addFactors(canonical(size), result);
  if (result.constant == 0)
    result.factors.clear();
  llvm::sort(result.factors,
             [](AffineExpr a, AffineExpr b) { return a.getAsOpaquePointer() < b.getAsOpaquePointer(); });
  return result;
}

AffineExpr Sizes::expr(const SizeProduct &product) const {
  AffineExpr result = nullptr;
  for (AffineExpr factor : product.factors)
    result = result ? result * factor : factor;
  if (!result)
    return constant(product.constant);
  return canonical(product.constant == 1 ? result : result * product.constant);
}

void Sizes::cancel(SizeProduct &a, SizeProduct &b) {
  SmallVector<AffineExpr> rest;
  for (AffineExpr factor : a.factors) {
    auto *found = llvm::find(b.factors, factor);
    if (found == b.factors.end())
      rest.push_back(factor);
    else
      b.factors.erase(found);
  }
  a.factors = rest;
  if (a.constant > 0 && b.constant > 0) {
    int64_t divisor = std::gcd(a.constant, b.constant);
    a.constant /= divisor, b.constant /= divisor;
  }
}

std::optional<AffineExpr> Sizes::divide(SizeProduct a, SizeProduct b) const {
  if (b.constant <= 0)
    return std::nullopt;
  if (a.constant == 0)
    return constant(0);
  cancel(a, b);
  if (!b.factors.empty() || b.constant != 1)
    return std::nullopt;
  return expr(a);
}

AffineExpr setun::onnx::parseSize(StringRef text, Sizes &sizes) {
  text = text.trim();
  if (text.empty())
    return nullptr;
  int64_t number;
  if (!text.getAsInteger(10, number))
    return number < 0 ? nullptr : sizes.constant(number);
  if (llvm::all_of(text, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == ':' || c == '/'; }))
    return llvm::isDigit(text.front()) ? nullptr : sizes.symbol(text);
  // Sums first, then products: the last operator of the lowest rank splits the text.
  for (char op : {'+', '*'}) {
    size_t at = text.rfind(op);
    if (at == StringRef::npos)
      continue;
    if (text.contains('(') || text.contains(')') || text.contains('-'))
      return nullptr;
    AffineExpr left = parseSize(text.take_front(at), sizes), right = parseSize(text.drop_front(at + 1), sizes);
    if (!left || !right)
      return nullptr;
    return op == '+' ? left + right : left * right;
  }
  return nullptr;
}
