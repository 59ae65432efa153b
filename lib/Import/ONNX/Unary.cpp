//===- Unary.cpp - Functions of one operand -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace setun::onnx;

namespace {
/// Small words for arithmetic on tensors of one shape.
struct Words {
  Node &node;
  Emitter &e;
  Shape shape;
  Type element;

  Value c(double number) { return e.fill(shape, number, element); }
  Value add(Value a, Value b) { return arith::AddFOp::create(e.b, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(e.b, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(e.b, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(e.b, a, b); }
  Value exp(Value a) { return math::ExpOp::create(e.b, a); }
  Value tanh(Value a) { return math::TanhOp::create(e.b, a); }
  Value negate(Value a) { return arith::NegFOp::create(e.b, a); }
  Value sigmoid(Value a) { return div(c(1), add(c(1), exp(negate(a)))); }
  Value softplus(Value a) { return math::Log1pOp::create(e.b, exp(a)); }
  Value less(Value a, Value b) { return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OLT, a, b); }
  Value select(Value condition, Value a, Value b) { return arith::SelectOp::create(e.b, condition, a, b); }
  Value max(Value a, Value b) { return arith::MaximumFOp::create(e.b, a, b); }
  Value min(Value a, Value b) { return arith::MinimumFOp::create(e.b, a, b); }
};
using FloatFn = Value (*)(Words &, Value);
using IntFn = Value (*)(Node &, Tensor &, Value);
} // namespace

/// A function of floats. `wide` ones are composed of several roundings and work in f32 for f16 and bf16, as frameworks
/// do.
template <bool wide> static LogicalResult unary(Node &node, FloatFn function) {
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  if (!isFloat(dtype))
    return node.fail("element type " + dtypeName(dtype) + " is not supported");
  int32_t work = wide ? e.accumulatorType(dtype) : dtype;
  Tensor x = e.cast(node.in(0), work);
  Words words{node, e, x.shape, e.elementType(work)};
  Tensor result = e.make(function(words, e.value(x)), work, x.shape);
  return node.out(e.cast(result, dtype));
}

#define UNARY(name, wide, expression)                                                                                  \
  static LogicalResult import##name(Node &node) {                                                                      \
    return unary<wide>(node, [](Words &w, Value x) -> Value { return expression; });                                   \
  }

UNARY(Sqrt, false, math::SqrtOp::create(w.e.b, x))
UNARY(Reciprocal, false, w.div(w.c(1), x))
UNARY(Floor, false, math::FloorOp::create(w.e.b, x))
UNARY(Ceil, false, math::CeilOp::create(w.e.b, x))
UNARY(Round, false, math::RoundEvenOp::create(w.e.b, x))
UNARY(Exp, true, w.exp(x))
UNARY(Log, true, math::LogOp::create(w.e.b, x))
UNARY(Sin, true, math::SinOp::create(w.e.b, x))
UNARY(Cos, true, math::CosOp::create(w.e.b, x))
UNARY(Tan, true, math::TanOp::create(w.e.b, x))
UNARY(Tanh, true, w.tanh(x))
UNARY(Sinh, true, math::SinhOp::create(w.e.b, x))
UNARY(Cosh, true, math::CoshOp::create(w.e.b, x))
UNARY(Asin, true, math::AsinOp::create(w.e.b, x))
UNARY(Acos, true, math::AcosOp::create(w.e.b, x))
UNARY(Atan, true, math::AtanOp::create(w.e.b, x))
UNARY(Erf, true, math::ErfOp::create(w.e.b, x))
UNARY(Sigmoid, true, w.sigmoid(x))
UNARY(Softplus, true, w.softplus(x))
UNARY(Softsign, true, w.div(x, w.add(w.c(1), math::AbsFOp::create(w.e.b, x))))
UNARY(Mish, true, w.mul(x, w.tanh(w.softplus(x))))
UNARY(HardSwish, true, w.mul(x, w.max(w.c(0), w.min(w.c(1), w.add(w.mul(x, w.c(1.0 / 6)), w.c(0.5))))))
UNARY(Swish, true, w.mul(x, w.sigmoid(w.mul(x, w.c(w.node.floatAttr("alpha", 1))))))
UNARY(QuickGelu, true, w.mul(x, w.sigmoid(w.mul(x, w.c(w.node.floatAttr("alpha", 1.702f))))))
UNARY(LeakyRelu, true, w.select(w.less(x, w.c(0)), w.mul(x, w.c(w.node.floatAttr("alpha", 0.01f))), x))
UNARY(Elu, true, w.select(w.less(x, w.c(0)), w.mul(w.sub(w.exp(x), w.c(1)), w.c(w.node.floatAttr("alpha", 1))), x))
UNARY(HardSigmoid, true,
      w.max(w.c(0),
            w.min(w.c(1), w.add(w.mul(x, w.c(w.node.floatAttr("alpha", 0.2f))), w.c(w.node.floatAttr("beta", 0.5f))))))

static Value gelu(Words &w, Value x) {
  Value inner;
  if (w.node.stringAttr("approximate", "none") == "tanh") {
    Value cube = w.mul(w.mul(x, x), x);
    inner = w.tanh(w.mul(w.c(std::sqrt(2 / M_PI)), w.add(x, w.mul(w.c(0.044715), cube))));
  } else {
    inner = math::ErfOp::create(w.e.b, w.div(x, w.c(std::sqrt(2.0))));
  }
  return w.mul(w.mul(w.c(0.5), x), w.add(w.c(1), inner));
}
static LogicalResult importGelu(Node &node) { return unary<true>(node, gelu); }

/// Functions that integers have too: Abs, Neg, Relu, Sign.
static LogicalResult signedUnary(Node &node, FloatFn onFloat, IntFn onInt) {
  Tensor &x = node.in(0);
  if (isFloat(x.dtype))
    return unary<false>(node, onFloat);
  if (x.dtype == boolean)
    return node.fail("element type BOOL is not supported");
  Value input = node.e.value(x);
  return node.out(node.e.make(onInt(node, x, input), x.dtype, x.shape));
}

static LogicalResult importAbs(Node &node) {
  return signedUnary(
      node, [](Words &w, Value x) -> Value { return math::AbsFOp::create(w.e.b, x); },
      [](Node &n, Tensor &t, Value x) -> Value {
        return isUnsigned(t.dtype) ? x : Value(math::AbsIOp::create(n.e.b, x));
      });
}

static LogicalResult importNeg(Node &node) {
  if (auto folded = foldContents(node, node.in(0).dtype,
                                 [](ArrayRef<AffineExpr> x) { return isModest(x[0]) ? -x[0] : AffineExpr(); }))
    return node.out(*folded);
  return signedUnary(
      node, [](Words &w, Value x) -> Value { return w.negate(x); },
      [](Node &n, Tensor &t, Value x) -> Value {
        return arith::SubIOp::create(n.e.b, n.e.fill(t.shape, 0, n.e.elementType(t.dtype)), x);
      });
}

static LogicalResult importRelu(Node &node) {
  return signedUnary(
      node, [](Words &w, Value x) -> Value { return w.max(x, w.c(0)); },
      [](Node &n, Tensor &t, Value x) -> Value {
        return isUnsigned(t.dtype)
                   ? x
                   : Value(arith::MaxSIOp::create(n.e.b, x, n.e.fill(t.shape, 0, n.e.elementType(t.dtype))));
      });
}

/// Zeros keep their sign and NaN stays NaN.
static LogicalResult importSign(Node &node) {
  return signedUnary(
      node,
      [](Words &w, Value x) -> Value {
        return w.select(w.less(w.c(0), x), w.c(1), w.select(w.less(x, w.c(0)), w.c(-1), x));
      },
      [](Node &n, Tensor &t, Value x) -> Value {
        Type element = n.e.elementType(t.dtype);
        Value one = n.e.fill(t.shape, 1, element);
        if (isUnsigned(t.dtype))
          return arith::MinUIOp::create(n.e.b, x, one);
        return arith::MaxSIOp::create(n.e.b, arith::MinSIOp::create(n.e.b, x, one), n.e.fill(t.shape, -1, element));
      });
}

static const OpRow rows[] = {
    {"Abs", 1, 1, importAbs},
    {"Neg", 1, 1, importNeg},
    {"Relu", 1, 1, importRelu},
    {"Sign", 1, 1, importSign},
    {"Sqrt", 1, 1, importSqrt},
    {"Reciprocal", 1, 1, importReciprocal},
    {"Floor", 1, 1, importFloor},
    {"Ceil", 1, 1, importCeil},
    {"Round", 1, 1, importRound},
    {"Exp", 1, 1, importExp},
    {"Log", 1, 1, importLog},
    {"Sin", 1, 1, importSin},
    {"Cos", 1, 1, importCos},
    {"Tan", 1, 1, importTan},
    {"Tanh", 1, 1, importTanh},
    {"Sinh", 1, 1, importSinh},
    {"Cosh", 1, 1, importCosh},
    {"Asin", 1, 1, importAsin},
    {"Acos", 1, 1, importAcos},
    {"Atan", 1, 1, importAtan},
    {"Erf", 1, 1, importErf},
    {"Sigmoid", 1, 1, importSigmoid},
    {"Softplus", 1, 1, importSoftplus},
    {"Softsign", 1, 1, importSoftsign},
    {"Mish", 1, 1, importMish},
    {"HardSwish", 1, 1, importHardSwish},
    {"HardSigmoid", 1, 1, importHardSigmoid},
    {"Swish", 1, 1, importSwish},
    {"LeakyRelu", 1, 1, importLeakyRelu},
    {"Elu", 1, 1, importElu},
    {"Gelu", 1, 1, importGelu},
    {"Gelu", 1, 1, importGelu, "com.microsoft"},
    {"QuickGelu", 1, 1, importQuickGelu, "com.microsoft"},
};
ArrayRef<OpRow> setun::onnx::getUnaryOps() { return rows; }
