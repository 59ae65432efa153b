//===- EmitCompute.cpp - Casts, generic loops and reductions -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

int32_t Emitter::accumulatorType(int32_t dtype) {
  return dtype == TensorProto::FLOAT16 || dtype == TensorProto::BFLOAT16 ? int32_t(TensorProto::FLOAT) : dtype;
}

/// Works on scalars and on tensors alike.
Value Emitter::castScalar(OpBuilder &ob, Location loc, Value value, int32_t from, int32_t to) {
  Type element = elementType(to);
  Type type = element;
  if (auto shaped = dyn_cast<RankedTensorType>(value.getType()))
    type = shaped.clone(element);
  Type sourceElement = getElementTypeOrSelf(value.getType());
  auto zero = [&] {
    Attribute number = ob.getZeroAttr(sourceElement);
    if (auto shaped = dyn_cast<RankedTensorType>(value.getType()))
      number = shaped.hasStaticShape() ? Attribute(DenseElementsAttr::get(shaped, number)) : number;
    return number;
  };
  if (to == TensorProto::BOOL) {
    if (from == TensorProto::BOOL)
      return value;
    Value none;
    auto number = mlir::cast<TypedAttr>(zero());
    if (number.getType() == value.getType()) {
      none = arith::ConstantOp::create(ob, loc, number);
    } else {
      Value c = arith::ConstantOp::create(ob, loc, number);
      none = linalg::FillOp::create(
                 ob, loc, c,
                 tensor::EmptyOp::create(ob, loc, tensor::getMixedSizes(ob, loc, value), sourceElement).getResult())
                 .getResult(0);
    }
    if (isFloat(from))
      return arith::CmpFOp::create(ob, loc, arith::CmpFPredicate::UNE, value, none);
    return arith::CmpIOp::create(ob, loc, arith::CmpIPredicate::ne, value, none);
  }
  unsigned fromBits = sourceElement.getIntOrFloatBitWidth(), toBits = element.getIntOrFloatBitWidth();
  if (isFloat(from) && isFloat(to)) {
    if (sourceElement == element)
      return value;
    // f16 and bf16 don't hold one another.
    if (fromBits == toBits)
      return castScalar(ob, loc, castScalar(ob, loc, value, from, TensorProto::FLOAT), TensorProto::FLOAT, to);
    if (fromBits < toBits)
      return arith::ExtFOp::create(ob, loc, type, value);
    return arith::TruncFOp::create(ob, loc, type, value);
  }
  if (isFloat(from))
    return isUnsigned(to) ? Value(arith::FPToUIOp::create(ob, loc, type, value))
                          : Value(arith::FPToSIOp::create(ob, loc, type, value));
  if (isFloat(to))
    return isUnsigned(from) ? Value(arith::UIToFPOp::create(ob, loc, type, value))
                            : Value(arith::SIToFPOp::create(ob, loc, type, value));
  if (fromBits == toBits)
    return value;
  if (fromBits > toBits)
    return arith::TruncIOp::create(ob, loc, type, value);
  return isUnsigned(from) ? Value(arith::ExtUIOp::create(ob, loc, type, value))
                          : Value(arith::ExtSIOp::create(ob, loc, type, value));
}

/// A cast of a known float number, rounded as the run-time cast would.
static DenseElementsAttr castConstant(DenseElementsAttr constant, FloatType to, RankedTensorType type) {
  auto convert = [&](APFloat number) {
    bool inexact;
    number.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    return number;
  };
  if (constant.isSplat())
    return DenseElementsAttr::get(type, convert(constant.getSplatValue<APFloat>()));
  SmallVector<APFloat> numbers;
  for (APFloat number : constant.getValues<APFloat>())
    numbers.push_back(convert(number));
  return DenseElementsAttr::get(type, numbers);
}

static bool isIndexLike(int32_t dtype) { return dtype == TensorProto::INT64 || dtype == TensorProto::INT32; }

Tensor Emitter::cast(Tensor &t, int32_t dtype) {
  if (t.dtype == dtype)
    return t;
  Tensor result = make(nullptr, dtype, t.shape);
  if (t.contents && (isIndexLike(t.dtype) || t.dtype == TensorProto::BOOL) && isIndexLike(dtype)) {
    result.contents = t.contents;
    return result;
  }
  auto to = dyn_cast<FloatType>(elementType(dtype));
  if (t.constant && to && isFloat(t.dtype)) {
    result.constant = castConstant(t.constant, to, type(result));
    return result;
  }
  bool known = t.contents && llvm::all_of(*t.contents, [](AffineExpr e) { return constantOf(e).has_value(); });
  if (known && (to || dtype == TensorProto::BOOL)) {
    SmallVector<Attribute> numbers;
    for (AffineExpr e : *t.contents)
      numbers.push_back(to ? Attribute(FloatAttr::get(to, double(*constantOf(e))))
                           : b.getBoolAttr(*constantOf(e) != 0));
    result.constant = DenseElementsAttr::get(type(result), numbers);
    return result;
  }
  result.value = castScalar(b, b.getLoc(), value(t), t.dtype, dtype);
  return result;
}

Value Emitter::generic(ArrayRef<Value> inputs, ArrayRef<AffineMap> maps, ArrayRef<AffineExpr> shape, Type element,
                       Body body) {
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(shape.size()));
  SmallVector<utils::IteratorType> iterators(shape.size(), utils::IteratorType::parallel);
  Value init = empty(shape, element);
  return linalg::GenericOp::create(b, init.getType(), inputs, init, all, iterators,
                                   [&](OpBuilder &ob, Location loc, ValueRange arguments) {
                                     linalg::YieldOp::create(ob, loc, body(ob, loc, arguments));
                                   })
      .getResult(0);
}

Value Emitter::reduce(Value input, ArrayRef<AffineExpr> shape, ArrayRef<int64_t> axes, TypedAttr start, Body combine) {
  Shape kept;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    if (!llvm::is_contained(axes, int64_t(axis)))
      kept.push_back(shape[axis]);
  Value init = fillWith(kept, arith::ConstantOp::create(b, start));
  return linalg::ReduceOp::create(b, input, init, axes,
                                  [&](OpBuilder &ob, Location loc, ValueRange arguments) {
                                    linalg::YieldOp::create(ob, loc, combine(ob, loc, arguments));
                                  })
      ->getResult(0);
}

Value Emitter::clampedIndex(OpBuilder &ob, Location loc, Value index, Value size) {
  if (!index.getType().isIndex())
    index = arith::IndexCastOp::create(ob, loc, ob.getIndexType(), index);
  Value zero = arith::ConstantIndexOp::create(ob, loc, 0), one = arith::ConstantIndexOp::create(ob, loc, 1);
  Value negative = arith::CmpIOp::create(ob, loc, arith::CmpIPredicate::slt, index, zero);
  Value fromEnd = arith::AddIOp::create(ob, loc, index, size);
  index = arith::SelectOp::create(ob, loc, negative, fromEnd, index);
  index = arith::MinSIOp::create(ob, loc, index, arith::SubIOp::create(ob, loc, size, one));
  return arith::MaxSIOp::create(ob, loc, index, zero);
}
