//===- Bitwise.cpp - Bits of integers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace setun::onnx;

static FailureOr<Operands> intOperands(Node &node) {
  if (isFloat(node.in(0).dtype))
    return node.fail("element type " + dtypeName(node.in(0).dtype) + " is not an integer");
  return broadcastAll(node);
}

template <typename Op> static LogicalResult importBits(Node &node) {
  FailureOr<Operands> x = intOperands(node);
  if (failed(x))
    return failure();
  return node.out(node.e.make(Op::create(node.e.b, x->values[0], x->values[1]), node.in(0).dtype, x->shape));
}

static LogicalResult importBitwiseNot(Node &node) {
  FailureOr<Operands> x = intOperands(node);
  if (failed(x))
    return failure();
  Emitter &e = node.e;
  Value ones = e.fill(x->shape, -1, e.elementType(node.in(0).dtype));
  return node.out(e.make(arith::XOrIOp::create(e.b, x->values[0], ones), node.in(0).dtype, x->shape));
}

/// A shift by the width or more gives zero, which the IR's shifts leave undefined.
static LogicalResult importBitShift(Node &node) {
  FailureOr<Operands> x = intOperands(node);
  if (failed(x))
    return failure();
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  if (!isUnsigned(dtype) || dtype == boolean)
    return node.fail("element type " + dtypeName(dtype) + " is not an unsigned integer");
  std::string direction = node.stringAttr("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return node.fail("attribute 'direction' must be LEFT or RIGHT");
  Type element = e.elementType(dtype);
  int64_t width = element.getIntOrFloatBitWidth();
  Value value = x->values[0], by = x->values[1];
  auto shift = [&](Value amount) -> Value {
    if (direction == "LEFT")
      return arith::ShLIOp::create(e.b, value, amount);
    return arith::ShRUIOp::create(e.b, value, amount);
  };
  std::optional<double> known = node.constantNumber(1);
  if (known && *known < double(width))
    return node.out(e.make(shift(by), dtype, x->shape));
  Value zero = e.fill(x->shape, 0, element), limit = e.fill(x->shape, double(width), element);
  Value fits = arith::CmpIOp::create(e.b, arith::CmpIPredicate::ult, by, limit);
  Value shifted = shift(arith::SelectOp::create(e.b, fits, by, zero));
  return node.out(e.make(arith::SelectOp::create(e.b, fits, shifted, zero), dtype, x->shape));
}

static const OpRow rows[] = {
    {"BitwiseAnd", 2, 2, importBits<arith::AndIOp>},
    {"BitwiseOr", 2, 2, importBits<arith::OrIOp>},
    {"BitwiseXor", 2, 2, importBits<arith::XOrIOp>},
    {"BitwiseNot", 1, 1, importBitwiseNot},
    {"BitShift", 2, 2, importBitShift},
};
ArrayRef<OpRow> setun::onnx::getBitwiseOps() { return rows; }
