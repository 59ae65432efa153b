//===- Norms.cpp - Normalization -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace setun::onnx;

namespace {
/// The operand with the normalized axes as one last dimension.
struct Normalized {
  Tensor x, gamma, beta;
  Shape original;
};
} // namespace

static FailureOr<Tensor> vectorOf(Node &node, Tensor &t, ArrayRef<AffineExpr> axes, int32_t dtype) {
  Emitter &e = node.e;
  if (t.dtype != dtype)
    return node.fail("scale or bias has element type " + dtypeName(t.dtype) + ", the operand " + dtypeName(dtype));
  FailureOr<Shape> shape = e.broadcastShape(axes, t.shape);
  if (failed(shape))
    return failure();
  if (shape->size() != axes.size())
    return node.fail("scale or bias has more axes than are normalized");
  Tensor wide = e.broadcast(t, *shape);
  return e.reshape(wide, e.sizes.expr(e.sizes.product(*shape)));
}

static FailureOr<Normalized> prepare(Node &node, Tensor &x, int64_t axisAttribute, int gamma, int beta) {
  Emitter &e = node.e;
  FailureOr<int64_t> axis = node.normalizeAxis(axisAttribute, x.rank());
  if (failed(axis))
    return failure();
  if (!isFloat(x.dtype))
    return node.fail("element type " + dtypeName(x.dtype) + " is not supported");
  if (node.intAttr("stash_type", 1) != 1)
    return node.fail("stash_type other than 1 is not supported");
  Normalized n;
  n.original = x.shape;
  ArrayRef<AffineExpr> axes = ArrayRef(x.shape).drop_front(*axis);
  Shape flat(ArrayRef(x.shape).take_front(*axis));
  flat.push_back(e.sizes.expr(e.sizes.product(axes)));
  FailureOr<Tensor> reshaped = e.reshape(x, flat);
  FailureOr<Tensor> scale = vectorOf(node, node.in(gamma), axes, x.dtype);
  if (failed(reshaped) || failed(scale))
    return failure();
  n.x = *reshaped, n.gamma = *scale;
  if (beta >= 0 && node.has(beta)) {
    FailureOr<Tensor> bias = vectorOf(node, node.in(beta), axes, x.dtype);
    if (failed(bias))
      return failure();
    n.beta = *bias;
  }
  return n;
}

static LogicalResult finish(Node &node, Normalized &n, bool isRms, float epsilon) {
  Emitter &e = node.e;
  if (!(epsilon >= 0))
    return node.fail("epsilon is negative");
  Value x = e.value(n.x), gamma = e.value(n.gamma), beta;
  if (!n.beta.shape.empty())
    beta = e.value(n.beta);
  Value init = e.empty(n.x.shape, e.elementType(n.x.dtype));
  FloatAttr eps = e.b.getF32FloatAttr(epsilon);
  Value result;
  if (isRms)
    result = setun::nn::RmsNormOp::create(e.b, init.getType(), x, gamma, init, eps)->getResult(0);
  else
    result = setun::nn::LayerNormOp::create(e.b, init.getType(), x, gamma, beta, init, eps)->getResult(0);
  Tensor flat = e.make(result, n.x.dtype, n.x.shape);
  FailureOr<Tensor> shaped = e.reshape(flat, n.original);
  return failed(shaped) ? failure() : node.out(*shaped);
}

static LogicalResult importRms(Node &node) {
  FailureOr<Normalized> n = prepare(node, node.in(0), node.intAttr("axis", -1), 1, -1);
  return failed(n) ? failure() : finish(node, *n, true, node.floatAttr("epsilon", 1e-5f));
}

static LogicalResult importLayer(Node &node) {
  FailureOr<Normalized> n = prepare(node, node.in(0), node.intAttr("axis", -1), 1, 2);
  return failed(n) ? failure() : finish(node, *n, false, node.floatAttr("epsilon", 1e-5f));
}

/// x + skip (+ bias), normalized; the sum is the last result.
static LogicalResult importSkip(Node &node, bool isRms) {
  Emitter &e = node.e;
  int bias = isRms ? 3 : 4;
  SmallVector<int> addends = {0, 1};
  if (node.has(bias))
    addends.push_back(bias);
  FailureOr<Operands> terms = broadcastOperands(node, addends);
  if (failed(terms))
    return failure();
  if (!isFloat(node.in(0).dtype))
    return node.fail("element type " + dtypeName(node.in(0).dtype) + " is not supported");
  Value sum = terms->values[0];
  for (Value other : ArrayRef(terms->values).drop_front())
    sum = arith::AddFOp::create(e.b, sum, other);
  Tensor total = e.make(sum, node.in(0).dtype, terms->shape);
  FailureOr<Normalized> n = prepare(node, total, -1, 2, isRms ? -1 : 3);
  if (failed(n) || failed(finish(node, *n, isRms, node.floatAttr("epsilon", 1e-5f))))
    return failure();
  return node.out(3, total);
}

static LogicalResult importSkipRms(Node &node) { return importSkip(node, true); }
static LogicalResult importSkipLayer(Node &node) { return importSkip(node, false); }

static const OpRow rows[] = {
    {"RMSNormalization", 2, 2, importRms},
    {"LayerNormalization", 2, 3, importLayer},
    // onnxruntime writes this one into the default domain.
    {"SimplifiedLayerNormalization", 2, 2, importRms},
    {"SimplifiedLayerNormalization", 2, 2, importRms, "com.microsoft"},
    {"SkipSimplifiedLayerNormalization", 3, 4, importSkipRms, "com.microsoft"},
    {"SkipLayerNormalization", 3, 5, importSkipLayer, "com.microsoft"},
};
ArrayRef<OpRow> setun::onnx::getNormsOps() { return rows; }
