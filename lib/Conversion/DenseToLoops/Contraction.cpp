//===- Contraction.cpp - Recognizes dense products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/Contraction.h"

using namespace mlir;
using namespace setun;

/// The block argument that `value` is after widening casts.
static BlockArgument stripWidening(Value value, bool &isUnsigned) {
  while (Operation *cast = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp>(cast))
      return {};
    isUnsigned |= isa<arith::ExtUIOp>(cast);
    value = cast->getOperand(0);
  }
  return dyn_cast<BlockArgument>(value);
}

/// Whether the body is out + widen(lhs) * widen(rhs).
static bool matchBody(Block &body, bool &lhsUnsigned, bool &rhsUnsigned) {
  Operation *sum = body.getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_nonnull<arith::AddFOp, arith::AddIOp>(sum))
    return false;
  Value product = sum->getOperand(0) == body.getArgument(2) ? sum->getOperand(1) : sum->getOperand(0);
  if (sum->getOperand(0) != body.getArgument(2) && sum->getOperand(1) != body.getArgument(2))
    return false;
  Operation *multiply = product.getDefiningOp();
  if (!isa_and_nonnull<arith::MulFOp, arith::MulIOp>(multiply))
    return false;
  bool firstUnsigned = false, secondUnsigned = false;
  BlockArgument first = stripWidening(multiply->getOperand(0), firstUnsigned);
  BlockArgument second = stripWidening(multiply->getOperand(1), secondUnsigned);
  if (!first || !second || first.getArgNumber() + second.getArgNumber() != 1)
    return false;
  lhsUnsigned = first.getArgNumber() == 0 ? firstUnsigned : secondUnsigned;
  rhsUnsigned = first.getArgNumber() == 0 ? secondUnsigned : firstUnsigned;
  return true;
}

static bool isPlainAccess(AffineMap map) { return map.isProjectedPermutation(/*allowZeroInResults=*/true); }

std::optional<Contraction> Contraction::match(linalg::LinalgOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() != 1)
    return std::nullopt;
  Contraction result;
  result.numLoops = op.getNumLoops();
  if (!matchBody(*op.getBlock(), result.a.isUnsigned, result.b.isUnsigned))
    return std::nullopt;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  if (!llvm::all_of(maps, isPlainAccess))
    return std::nullopt;
  for (auto [operand, i] : {std::pair(&result.a, 0), std::pair(&result.b, 1), std::pair(&result.c, 2)}) {
    operand->buffer = op->getOperand(i);
    operand->map = maps[i];
    if (!isa<MemRefType>(operand->buffer.getType()))
      return std::nullopt;
  }
  Type element = getElementTypeOrSelf(result.c.buffer.getType());
  if (!isa<FloatType, IntegerType>(element))
    return std::nullopt;
  result.sumType = LoopEmitter::sumType(element);

  for (unsigned loop = 0; loop < result.numLoops; ++loop) {
    bool inA = maps[0].isFunctionOfDim(loop), inB = maps[1].isFunctionOfDim(loop), inC = maps[2].isFunctionOfDim(loop);
    if (op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction) {
      if (!inA || !inB)
        return std::nullopt;
      result.k = loop;
      continue;
    }
    if (!inC || (!inA && !inB) || (inA && !inB && result.m) || (inB && !inA && result.n))
      return std::nullopt;
    if (inA && inB)
      result.batch.push_back(loop);
    else
      (inA ? result.m : result.n) = loop;
  }
  if (!result.n) { // A matrix times a vector: the matrix is the one whose lines are blocked.
    std::swap(result.a, result.b);
    std::swap(result.m, result.n);
  }
  return result;
}

bool Contraction::isDot() const { return !n || b.map.getResults().back() == getAffineDimExpr(k, b.map.getContext()); }

Value Contraction::size(LoopEmitter &e, unsigned loop) const {
  for (const ProductOperand *operand : {&a, &b, &c})
    if (std::optional<unsigned> at = operand->map.getResultPosition(getAffineDimExpr(loop, a.map.getContext())))
      return e.size(operand->buffer, *at);
  llvm_unreachable("each loop indexes some operand");
}

Line Contraction::line(LoopEmitter &e, const ProductOperand &operand, ArrayRef<Value> ivs,
                       std::optional<unsigned> free) const {
  Line line{operand.buffer, {}, std::nullopt};
  for (auto [position, expr] : llvm::enumerate(operand.map.getResults())) {
    auto loop = dyn_cast<AffineDimExpr>(expr);
    bool isFree = loop && free == loop.getPosition();
    if (isFree)
      line.dim = position;
    line.indices.push_back(loop && !isFree ? ivs[loop.getPosition()] : e.index(0));
  }
  return line;
}

Value Contraction::read(LoopEmitter &e, const ProductOperand &operand, const Line &line, Value at, Lanes lanes) const {
  Value value = e.read(line, at, lanes);
  if (isa<FloatType>(sumType))
    return e.convert(value, sumType);
  if (line.getElementType() == sumType)
    return value;
  Type type = e.lanesOf(sumType, lanes.width);
  return operand.isUnsigned ? arith::ExtUIOp::create(e.b, e.loc, type, value).getResult()
                            : arith::ExtSIOp::create(e.b, e.loc, type, value).getResult();
}
