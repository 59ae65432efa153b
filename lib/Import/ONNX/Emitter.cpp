//===- Emitter.cpp - Values of the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

TypedAttr Emitter::scalar(double number, Type element) {
  if (auto type = dyn_cast<FloatType>(element))
    return FloatAttr::get(type, number);
  // Bounds of 64-bit types are beyond a double: saturate instead of wrapping.
  auto bits = element.getIntOrFloatBitWidth();
  if (bits == 64 && number >= 9.2e18)
    return IntegerAttr::get(element, APInt::getSignedMaxValue(64));
  if (bits == 64 && number <= -9.2e18)
    return IntegerAttr::get(element, APInt::getSignedMinValue(64));
  return IntegerAttr::get(element, APInt(64, int64_t(number), true).trunc(bits));
}

static bool isStatic(RankedTensorType type) { return type.hasStaticShape(); }

Value Emitter::empty(ArrayRef<AffineExpr> shape, Type element) {
  return tensor::EmptyOp::create(b, foldSizes(shape), element);
}

Value Emitter::fillWith(ArrayRef<AffineExpr> shape, Value scalar) {
  return linalg::FillOp::create(b, scalar, empty(shape, scalar.getType())).getResult(0);
}

Value Emitter::fill(ArrayRef<AffineExpr> shape, TypedAttr scalar) {
  RankedTensorType t = type(shape, scalar.getType());
  if (isStatic(t))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(t, Attribute(scalar)));
  return fillWith(shape, arith::ConstantOp::create(b, scalar));
}

Value Emitter::zeros(ArrayRef<AffineExpr> shape, Type element) {
  return fillWith(shape, arith::ConstantOp::create(b, b.getZeroAttr(element)));
}

Tensor Emitter::make(Value value, int32_t dtype, ArrayRef<AffineExpr> shape) {
  Tensor t;
  t.value = value, t.dtype = dtype;
  for (AffineExpr size : shape)
    t.shape.push_back(sizes.canonical(size));
  return t;
}

Tensor Emitter::ints(ArrayRef<AffineExpr> contents, int32_t dtype, ArrayRef<AffineExpr> shape) {
  Tensor t = make(nullptr, dtype, shape);
  t.contents.emplace();
  for (AffineExpr element : contents)
    t.contents->push_back(sizes.canonical(element));
  return t;
}

Tensor Emitter::splat(double number, int32_t dtype, ArrayRef<AffineExpr> shape) {
  Tensor t = make(nullptr, dtype, shape);
  TypedAttr value = scalar(number, elementType(dtype));
  if (isStatic(type(t)))
    t.constant = DenseElementsAttr::get(type(t), Attribute(value));
  else
    t.value = fill(shape, value);
  return t;
}

Value Emitter::value(Tensor &t) {
  if (t.value)
    return t.value;
  RankedTensorType tensorType = type(t);
  if (t.constant)
    return t.value = arith::ConstantOp::create(b, t.constant);
  // Elements that are expressions are only written as data where data is asked for.
  Type element = tensorType.getElementType();
  bool known = llvm::all_of(*t.contents, [](AffineExpr e) { return constantOf(e).has_value(); });
  if (known) {
    SmallVector<Attribute> numbers;
    for (AffineExpr e : *t.contents)
      numbers.push_back(
          IntegerAttr::get(element, APInt(64, *constantOf(e), true).trunc(element.getIntOrFloatBitWidth())));
    return t.value = arith::ConstantOp::create(b, DenseElementsAttr::get(tensorType, numbers));
  }
  SmallVector<Value> elements;
  for (AffineExpr e : *t.contents)
    elements.push_back(arith::IndexCastOp::create(b, element, size(e)));
  return t.value = tensor::FromElementsOp::create(b, tensorType, elements);
}
