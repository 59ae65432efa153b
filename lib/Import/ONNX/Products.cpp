//===- Products.cpp - Matrix products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Products.h"
#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

/// The stored form of a right operand: a transposed one is used as it lies.
static Value throughTranspose(Value value, bool &transposed) {
  auto transpose = value.getDefiningOp<linalg::TransposeOp>();
  if (!transpose || cast<RankedTensorType>(value.getType()).getRank() != 2)
    return value;
  transposed = !transposed;
  return transpose.getInput();
}

Tensor setun::onnx::matmul(Emitter &e, Tensor &a, Tensor &b, bool transposeB, int32_t resultType) {
  Shape shape = {a.shape[0], b.shape[transposeB ? 0 : 1]};
  int32_t accumulator = e.accumulatorType(resultType);
  Value left = e.value(a), right = throughTranspose(e.value(b), transposeB);
  SmallVector<NamedAttribute> attributes;
  if (transposeB) {
    AffineExpr m, n, k;
    bindDims(e.context, m, n, k);
    attributes.push_back(e.b.getNamedAttr(
        "indexing_maps",
        e.b.getAffineMapArrayAttr({AffineMap::get(3, 0, {m, k}, e.context), AffineMap::get(3, 0, {n, k}, e.context),
                                   AffineMap::get(3, 0, {m, n}, e.context)})));
  }
  if (isUnsigned(a.dtype) && isUnsigned(b.dtype))
    attributes.push_back(e.b.getNamedAttr("cast", linalg::TypeFnAttr::get(e.context, linalg::TypeFn::cast_unsigned)));
  Value init = e.zeros(shape, e.elementType(accumulator));
  Value product =
      linalg::MatmulOp::create(e.b, init.getType(), ValueRange{left, right}, ValueRange{init}, attributes).getResult(0);
  Tensor wide = e.make(product, accumulator, shape);
  return e.cast(wide, resultType);
}

/// a [B, M, K] by b [B, K, N].
static Tensor batchMatmul(Emitter &e, Tensor &a, Tensor &b, int32_t resultType) {
  Shape shape = {a.shape[0], a.shape[1], b.shape[2]};
  int32_t accumulator = e.accumulatorType(resultType);
  Value left = e.value(a), right = e.value(b), init = e.zeros(shape, e.elementType(accumulator));
  Value product =
      linalg::BatchMatmulOp::create(e.b, init.getType(), ValueRange{left, right}, ValueRange{init}).getResult(0);
  Tensor wide = e.make(product, accumulator, shape);
  return e.cast(wide, resultType);
}

FailureOr<Tensor> setun::onnx::matmulAnyRank(Node &node, Tensor a, Tensor b, int32_t resultType) {
  Emitter &e = node.e;
  if (a.shape.empty() || b.shape.empty())
    return node.fail("a product needs operands of rank 1 or more");
  AffineExpr one = e.sizes.constant(1);
  bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (vectorA)
    a = *e.reshape(a, {one, a.shape[0]});
  if (vectorB)
    b = *e.reshape(b, {b.shape[0], one});
  if (failed(e.unify(a.shape.back(), b.shape[b.rank() - 2], "the inner sizes of a product")))
    return failure();
  // A batch of one matrix on the right is a matrix.
  ArrayRef<AffineExpr> batchB = ArrayRef(b.shape).drop_back(2);
  FailureOr<Shape> batch = e.broadcastShape(ArrayRef(a.shape).drop_back(2), batchB);
  if (failed(batch))
    return failure();
  AffineExpr rows = a.shape[a.rank() - 2], inner = a.shape.back(), columns = b.shape.back();
  Shape shape = *batch;
  shape.push_back(rows), shape.push_back(columns);
  Tensor product;
  if (llvm::all_of(batchB, [&](AffineExpr size) { return size == one; })) {
    Tensor right = *e.reshape(b, {inner, columns});
    SmallVector<AffineExpr> leading(a.shape.begin(), a.shape.end() - 1);
    Tensor left = *e.reshape(a, {e.sizes.expr(e.sizes.product(leading)), inner});
    product = matmul(e, left, right, false, resultType);
  } else {
    AffineExpr count = e.sizes.expr(e.sizes.product(*batch));
    auto stack = [&](Tensor &t) {
      Shape wide = *batch;
      wide.append(t.shape.end() - 2, t.shape.end());
      Tensor spread = e.broadcast(t, wide);
      return *e.reshape(spread, {count, wide[wide.size() - 2], wide.back()});
    };
    Tensor left = stack(a), right = stack(b);
    product = batchMatmul(e, left, right, resultType);
  }
  if (vectorB)
    shape.pop_back();
  if (vectorA)
    shape.erase(shape.end() - (vectorB ? 1 : 2));
  return e.reshape(product, shape);
}

