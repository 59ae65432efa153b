//===- Generate.cpp - Tensors that come from numbers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::AttributeProto;

static Tensor floats(Node &node, ArrayRef<float> numbers, Shape shape) {
  Tensor t = node.e.make(nullptr, f32, shape);
  t.constant = DenseElementsAttr::get(node.e.type(t), numbers);
  return t;
}

static LogicalResult importConstant(Node &node) {
  Emitter &e = node.e;
  if (node.attribute("value")) {
    FailureOr<Tensor> t = node.tensorAttr("value");
    return failed(t) ? failure() : node.out(*t);
  }
  if (node.attribute("value_float"))
    return node.out(floats(node, node.floatAttr("value_float", 0), {}));
  if (node.attribute("value_int"))
    return node.out(e.ints(e.sizes.constant(node.intAttr("value_int", 0)), i64, {}));
  if (auto numbers = node.intsAttr("value_ints"))
    return node.out(e.ints(e.staticShape(*numbers), i64, e.staticShape({int64_t(numbers->size())})));
  if (const AttributeProto *list = node.attribute("value_floats")) {
    SmallVector<float> numbers(list->floats().begin(), list->floats().end());
    return node.out(floats(node, numbers, e.staticShape({int64_t(numbers.size())})));
  }
  return node.fail("only constants of numbers are supported");
}

static LogicalResult importConstantOfShape(Node &node) {
  Emitter &e = node.e;
  if (!node.in(0).contents)
    return node.fail("the shape depends on data: it must follow from the inputs' shapes");
  Shape shape(*node.in(0).contents);
  Tensor number = e.splat(0, f32, {});
  if (node.attribute("value")) {
    FailureOr<Tensor> given = node.tensorAttr("value");
    if (failed(given))
      return failure();
    FailureOr<Tensor> scalar = e.reshape(*given, {});
    if (failed(scalar))
      return failure();
    number = *scalar;
  }
  // Small integer tensors of known shape take part in shape arithmetic.
  int64_t count = 1;
  bool small = number.contents.has_value();
  for (AffineExpr size : shape)
    if (std::optional<int64_t> known = constantOf(size))
      small = small && *known >= 0 && !llvm::MulOverflow(count, *known, count) && count <= 64;
    else
      small = false;
  if (small)
    return node.out(e.ints(SmallVector<AffineExpr>(count, number.contents->front()), number.dtype, shape));
  return node.out(e.broadcast(number, shape));
}

static LogicalResult importRange(Node &node) {
  Emitter &e = node.e;
  int32_t dtype = node.in(0).dtype;
  Type element = e.elementType(dtype);
  if (isFloat(dtype)) {
    std::optional<double> start = node.constantNumber(0), limit = node.constantNumber(1),
                          delta = node.constantNumber(2);
    if (!start || !limit || !delta || *delta == 0)
      return node.fail("a range of floats must be known at compile time");
    double count = std::max(0.0, std::ceil((*limit - *start) / *delta));
    if (!(count < 1e9))
      return node.fail("the range is too long");
    Shape shape = e.staticShape({int64_t(count)});
    Value result = e.generic({}, {}, shape, element, [&](OpBuilder &b, Location loc, ValueRange) -> Value {
      Value i = arith::IndexCastOp::create(b, loc, b.getI64Type(), linalg::IndexOp::create(b, loc, 0));
      Value number = arith::SIToFPOp::create(b, loc, element, i);
      number = arith::MulFOp::create(b, loc, number, arith::ConstantOp::create(b, loc, e.scalar(*delta, element)));
      return arith::AddFOp::create(b, loc, number, arith::ConstantOp::create(b, loc, e.scalar(*start, element)));
    });
    return node.out(e.make(result, dtype, shape));
  }
  AffineExpr bounds[3];
  for (int i = 0; i < 3; ++i) {
    if (!node.in(i).contents || node.in(i).contents->size() != 1 || !isModest(node.in(i).contents->front()))
      return node.fail("the bounds of a range must follow from the inputs' shapes");
    bounds[i] = node.in(i).contents->front();
  }
  std::optional<int64_t> step = constantOf(bounds[2]);
  if (!step || *step == 0)
    return node.fail("the step of a range must be a number other than 0");
  AffineExpr distance = *step > 0 ? bounds[1] - bounds[0] : bounds[0] - bounds[1];
  int64_t by = std::abs(*step);
  AffineExpr count = e.sizes.canonical((distance + (by - 1)).floorDiv(by));
  std::optional<int64_t> known = constantOf(count);
  if (known)
    count = e.sizes.constant(std::max<int64_t>(0, *known));
  if (known && *known <= 64) {
    SmallVector<AffineExpr> numbers;
    for (int64_t i = 0; i < *known; ++i)
      numbers.push_back(bounds[0] + i * *step);
    return node.out(e.ints(numbers, dtype, {count}));
  }
  Value start = e.size(bounds[0]);
  Value result = e.generic({}, {}, {count}, element, [&](OpBuilder &b, Location loc, ValueRange) -> Value {
    Value i = linalg::IndexOp::create(b, loc, 0);
    if (*step != 1)
      i = arith::MulIOp::create(b, loc, i, arith::ConstantIndexOp::create(b, loc, *step));
    if (constantOf(bounds[0]) != 0)
      i = arith::AddIOp::create(b, loc, i, start);
    return arith::IndexCastOp::create(b, loc, element, i);
  });
  return node.out(e.make(result, dtype, {count}));
}

