//===- EmitSizes.cpp - Symbolic sizes as types and index values -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace setun::onnx;

RankedTensorType Emitter::type(ArrayRef<AffineExpr> shape, Type element) {
  SmallVector<int64_t> dims;
  for (AffineExpr size : shape)
    dims.push_back(constantOf(sizes.canonical(size)).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(dims, element);
}

Shape Emitter::staticShape(ArrayRef<int64_t> dims) {
  return Shape(llvm::map_range(dims, [&](int64_t dim) { return sizes.constant(dim); }));
}

/// All sizes are computed once, at the top of the function.
Value Emitter::size(AffineExpr expr) {
  expr = sizes.canonical(expr);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbolValue(symbol.getPosition());
  Value &known = sizeValues[expr];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.getInsertionBlock();
  while (!isa<FunctionOpInterface>(block->getParentOp()))
    block = block->getParentOp()->getBlock();
  if (lastSize)
    b.setInsertionPointAfter(lastSize);
  else
    b.setInsertionPointToStart(block);
  Location loc = b.getUnknownLoc();
  if (std::optional<int64_t> number = constantOf(expr)) {
    known = arith::ConstantIndexOp::create(b, loc, *number);
  } else {
    SmallVector<Value> operands;
    DenseMap<AffineExpr, AffineExpr> renumbered;
    for (unsigned symbol = 0; symbol < sizes.numSymbols(); ++symbol)
      if (expr.isFunctionOfSymbol(symbol)) {
        renumbered[getAffineSymbolExpr(symbol, context)] = getAffineSymbolExpr(operands.size(), context);
        operands.push_back(symbolValue(symbol));
      }
    auto map = AffineMap::get(0, operands.size(), expr.replace(renumbered));
    known = affine::AffineApplyOp::create(b, loc, map, operands);
  }
  lastSize = known.getDefiningOp();
  return known;
}

OpFoldResult Emitter::foldSize(AffineExpr expr) {
  if (std::optional<int64_t> number = constantOf(sizes.canonical(expr)))
    return b.getIndexAttr(*number);
  return size(expr);
}

SmallVector<OpFoldResult> Emitter::foldSizes(ArrayRef<AffineExpr> shape) {
  return llvm::map_to_vector(shape, [&](AffineExpr size) { return foldSize(size); });
}

static std::string describe(AffineExpr expr, const Sizes &sizes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (std::optional<int64_t> number = constantOf(expr))
    os << *number;
  else if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    os << "'" << sizes.name(symbol.getPosition()) << "'";
  else
    os << expr;
  return text;
}

LogicalResult Emitter::unify(AffineExpr &a, AffineExpr b, const Twine &what) {
  if (!sizes.unify(a, b))
    return fail(what + ": sizes " + describe(sizes.canonical(a), sizes) + " and " +
                describe(sizes.canonical(b), sizes) + " must be equal");
  a = sizes.canonical(a);
  return success(!sizes.becameConstant);
}

FailureOr<Shape> Emitter::broadcastShape(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Shape result(a);
  AffineExpr one = sizes.constant(1);
  for (size_t i = 0, shift = a.size() - b.size(); i < b.size(); ++i) {
    AffineExpr &size = result[i + shift];
    AffineExpr left = sizes.canonical(size), right = sizes.canonical(b[i]);
    if (left == one)
      size = right;
    else if (right != one && failed(unify(size, right, "operands don't broadcast")))
      return failure();
  }
  return result;
}
