//===- Gather.cpp - Reads at indices that are data -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// No index reads outside of its tensor: negative ones count from the end, what
// lies beyond is clamped (rows of a parameter: the run fails, see nn.embedding).
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

static bool isIndexType(int32_t dtype) { return dtype == i32 || dtype == i64; }

static LogicalResult importGather(Node &node) {
  Emitter &e = node.e;
  Tensor &data = node.in(0), &indices = node.in(1);
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), data.rank());
  if (failed(axis))
    return failure();
  if (!isIndexType(indices.dtype))
    return node.fail("indices must be INT32 or INT64");
  Shape shape(ArrayRef(data.shape).take_front(*axis));
  shape.append(indices.shape);
  shape.append(data.shape.begin() + *axis + 1, data.shape.end());
  AffineExpr size = data.shape[*axis];
  std::optional<int64_t> known = constantOf(size);

  // Picking from a shape is no work at run time.
  if (data.contents && data.rank() == 1 && indices.contents) {
    SmallVector<AffineExpr> picked;
    for (AffineExpr index : *indices.contents) {
      std::optional<int64_t> at = constantOf(index);
      if (!at)
        break;
      if (*at < -*known || *at >= *known)
        return node.fail("index " + Twine(*at) + " is outside an axis of " + Twine(*known));
      picked.push_back((*data.contents)[*at < 0 ? *at + *known : *at]);
    }
    if (picked.size() == indices.contents->size())
      return node.out(e.ints(picked, data.dtype, shape));
  }
  // One index that is known is a slice.
  if (indices.contents && indices.contents->size() == 1) {
    AffineExpr at = indices.contents->front();
    std::optional<int64_t> number = constantOf(at);
    if (number && known && (*number < -*known || *number >= *known))
      return node.fail("index " + Twine(*number) + " is outside an axis of " + Twine(*known));
    if (number && *number < 0)
      at = e.sizes.canonical(size + *number);
    if (isModest(at)) {
      Shape offsets(data.rank(), e.sizes.constant(0)), part = data.shape;
      offsets[*axis] = at, part[*axis] = e.sizes.constant(1);
      Tensor row = e.slice(data, offsets, part, SmallVector<int64_t>(data.rank(), 1));
      FailureOr<Tensor> result = e.reshape(row, shape);
      return failed(result) ? failure() : node.out(*result);
    }
  }
  Value table = e.value(data), ids = e.value(indices);
  if (*axis == 0 && !data.parameter.empty() && data.rank() >= 2) {
    Value init = e.empty(shape, e.elementType(data.dtype));
    auto rows = setun::nn::EmbeddingOp::create(e.b, init.getType(), ids, table, init);
    return node.out(e.make(rows->getResult(0), data.dtype, shape));
  }
  int64_t indexRank = indices.rank();
  SmallVector<AffineExpr> where;
  for (int64_t d = 0; d < indexRank; ++d)
    where.push_back(e.b.getAffineDimExpr(*axis + d));
  Value end = e.size(size);
  Value result = e.generic(ids, AffineMap::get(shape.size(), 0, where, e.context), shape, e.elementType(data.dtype),
                           [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                             SmallVector<Value> at;
                             for (int64_t d = 0; d < data.rank(); ++d) {
                               if (d == *axis)
                                 at.push_back(e.clampedIndex(b, loc, v[0], end));
                               else
                                 at.push_back(linalg::IndexOp::create(b, loc, d < *axis ? d : d + indexRank - 1));
                             }
                             return tensor::ExtractOp::create(b, loc, table, at);
                           });
  return node.out(e.make(result, data.dtype, shape));
}

static LogicalResult importGatherElements(Node &node) {
  Emitter &e = node.e;
  Tensor &data = node.in(0), &indices = node.in(1);
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), data.rank());
  if (failed(axis))
    return failure();
  if (!isIndexType(indices.dtype) || indices.rank() != data.rank())
    return node.fail("indices must be INT32 or INT64 and of the operand's rank");
  Value table = e.value(data), ids = e.value(indices);
  SmallVector<Value> ends;
  for (AffineExpr size : data.shape)
    ends.push_back(e.size(size));
  Value result = e.generic(ids, e.b.getMultiDimIdentityMap(data.rank()), indices.shape, e.elementType(data.dtype),
                           [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                             SmallVector<Value> at;
                             for (int64_t d = 0; d < data.rank(); ++d) {
                               Value index = d == *axis ? v[0] : Value(linalg::IndexOp::create(b, loc, d));
                               at.push_back(e.clampedIndex(b, loc, index, ends[d]));
                             }
                             return tensor::ExtractOp::create(b, loc, table, at);
                           });
  return node.out(e.make(result, data.dtype, indices.shape));
}

static LogicalResult importGatherND(Node &node) {
  Emitter &e = node.e;
  Tensor &data = node.in(0), &indices = node.in(1);
  int64_t batch = node.intAttr("batch_dims", 0);
  if (indices.rank() < 1 || !isIndexType(indices.dtype))
    return node.fail("indices must be INT32 or INT64, of rank 1 or more");
  std::optional<int64_t> depth = constantOf(indices.shape.back());
  if (!depth || batch < 0 || batch >= indices.rank() || *depth < 1 || batch + *depth > data.rank())
    return node.fail("the last size of the indices doesn't fit the operand");
  for (int64_t d = 0; d < batch; ++d)
    if (failed(e.unify(data.shape[d], indices.shape[d], "batch sizes")))
      return failure();
  Shape shape(ArrayRef(indices.shape).drop_back());
  int64_t leading = shape.size();
  shape.append(data.shape.begin() + batch + *depth, data.shape.end());
  Value table = e.value(data), ids = e.value(indices);
  SmallVector<Value> ends;
  for (AffineExpr size : data.shape)
    ends.push_back(e.size(size));
  Value result =
      e.generic({}, {}, shape, e.elementType(data.dtype), [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        SmallVector<Value> where, at;
        for (int64_t d = 0; d < leading; ++d)
          where.push_back(linalg::IndexOp::create(b, loc, d));
        at.append(where.begin(), where.begin() + batch);
        where.push_back(nullptr);
        for (int64_t d = 0; d < *depth; ++d) {
          where.back() = arith::ConstantIndexOp::create(b, loc, d);
          Value index = tensor::ExtractOp::create(b, loc, ids, where);
          at.push_back(e.clampedIndex(b, loc, index, ends[batch + d]));
        }
        for (int64_t d = leading; d < int64_t(shape.size()); ++d)
          at.push_back(linalg::IndexOp::create(b, loc, d));
        return tensor::ExtractOp::create(b, loc, table, at);
      });
  return node.out(e.make(result, data.dtype, shape));
}

static const OpRow rows[] = {
    {"Gather", 2, 2, importGather},
    {"GatherElements", 2, 2, importGatherElements},
    {"GatherND", 2, 2, importGatherND},
};
ArrayRef<OpRow> setun::onnx::getGatherOps() { return rows; }
