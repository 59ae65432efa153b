//===- Helpers.cpp - What several families of operators share -*- C++ -*-===//
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

FailureOr<Operands> setun::onnx::broadcastOperands(Node &node, ArrayRef<int> indices, bool oneType) {
  Operands result;
  for (int index : indices) {
    Tensor &t = node.in(index), &first = node.in(indices.front());
    if (oneType && t.dtype != first.dtype)
      return node.fail("operands have element types " + dtypeName(first.dtype) + " and " + dtypeName(t.dtype));
    FailureOr<Shape> shape = node.e.broadcastShape(result.shape, t.shape);
    if (failed(shape))
      return failure();
    result.shape = *shape;
  }
  for (int index : indices) {
    Tensor t = node.e.broadcast(node.in(index), result.shape);
    result.values.push_back(node.e.value(t));
  }
  return result;
}

FailureOr<Operands> setun::onnx::broadcastAll(Node &node) {
  SmallVector<int> indices;
  for (int i = 0; i < node.numInputs(); ++i)
    if (node.has(i))
      indices.push_back(i);
  return broadcastOperands(node, indices);
}

std::optional<Tensor> setun::onnx::foldContents(Node &node, int32_t dtype, FoldFn fold) {
  Shape shape;
  AffineExpr one = node.e.sizes.constant(1);
  for (int i = 0; i < node.numInputs(); ++i) {
    if (!node.has(i) || !node.in(i).contents)
      return std::nullopt;
    ArrayRef<AffineExpr> other = node.in(i).shape;
    // Shapes of known contents are numbers, so no symbol can be unified here.
    for (size_t at = 1; at <= std::min(shape.size(), other.size()); ++at) {
      AffineExpr a = shape[shape.size() - at], b = other[other.size() - at];
      if (a != b && a != one && b != one)
        return std::nullopt;
    }
    shape = *node.e.broadcastShape(shape, other);
  }
  int64_t count = 1;
  for (AffineExpr size : shape)
    count *= *constantOf(size);
  if (count > 4096)
    return std::nullopt;
  SmallVector<AffineExpr> results;
  for (int64_t at = 0; at < count; ++at) {
    SmallVector<AffineExpr> elements;
    for (int i = 0; i < node.numInputs(); ++i) {
      ArrayRef<AffineExpr> own = node.in(i).shape;
      int64_t offset = 0, step = 1, rest = at;
      for (size_t d = 1; d <= shape.size(); ++d) {
        int64_t size = *constantOf(shape[shape.size() - d]), coordinate = rest % size;
        rest /= size;
        if (d > own.size())
          continue;
        int64_t ownSize = *constantOf(own[own.size() - d]);
        offset += ownSize == 1 ? 0 : coordinate * step;
        step *= ownSize;
      }
      elements.push_back((*node.in(i).contents)[offset]);
    }
    AffineExpr result = fold(elements);
    if (!result)
      return std::nullopt;
    results.push_back(result);
  }
  return node.e.ints(results, dtype, shape);
}

bool setun::onnx::isModest(AffineExpr expr) {
  std::optional<int64_t> number = constantOf(expr);
  return !number || (*number < (int64_t(1) << 40) && *number > -(int64_t(1) << 40));
}

bool setun::onnx::holdsNothing(const Tensor &t) {
  return llvm::any_of(t.shape, [](AffineExpr size) { return constantOf(size) == 0; });
}

Value setun::onnx::sizeAsNumber(Emitter &e, AffineExpr size, Type element) {
  size = e.sizes.canonical(size);
  if (std::optional<int64_t> number = constantOf(size))
    return arith::ConstantOp::create(e.b, e.scalar(double(*number), element));
  Value integer = arith::IndexCastOp::create(e.b, e.b.getI64Type(), e.size(size));
  if (isa<FloatType>(element))
    return arith::SIToFPOp::create(e.b, element, integer);
  if (element.getIntOrFloatBitWidth() == 64)
    return integer;
  return arith::TruncIOp::create(e.b, element, integer);
}
