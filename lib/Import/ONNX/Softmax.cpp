//===- Softmax.cpp - Softmax and its logarithm -*- C++ -*-===//
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

/// The written-out form, which a later pass may recognise as part of an attention. f16 and bf16 work in f32.
static LogicalResult softmax(Node &node, bool logarithm) {
  Emitter &e = node.e;
  Tensor &input = node.in(0);
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", -1), input.rank());
  if (failed(axis))
    return failure();
  if (!isFloat(input.dtype))
    return node.fail("element type " + dtypeName(input.dtype) + " is not supported");
  int32_t dtype = e.accumulatorType(input.dtype);
  Tensor x = e.cast(input, dtype);
  Type element = e.elementType(dtype);
  Value value = e.value(x);
  Shape kept = x.shape, withOne = x.shape;
  kept.erase(kept.begin() + *axis);
  withOne[*axis] = e.sizes.constant(1);
  auto spread = [&](Value reduced) {
    Tensor t = e.make(reduced, dtype, kept);
    t = *e.reshape(t, withOne);
    t = e.broadcast(t, x.shape);
    return e.value(t);
  };
  Value max = e.reduce(
      value, x.shape, {*axis}, e.scalar(-std::numeric_limits<double>::infinity(), element),
      [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::MaximumFOp::create(b, loc, v[0], v[1]); });
  Value shifted = arith::SubFOp::create(e.b, value, spread(max));
  Value exponential = math::ExpOp::create(e.b, shifted);
  Value sum = e.reduce(
      exponential, x.shape, {*axis}, e.scalar(0, element),
      [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddFOp::create(b, loc, v[0], v[1]); });
  Value result;
  if (logarithm)
    result = arith::SubFOp::create(e.b, shifted, spread(math::LogOp::create(e.b, sum)));
  else
    result = arith::DivFOp::create(e.b, exponential, spread(sum));
  Tensor made = e.make(result, dtype, x.shape);
  return node.out(e.cast(made, input.dtype));
}

static LogicalResult importSoftmax(Node &node) { return softmax(node, false); }
static LogicalResult importLogSoftmax(Node &node) { return softmax(node, true); }

static const OpRow rows[] = {
    {"Softmax", 1, 1, importSoftmax},
    {"LogSoftmax", 1, 1, importLogSoftmax},
};
ArrayRef<OpRow> setun::onnx::getSoftmaxOps() { return rows; }
