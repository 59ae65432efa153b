//===- SizeExpressionWriter.cpp - Size polynomials as IR ------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All values written are non-negative. Saturating arithmetic is for the size that a run asks for before it starts: a
// product of wild sizes must be refused, not wrapped around.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/SizeExpression.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace setun;

static Value index(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value SizeExpressions::writeAdd(Value a, Value b, OpBuilder &builder, Location loc, bool saturate) {
  Value sum = arith::AddIOp::create(builder, loc, a, b);
  // Both are at most 2^62: the sum fits 64 bits without a sign.
  return saturate ? arith::MinUIOp::create(builder, loc, sum, index(builder, loc, limit)) : sum;
}

/// a * b, or the limit where a is above `most`, the largest a whose product is not above it.
static Value multiplyBelow(Value a, Value b, Value most, OpBuilder &builder, Location loc) {
  Value product = arith::MulIOp::create(builder, loc, a, b);
  Value wild = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ugt, a, most);
  return arith::SelectOp::create(builder, loc, wild, index(builder, loc, SizeExpressions::limit), product);
}

Value SizeExpressions::writeMultiply(Value a, int64_t b, OpBuilder &builder, Location loc, bool saturate) {
  if (b == 1)
    return a;
  Value factor = index(builder, loc, b);
  if (!saturate || b == 0)
    return arith::MulIOp::create(builder, loc, a, factor);
  return multiplyBelow(a, factor, index(builder, loc, limit / b), builder, loc);
}

static Value multiplyValues(Value a, Value b, OpBuilder &builder, Location loc, bool saturate) {
  if (!saturate)
    return arith::MulIOp::create(builder, loc, a, b);
  Value divisor = arith::MaxUIOp::create(builder, loc, b, index(builder, loc, 1));
  Value most = arith::DivUIOp::create(builder, loc, index(builder, loc, SizeExpressions::limit), divisor);
  // Nothing times anything is nothing, however wild.
  Value product = multiplyBelow(a, b, most, builder, loc);
  Value zero = index(builder, loc, 0);
  Value isZero = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, b, zero);
  return arith::SelectOp::create(builder, loc, isZero, zero, product);
}

Value SizeExpressions::writeAtom(unsigned number, OpBuilder &builder, Location loc, ValueRange symbols,
                                 bool saturate) const {
  const Atom &a = atoms[number];
  if (a.kind == Atom::Symbol) {
    Value symbol = symbols[a.number];
    return saturate ? arith::MinUIOp::create(builder, loc, symbol, index(builder, loc, limit)) : symbol;
  }
  SmallVector<Value> operands;
  for (const SizePolynomial &operand : a.operands)
    operands.push_back(write(*upperBound(operand), builder, loc, symbols, saturate));
  if (a.kind == Atom::Quotient)
    return arith::DivUIOp::create(builder, loc, operands.front(), index(builder, loc, a.number));
  Value result = operands.front();
  for (Value operand : ArrayRef(operands).drop_front())
    result = a.kind == Atom::Minimum ? Value(arith::MinUIOp::create(builder, loc, result, operand))
                                     : Value(arith::MaxUIOp::create(builder, loc, result, operand));
  return result;
}

Value SizeExpressions::write(const SizePolynomial &a, OpBuilder &builder, Location loc, ValueRange symbols,
                             bool saturate) const {
  Value sum;
  for (auto &[monomial, coefficient] : a) {
    Value term;
    for (unsigned atom : monomial) {
      Value factor = writeAtom(atom, builder, loc, symbols, saturate);
      term = term ? multiplyValues(term, factor, builder, loc, saturate) : factor;
    }
    term = !term ? index(builder, loc, saturate ? std::min(coefficient, limit) : coefficient)
                 : writeMultiply(term, coefficient, builder, loc, saturate);
    sum = sum ? writeAdd(sum, term, builder, loc, saturate) : term;
  }
  return sum ? sum : index(builder, loc, 0);
}