static LogicalResult importMatMul(Node &node) {
  Tensor &a = node.in(0), &b = node.in(1);
  if (a.dtype != b.dtype)
    return node.fail("operands have element types " + dtypeName(a.dtype) + " and " + dtypeName(b.dtype));
  FailureOr<Tensor> result = matmulAnyRank(node, a, b, a.dtype);
  return failed(result) ? failure() : node.out(*result);
}

static LogicalResult importGemm(Node &node) {
  Emitter &e = node.e;
  Tensor a = node.in(0), b = node.in(1);
  if (a.rank() != 2 || b.rank() != 2 || a.dtype != b.dtype)
    return node.fail("operands must be matrices of one element type");
  if (node.intAttr("transA", 0))
    a = e.transpose(a, {1, 0});
  bool transposeB = node.intAttr("transB", 0) != 0;
  if (failed(e.unify(a.shape[1], b.shape[transposeB], "the inner sizes of a product")))
    return failure();
  Tensor result = matmul(e, a, b, transposeB, a.dtype);
  auto scale = [&](Tensor &t, float factor) {
    if (factor == 1)
      return t;
    Value by = e.fill(t.shape, factor, e.elementType(t.dtype));
    return e.make(arith::MulFOp::create(e.b, e.value(t), by), t.dtype, t.shape);
  };
  float alpha = node.floatAttr("alpha", 1), beta = node.floatAttr("beta", 1);
  if ((alpha != 1 || beta != 1) && !isFloat(a.dtype))
    return node.fail("alpha and beta must be 1 for integers");
  result = scale(result, alpha);
  if (node.has(2) && beta != 0) {
    Tensor bias = scale(node.in(2), beta);
    if (bias.dtype != result.dtype)
      return node.fail("the bias has another element type");
    FailureOr<Shape> shape = e.broadcastShape(result.shape, bias.shape);
    if (failed(shape))
      return failure();
    Tensor wide = e.broadcast(bias, *shape);
    Value sum = isFloat(result.dtype) ? Value(arith::AddFOp::create(e.b, e.value(result), e.value(wide)))
                                      : Value(arith::AddIOp::create(e.b, e.value(result), e.value(wide)));
    result = e.make(sum, result.dtype, *shape);
  }
  return node.out(result);
}

/// (a - zero) as i32. The zero point of a row of `a` or a column of `b` is a vector.
static FailureOr<Tensor> withoutZeroPoint(Node &node, Tensor &x, int index, bool isLeft) {
  Emitter &e = node.e;
  Tensor zero = e.cast(node.in(index), i32);
  if (zero.rank() == 1 && constantOf(zero.shape[0]) != 1 && isLeft)
    zero = *e.reshape(zero, {zero.shape[0], e.sizes.constant(1)});
  Tensor wide = e.cast(x, i32);
  if (zero.rank() == 1 && x.rank() == 1)
    zero = *e.reshape(zero, {});
  FailureOr<Shape> shape = e.broadcastShape(wide.shape, zero.shape);
  if (failed(shape))
    return failure();
  zero = e.broadcast(zero, *shape);
  return e.make(arith::SubIOp::create(e.b, e.value(wide), e.value(zero)), i32, *shape);
}

/// Codes stay i8 where no zero point shifts them: the product is then an integer product of the house.
static LogicalResult importMatMulInteger(Node &node) {
  Emitter &e = node.e;
  Tensor a = node.in(0), b = node.in(1);
  for (int32_t dtype : {a.dtype, b.dtype})
    if (dtype != TensorProto::INT8 && dtype != TensorProto::UINT8)
      return node.fail("operands must be INT8 or UINT8");
  bool shiftA = node.has(2) && node.constantNumber(2) != 0.0, shiftB = node.has(3) && node.constantNumber(3) != 0.0;
  bool mixed = a.dtype != b.dtype;
  if (shiftA || shiftB || mixed) {
    FailureOr<Tensor> left = shiftA ? withoutZeroPoint(node, a, 2, true) : e.cast(a, i32);
    FailureOr<Tensor> right = shiftB ? withoutZeroPoint(node, b, 3, false) : e.cast(b, i32);
    if (failed(left) || failed(right))
      return failure();
    a = *left, b = *right;
  }
  FailureOr<Tensor> result = matmulAnyRank(node, a, b, i32);
  return failed(result) ? failure() : node.out(*result);
}

static const OpRow rows[] = {
    {"MatMul", 2, 2, importMatMul},
    {"Gemm", 2, 3, importGemm},
    {"MatMulInteger", 2, 4, importMatMulInteger},
};
ArrayRef<OpRow> setun::onnx::getProductsOps() { return rows; }
