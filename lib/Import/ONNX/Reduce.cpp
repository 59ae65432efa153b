//===- Reduce.cpp - Reductions along axes -*- C++ -*-===//
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

namespace {
enum class Combiner { Sum, Product, Max, Min };
/// One reduction: what is done to each element, how they combine, and what is done to the result.
struct Reduction {
  Combiner combiner = Combiner::Sum;
  enum Before { Nothing, Square, Abs, Exp } before = Nothing;
  enum After { None, Divide, Root, Logarithm } after = None;
};
} // namespace

static TypedAttr startOf(Emitter &e, Combiner combiner, int32_t dtype) {
  Type element = e.elementType(dtype);
  if (combiner == Combiner::Sum || combiner == Combiner::Product)
    return e.scalar(combiner == Combiner::Product, element);
  bool max = combiner == Combiner::Max;
  if (isFloat(dtype))
    return e.scalar(max ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity(), element);
  unsigned bits = element.getIntOrFloatBitWidth();
  APInt extreme = isUnsigned(dtype) ? (max ? APInt::getZero(bits) : APInt::getMaxValue(bits))
                                    : (max ? APInt::getSignedMinValue(bits) : APInt::getSignedMaxValue(bits));
  return IntegerAttr::get(element, extreme);
}

static Value combine(OpBuilder &b, Location loc, Combiner combiner, int32_t dtype, Value x, Value y) {
  bool isF = isFloat(dtype), isU = isUnsigned(dtype);
  switch (combiner) {
  case Combiner::Sum:
    return isF ? Value(arith::AddFOp::create(b, loc, x, y)) : Value(arith::AddIOp::create(b, loc, x, y));
  case Combiner::Product:
    return isF ? Value(arith::MulFOp::create(b, loc, x, y)) : Value(arith::MulIOp::create(b, loc, x, y));
  case Combiner::Max:
    return isF   ? Value(arith::MaximumFOp::create(b, loc, x, y))
           : isU ? Value(arith::MaxUIOp::create(b, loc, x, y))
                 : Value(arith::MaxSIOp::create(b, loc, x, y));
  case Combiner::Min:
    return isF   ? Value(arith::MinimumFOp::create(b, loc, x, y))
           : isU ? Value(arith::MinUIOp::create(b, loc, x, y))
                 : Value(arith::MinSIOp::create(b, loc, x, y));
  }
  llvm_unreachable("all combiners are covered");
}

static LogicalResult reduce(Node &node, Reduction r) {
  Emitter &e = node.e;
  Tensor &input = node.in(0);
  FailureOr<std::optional<SmallVector<int64_t>>> given = node.axes(1, input.rank());
  if (failed(given))
    return failure();
  SmallVector<int64_t> axes;
  if (*given && !(*given)->empty())
    axes = **given;
  else if (!node.intAttr("noop_with_empty_axes", 0))
    for (int64_t axis = 0; axis < input.rank(); ++axis)
      axes.push_back(axis);
  bool keep = node.intAttr("keepdims", 1) != 0;
  bool ordered = r.combiner == Combiner::Max || r.combiner == Combiner::Min;
  // Sums of f16 and bf16 are made in f32, as frameworks do; a maximum needs no more room than its elements.
  int32_t dtype = ordered ? input.dtype : e.accumulatorType(input.dtype);
  if (!isFloat(dtype) && r.after != Reduction::None && r.after != Reduction::Divide)
    return node.fail("element type " + dtypeName(dtype) + " is not supported");
  Tensor x = e.cast(input, dtype);
  Value value = e.value(x);
  if (r.before == Reduction::Square)
    value = isFloat(dtype) ? Value(arith::MulFOp::create(e.b, value, value))
                           : Value(arith::MulIOp::create(e.b, value, value));
  else if (r.before == Reduction::Abs)
    value = isFloat(dtype) ? Value(math::AbsFOp::create(e.b, value)) : Value(math::AbsIOp::create(e.b, value));
  else if (r.before == Reduction::Exp)
    value = math::ExpOp::create(e.b, value);
  Shape kept, withOnes;
  AffineExpr count = e.sizes.constant(1);
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    bool gone = llvm::is_contained(axes, axis);
    if (gone)
      count = count * x.shape[axis];
    else
      kept.push_back(x.shape[axis]);
    withOnes.push_back(gone ? e.sizes.constant(1) : x.shape[axis]);
  }
  Value result = value;
  if (!axes.empty())
    result =
        e.reduce(value, x.shape, axes, startOf(e, r.combiner, dtype), [&](OpBuilder &b, Location loc, ValueRange v) {
          return combine(b, loc, r.combiner, dtype, v[0], v[1]);
        });
  Type element = e.elementType(dtype);
  if (r.after == Reduction::Divide) {
    count = e.sizes.canonical(count);
    std::optional<int64_t> number = constantOf(count);
    Value divisor = number ? e.fill(kept, double(*number), element) : e.fillWith(kept, sizeAsNumber(e, count, element));
    result = isFloat(dtype) ? Value(arith::DivFOp::create(e.b, result, divisor))
                            : Value(arith::DivSIOp::create(e.b, result, divisor));
  } else if (r.after == Reduction::Root) {
    result = math::SqrtOp::create(e.b, result);
  } else if (r.after == Reduction::Logarithm) {
    result = math::LogOp::create(e.b, result);
  }
  Tensor narrow = e.make(result, dtype, kept);
  narrow = e.cast(narrow, input.dtype);
  FailureOr<Tensor> shaped = e.reshape(narrow, keep ? withOnes : kept);
  return failed(shaped) ? failure() : node.out(*shaped);
}

#define REDUCTION(name, ...)                                                                                           \
  static LogicalResult import##name(Node &node) { return reduce(node, Reduction{__VA_ARGS__}); }

REDUCTION(ReduceSum, Combiner::Sum)
REDUCTION(ReduceMean, Combiner::Sum, Reduction::Nothing, Reduction::Divide)
REDUCTION(ReduceProd, Combiner::Product)
REDUCTION(ReduceMax, Combiner::Max)
REDUCTION(ReduceMin, Combiner::Min)
REDUCTION(ReduceL1, Combiner::Sum, Reduction::Abs)
REDUCTION(ReduceL2, Combiner::Sum, Reduction::Square, Reduction::Root)
REDUCTION(ReduceSumSquare, Combiner::Sum, Reduction::Square)
REDUCTION(ReduceLogSum, Combiner::Sum, Reduction::Nothing, Reduction::Logarithm)
REDUCTION(ReduceLogSumExp, Combiner::Sum, Reduction::Exp, Reduction::Logarithm)

static const OpRow rows[] = {
    {"ReduceSum", 1, 2, importReduceSum},       {"ReduceMean", 1, 2, importReduceMean},
    {"ReduceProd", 1, 2, importReduceProd},     {"ReduceMax", 1, 2, importReduceMax},
    {"ReduceMin", 1, 2, importReduceMin},       {"ReduceL1", 1, 2, importReduceL1},
    {"ReduceL2", 1, 2, importReduceL2},         {"ReduceSumSquare", 1, 2, importReduceSumSquare},
    {"ReduceLogSum", 1, 2, importReduceLogSum}, {"ReduceLogSumExp", 1, 2, importReduceLogSumExp},
};
ArrayRef<OpRow> setun::onnx::getReduceOps() { return rows; }
