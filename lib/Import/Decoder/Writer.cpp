//===- Writer.cpp - Plain arithmetic in the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::decoder;

Writer::Writer(ModuleOp module, const Model &model, int64_t batch)
    : module(module), model(model), batch(batch), b(module.getLoc(), OpBuilder::atBlockEnd(module.getBody())),
      symbols(module) {}

Writer::At::At(Writer &writer, StringRef name) : writer(writer), before(writer.b.getLoc()) {
  if (!name.empty())
    writer.b.setLoc(NameLoc::get(writer.b.getStringAttr(name)));
}

RankedTensorType Writer::rowsOf(int64_t features, Type element) {
  return RankedTensorType::get({ShapedType::kDynamic, features}, element);
}

Value Writer::empty(RankedTensorType type) {
  SmallVector<Value> sizes(type.getNumDynamicDims(), type.getRank() > 2 ? length : rows);
  return tensor::EmptyOp::create(b, type.getShape(), type.getElementType(), sizes);
}

Value Writer::splat(Type type, double number) {
  auto tensor = cast<RankedTensorType>(type);
  TypedAttr scalar = isa<FloatType>(tensor.getElementType())
                         ? TypedAttr(b.getFloatAttr(tensor.getElementType(), number))
                         : TypedAttr(b.getIntegerAttr(tensor.getElementType(), static_cast<int64_t>(number)));
  if (tensor.hasStaticShape())
    return arith::ConstantOp::create(b, DenseElementsAttr::get(tensor, Attribute(scalar)));
  Value constant = arith::ConstantOp::create(b, scalar);
  return linalg::FillOp::create(b, constant, empty(tensor)).getResult(0);
}

Value Writer::zeros(RankedTensorType type) {
  Value constant = arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  return linalg::FillOp::create(b, constant, empty(type)).getResult(0);
}

Value Writer::broadcast(Value value, RankedTensorType type, ArrayRef<int64_t> dimensions) {
  return linalg::BroadcastOp::create(b, value, empty(type), dimensions)->getResult(0);
}

Value Writer::alongColumns(Value vector, Value rows) {
  return broadcast(vector, cast<RankedTensorType>(rows.getType()), {0});
}

Value Writer::alongRows(Value vector, Value rows) {
  return broadcast(vector, cast<RankedTensorType>(rows.getType()), {1});
}

Value Writer::alongAll(Value scalar, Value rows) {
  auto type = cast<RankedTensorType>(rows.getType());
  return broadcast(scalar, type, llvm::to_vector(llvm::seq<int64_t>(type.getRank())));
}

Value Writer::product(Value x, Value weight, Type element) {
  AffineExpr m, n, k;
  bindDims(b.getContext(), m, n, k);
  auto map = [&](AffineExpr first, AffineExpr second) { return AffineMap::get(3, 0, {first, second}, b.getContext()); };
  Value init = zeros(rowsOf(cast<RankedTensorType>(weight.getType()).getDimSize(0), element));
  NamedAttribute maps = b.getNamedAttr("indexing_maps", b.getAffineMapArrayAttr({map(m, k), map(n, k), map(m, n)}));
  return linalg::MatmulOp::create(b, init.getType(), ValueRange{x, weight}, ValueRange{init}, {maps})->getResult(0);
}

/// Of all elements, rank 0.
Value Writer::sumOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Value init = zeros(RankedTensorType::get({}, type.getElementType()));
  return linalg::ReduceOp::create(b, tensor, init, llvm::to_vector(llvm::seq<int64_t>(type.getRank())),
                                  [](OpBuilder &ob, Location loc, ValueRange values) {
                                    Value sum = arith::AddFOp::create(ob, loc, values[0], values[1]);
                                    linalg::YieldOp::create(ob, loc, sum);
                                  })
      ->getResult(0);
}

/// Rows of `table` by index, one for each element of `indices`.
Value Writer::gather(Value indices, Value table) {
  auto type = cast<RankedTensorType>(table.getType());
  SmallVector<int64_t> shape(cast<RankedTensorType>(indices.getType()).getShape());
  llvm::append_range(shape, type.getShape().drop_front());
  Value init = empty(RankedTensorType::get(shape, type.getElementType()));
  return nn::EmbeddingOp::create(b, init.getType(), indices, table, init)->getResult(0);
}

Value Writer::softcap(Value value, float cap) {
  if (cap == 0)
    return value;
  Value by = splat(value.getType(), cap);
  Value small = math::TanhOp::create(b, arith::DivFOp::create(b, value, by));
  return arith::MulFOp::create(b, small, by);
}