/// The value where row and column satisfy `keep`, else another: Trilu and EyeLike.
static Value byDiagonal(Emitter &e, ArrayRef<AffineExpr> shape, Value input, Value shift, arith::CmpIPredicate keep,
                        TypedAttr inside, TypedAttr outside) {
  int64_t rank = shape.size();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  if (input)
    inputs.push_back(input), maps.push_back(e.b.getMultiDimIdentityMap(rank));
  return e.generic(inputs, maps, shape, outside.getType(), [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value row = linalg::IndexOp::create(b, loc, rank - 2), column = linalg::IndexOp::create(b, loc, rank - 1);
    Value edge = arith::AddIOp::create(b, loc, row, shift);
    Value holds = arith::CmpIOp::create(b, loc, keep, column, edge);
    Value yes = input ? v[0] : Value(arith::ConstantOp::create(b, loc, inside));
    return arith::SelectOp::create(b, loc, holds, yes, arith::ConstantOp::create(b, loc, outside));
  });
}

static LogicalResult importTrilu(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  AffineExpr k = e.sizes.constant(0);
  if (node.has(1)) {
    if (!node.in(1).contents || node.in(1).contents->size() != 1 || !isModest(node.in(1).contents->front()))
      return node.fail("the diagonal must follow from the inputs' shapes");
    k = node.in(1).contents->front();
  }
  if (x.rank() < 2)
    return node.fail("the operand must have rank 2 or more");
  bool upper = node.intAttr("upper", 1) != 0;
  TypedAttr zero = cast<TypedAttr>(e.b.getZeroAttr(e.elementType(x.dtype)));
  Value result = byDiagonal(e, x.shape, e.value(x), e.size(k),
                            upper ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle, zero, zero);
  return node.out(e.make(result, x.dtype, x.shape));
}

static LogicalResult importEyeLike(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  int32_t dtype = int32_t(node.intAttr("dtype", x.dtype));
  Type element = e.elementType(dtype);
  if (x.rank() != 2 || !element)
    return node.fail("the operand must be a matrix of numbers");
  Value shift = e.size(e.sizes.constant(node.intAttr("k", 0)));
  Value result =
      byDiagonal(e, x.shape, nullptr, shift, arith::CmpIPredicate::eq, e.scalar(1, element), e.scalar(0, element));
  return node.out(e.make(result, dtype, x.shape));
}

static LogicalResult importOneHot(Node &node) {
  Emitter &e = node.e;
  Tensor &indices = node.in(0), &values = node.in(2);
  if (!node.in(1).contents || node.in(1).contents->size() != 1 || isFloat(indices.dtype))
    return node.fail("the depth must follow from the inputs' shapes, and indices must be integers");
  AffineExpr depth = node.in(1).contents->front();
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", -1), indices.rank() + 1);
  if (failed(axis))
    return failure();
  Shape shape = indices.shape;
  shape.insert(shape.begin() + *axis, depth);
  Type element = e.elementType(values.dtype);
  Tensor pair = values;
  auto half = [&](int64_t i) {
    Tensor one = e.slice(pair, e.sizes.constant(i), e.sizes.constant(1), {1});
    Tensor number = *e.reshape(one, {});
    return e.value(number);
  };
  if (values.rank() != 1 || failed(e.unify(pair.shape[0], e.sizes.constant(2), "the values of OneHot")))
    return node.fail("'values' must hold two numbers");
  Value off = half(0), on = half(1), ids = e.value(indices), size = e.size(depth);
  SmallVector<AffineExpr> where;
  for (int64_t d = 0; d < int64_t(shape.size()); ++d)
    if (d != *axis)
      where.push_back(e.b.getAffineDimExpr(d));
  AffineMap none = AffineMap::get(shape.size(), 0, e.context);
  Value result =
      e.generic({ids, off, on}, {AffineMap::get(shape.size(), 0, where, e.context), none, none}, shape, element,
                [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                  Value index = arith::IndexCastOp::create(b, loc, b.getIndexType(), v[0]);
                  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
                  Value negative = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index, zero);
                  index = arith::SelectOp::create(b, loc, negative, arith::AddIOp::create(b, loc, index, size), index);
                  Value hit = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, index,
                                                    linalg::IndexOp::create(b, loc, *axis));
                  return arith::SelectOp::create(b, loc, hit, v[2], v[1]);
                });
  return node.out(e.make(result, values.dtype, shape));
}

static const OpRow rows[] = {
    {"Constant", 0, 0, importConstant}, {"ConstantOfShape", 1, 1, importConstantOfShape},
    {"Range", 3, 3, importRange},       {"Trilu", 1, 2, importTrilu},
    {"EyeLike", 1, 1, importEyeLike},   {"OneHot", 3, 3, importOneHot},
};
ArrayRef<OpRow> setun::onnx::getGenerateOps() { return rows; }
