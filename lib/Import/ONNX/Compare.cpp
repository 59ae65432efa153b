//===- Compare.cpp - Comparisons, logic and choice -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace setun::onnx;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// The sign of a - b where it is the same for all sizes.
static std::optional<int> compareSizes(AffineExpr a, AffineExpr b) {
  std::optional<int64_t> left = constantOf(a), right = constantOf(b);
  if (left && right)
    return *left < *right ? -1 : *left > *right;
  if (!isModest(a) || !isModest(b))
    return std::nullopt;
  AffineExpr difference = simplifyAffineExpr(a - b, 0, 1u << 16);
  if (std::optional<int64_t> number = constantOf(difference))
    return *number < 0 ? -1 : *number > 0;
  if (isNonNegative(difference - 1))
    return 1;
  AffineExpr opposite = simplifyAffineExpr(b - a, 0, 1u << 16);
  return isNonNegative(opposite - 1) ? std::optional<int>(-1) : std::nullopt;
}

static LogicalResult compare(Node &node, CmpFPredicate onFloat, CmpIPredicate onInt, CmpIPredicate onUnsigned,
                             bool (*holds)(int)) {
  Emitter &e = node.e;
  auto fold = [&](ArrayRef<AffineExpr> x) -> AffineExpr {
    std::optional<int> order = compareSizes(x[0], x[1]);
    return order ? e.sizes.constant(holds(*order)) : AffineExpr();
  };
  if (auto folded = foldContents(node, boolean, fold))
    return node.out(*folded);
  FailureOr<Operands> x = broadcastAll(node);
  if (failed(x))
    return failure();
  int32_t dtype = node.in(0).dtype;
  Value result =
      isFloat(dtype)
          ? Value(arith::CmpFOp::create(e.b, onFloat, x->values[0], x->values[1]))
          : Value(arith::CmpIOp::create(e.b, isUnsigned(dtype) ? onUnsigned : onInt, x->values[0], x->values[1]));
  return node.out(e.make(result, boolean, x->shape));
}

static LogicalResult importEqual(Node &node) {
  return compare(node, CmpFPredicate::OEQ, CmpIPredicate::eq, CmpIPredicate::eq, [](int order) { return order == 0; });
}
static LogicalResult importLess(Node &node) {
  return compare(node, CmpFPredicate::OLT, CmpIPredicate::slt, CmpIPredicate::ult, [](int order) { return order < 0; });
}
static LogicalResult importLessOrEqual(Node &node) {
  return compare(node, CmpFPredicate::OLE, CmpIPredicate::sle, CmpIPredicate::ule,
                 [](int order) { return order <= 0; });
}
static LogicalResult importGreater(Node &node) {
  return compare(node, CmpFPredicate::OGT, CmpIPredicate::sgt, CmpIPredicate::ugt, [](int order) { return order > 0; });
}
static LogicalResult importGreaterOrEqual(Node &node) {
  return compare(node, CmpFPredicate::OGE, CmpIPredicate::sge, CmpIPredicate::uge,
                 [](int order) { return order >= 0; });
}

template <typename Op> static LogicalResult importLogic(Node &node) {
  FailureOr<Operands> x = broadcastAll(node);
  if (failed(x))
    return failure();
  if (node.in(0).dtype != boolean)
    return node.fail("operands must be BOOL");
  return node.out(node.e.make(Op::create(node.e.b, x->values[0], x->values[1]), boolean, x->shape));
}

static LogicalResult importNot(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  if (x.dtype != boolean)
    return node.fail("the operand must be BOOL");
  auto fold = [&](ArrayRef<AffineExpr> v) {
    std::optional<int64_t> known = constantOf(v[0]);
    return known ? e.sizes.constant(!*known) : AffineExpr();
  };
  if (auto folded = foldContents(node, boolean, fold))
    return node.out(*folded);
  Value ones = e.fill(x.shape, e.b.getBoolAttr(true));
  return node.out(e.make(arith::XOrIOp::create(e.b, e.value(x), ones), boolean, x.shape));
}

static LogicalResult importWhere(Node &node) {
  Emitter &e = node.e;
  auto fold = [](ArrayRef<AffineExpr> x) -> AffineExpr {
    std::optional<int64_t> condition = constantOf(x[0]);
    return condition ? (*condition ? x[1] : x[2]) : AffineExpr();
  };
  if (node.in(1).dtype != node.in(2).dtype || node.in(0).dtype != boolean)
    return node.fail("needs a BOOL condition and two operands of one element type");
  if (auto folded = foldContents(node, node.in(1).dtype, fold))
    return node.out(*folded);
  FailureOr<Operands> x = broadcastOperands(node, {0, 1, 2}, /*oneType=*/false);
  if (failed(x))
    return failure();
  Value result = arith::SelectOp::create(e.b, x->values[0], x->values[1], x->values[2]);
  return node.out(e.make(result, node.in(1).dtype, x->shape));
}

static LogicalResult importIsNaN(Node &node) {
  Emitter &e = node.e;
  if (!isFloat(node.in(0).dtype))
    return node.fail("the operand must be a float tensor");
  Value x = e.value(node.in(0));
  return node.out(e.make(arith::CmpFOp::create(e.b, CmpFPredicate::UNO, x, x), boolean, node.in(0).shape));
}

static LogicalResult importIsInf(Node &node) {
  Emitter &e = node.e;
  Tensor &t = node.in(0);
  if (!isFloat(t.dtype))
    return node.fail("the operand must be a float tensor");
  Value x = e.value(t);
  Type element = e.elementType(t.dtype);
  double infinity = std::numeric_limits<double>::infinity();
  Value result = e.fill(t.shape, e.b.getBoolAttr(false));
  for (auto [name, bound] : {std::pair("detect_positive", infinity), std::pair("detect_negative", -infinity)})
    if (node.intAttr(name, 1)) {
      Value hit = arith::CmpFOp::create(e.b, CmpFPredicate::OEQ, x, e.fill(t.shape, bound, element));
      result = arith::OrIOp::create(e.b, result, hit);
    }
  return node.out(e.make(result, boolean, t.shape));
}

static const OpRow rows[] = {
    {"Equal", 2, 2, importEqual},
    {"Less", 2, 2, importLess},
    {"LessOrEqual", 2, 2, importLessOrEqual},
    {"Greater", 2, 2, importGreater},
    {"GreaterOrEqual", 2, 2, importGreaterOrEqual},
    {"And", 2, 2, importLogic<arith::AndIOp>},
    {"Or", 2, 2, importLogic<arith::OrIOp>},
    {"Xor", 2, 2, importLogic<arith::XOrIOp>},
    {"Not", 1, 1, importNot},
    {"Where", 3, 3, importWhere},
    {"IsNaN", 1, 1, importIsNaN},
    {"IsInf", 1, 1, importIsInf},
};
ArrayRef<OpRow> setun::onnx::getCompareOps() { return rows; }
