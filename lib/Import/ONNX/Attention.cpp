//===- Attention.cpp - Attention-23 and Attention-24 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "setun/Dialect/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace setun::onnx;

/// [B, S, H * D] as [B, H, S, D]; rank 4 passes.
static FailureOr<Tensor> splitHeads(Node &node, Tensor &t, StringRef attribute) {
  Emitter &e = node.e;
  if (t.rank() == 4)
    return t;
  int64_t heads = node.intAttr(attribute, 0);
  std::optional<AffineExpr> size;
  if (t.rank() == 3 && heads > 0)
    size = e.sizes.divide(e.sizes.product(t.shape.back()), {heads, {}});
  if (!size)
    return node.fail("operands must have rank 4, or rank 3 with '" + attribute + "' heads that divide the last size");
  FailureOr<Tensor> split = e.reshape(t, {t.shape[0], t.shape[1], e.sizes.constant(heads), *size});
  if (failed(split))
    return failure();
  return e.transpose(*split, {0, 2, 1, 3});
}

/// past ++ fresh along the tokens; the result is the next state where the past is an input.
static FailureOr<Tensor> appendPast(Node &node, Tensor &past, Tensor &fresh) {
  Emitter &e = node.e;
  if (past.rank() != 4 || past.dtype != fresh.dtype)
    return node.fail("a past must have rank 4 and the operands' element type");
  Shape shape = past.shape;
  for (int64_t d : {0, 1, 3})
    if (failed(e.unify(shape[d], fresh.shape[d], "past and present")))
      return failure();
  shape[2] = e.sizes.canonical(past.shape[2] + fresh.shape[2]);
  Value before = e.value(past), after = e.value(fresh);
  Value joined = tensor::ConcatOp::create(e.b, e.type(shape, e.elementType(fresh.dtype)), 2, ValueRange{before, after});
  Tensor result = e.make(joined, fresh.dtype, shape);
  if (auto argument = dyn_cast<BlockArgument>(before))
    result.stateOf = argument.getArgNumber(), result.stateAxis = 2;
  return result;
}

/// The mask as [B|1, H|1, S|1, T].
static FailureOr<Tensor> fitMask(Node &node, Tensor mask, ArrayRef<AffineExpr> scores, int32_t dtype) {
  Emitter &e = node.e;
  AffineExpr one = e.sizes.constant(1);
  if (mask.dtype != boolean && mask.dtype != dtype)
    return node.fail("the mask must be BOOL or of the operands' element type");
  if (mask.rank() < 2 || mask.rank() > 4)
    return node.fail("the mask must have rank 2 to 4");
  Shape shape(4 - mask.rank(), one);
  shape.append(mask.shape);
  mask = *e.reshape(mask, shape);
  for (int d = 0; d < 4; ++d)
    if (shape[d] != one && failed(e.unify(shape[d], scores[d], "mask and scores")))
      return failure();
  shape[3] = scores[3];
  return e.broadcast(mask, shape);
}

/// Attention-24's count of keys that are no padding, as a mask [B, 1, 1, T] and-ed to what there is.
static FailureOr<Tensor> maskPadding(Node &node, Tensor &counts, std::optional<Tensor> mask,
                                     ArrayRef<AffineExpr> scores) {
  Emitter &e = node.e;
  if (counts.rank() != 1 || counts.dtype != i64 || failed(e.unify(counts.shape[0], scores[0], "nonpad_kv_seqlen")))
    return node.fail("nonpad_kv_seqlen must hold one INT64 a batch");
  AffineExpr one = e.sizes.constant(1);
  Shape shape = mask ? mask->shape : Shape{scores[0], one, one, scores[3]};
  shape[0] = scores[0];
  Type element = mask ? e.elementType(mask->dtype) : e.b.getI1Type();
  SmallVector<Value> inputs = {e.value(counts)};
  SmallVector<AffineMap> maps = {AffineMap::get(4, 0, {e.b.getAffineDimExpr(0)}, e.context)};
  if (mask) {
    Tensor wide = e.broadcast(*mask, shape);
    inputs.push_back(e.value(wide)), maps.push_back(e.b.getMultiDimIdentityMap(4));
  }
  Value result = e.generic(inputs, maps, shape, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value key = arith::IndexCastOp::create(b, loc, b.getI64Type(), linalg::IndexOp::create(b, loc, 3));
    Value real = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, key, v[0]);
    if (!mask)
      return real;
    if (mask->dtype == boolean)
      return arith::AndIOp::create(b, loc, real, v[1]);
    return arith::SelectOp::create(b, loc, real, v[1], arith::ConstantOp::create(b, loc, e.scalar(-INFINITY, element)));
  });
  return e.make(result, mask ? mask->dtype : boolean, shape);
}

static LogicalResult importAttention(Node &node) {
  Emitter &e = node.e;
  if (node.wants(3))
    return node.fail("the result 'qk_matmul_output' is not supported");
  bool packed = node.in(0).rank() == 3;
  FailureOr<Tensor> q = splitHeads(node, node.in(0), "q_num_heads");
  FailureOr<Tensor> k = failed(q) ? q : splitHeads(node, node.in(1), "kv_num_heads");
  FailureOr<Tensor> v = failed(k) ? k : splitHeads(node, node.in(2), "kv_num_heads");
  if (failed(v))
    return failure();
  if (!isFloat(q->dtype) || k->dtype != q->dtype || v->dtype != q->dtype)
    return node.fail("operands must have one float element type");
  AffineExpr past = e.sizes.constant(0);
  if (node.has(4) != node.has(5))
    return node.fail("past_key and past_value go together");
  if (node.has(4)) {
    past = node.in(4).shape.size() == 4 ? node.in(4).shape[2] : past;
    k = appendPast(node, node.in(4), *k);
    if (failed(k))
      return failure();
    v = appendPast(node, node.in(5), *v);
    if (failed(v))
      return failure();
  }
  // B, H, S, T: the sizes of the scores.
  for (auto [tensor, axis] : {std::pair(&*k, 0), std::pair(&*v, 0)})
    if (failed(e.unify(tensor->shape[axis], q->shape[0], "batch sizes")))
      return failure();
  if (failed(e.unify(k->shape[2], v->shape[2], "lengths of keys and values")) ||
      failed(e.unify(k->shape[1], v->shape[1], "heads of keys and values")) ||
      failed(e.unify(k->shape[3], q->shape[3], "head sizes")))
    return failure();
  std::optional<int64_t> heads = constantOf(q->shape[1]), groups = constantOf(k->shape[1]),
                         size = constantOf(q->shape[3]);
  if (!heads || !groups || *groups == 0 || *heads % *groups)
    return node.fail("the number of key heads must divide that of query heads");
  const setun_onnx::AttributeProto *given = node.attribute("scale");
  if (!given && !size)
    return node.fail("a dynamic head size needs attribute 'scale'");
  float scale = given ? node.floatAttr("scale", 1) : float(1 / std::sqrt(double(*size)));
  Shape scores = {q->shape[0], q->shape[1], q->shape[2], k->shape[2]};
  std::optional<Tensor> mask;
  if (node.has(3)) {
    FailureOr<Tensor> fitted = fitMask(node, node.in(3), scores, q->dtype);
    if (failed(fitted))
      return failure();
    mask = *fitted;
  }
  if (node.has(6)) {
    FailureOr<Tensor> padded = maskPadding(node, node.in(6), mask, scores);
    if (failed(padded))
      return failure();
    mask = *padded;
  }
  bool causal = node.intAttr("is_causal", 0) != 0;
  float softcap = node.floatAttr("softcap", 0);
  if (!(softcap >= 0))
    return node.fail("softcap is negative");
  Shape shape = {q->shape[0], q->shape[1], q->shape[2], v->shape[3]};
  Value query = e.value(*q), key = e.value(*k), value = e.value(*v), maskValue = mask ? e.value(*mask) : Value();
  Value pastValue = causal ? e.size(past) : Value(), init = e.empty(shape, e.elementType(q->dtype));
  auto op = setun::nn::AttentionOp::create(e.b, init.getType(), query, key, value, maskValue, pastValue, init,
                                           Value(), e.b.getF32FloatAttr(scale), causal ? e.b.getUnitAttr() : UnitAttr(),
                                           e.b.getI64IntegerAttr(0), e.b.getF32FloatAttr(softcap));
  Tensor result = e.make(op->getResult(0), q->dtype, shape);
  if (packed) {
    Tensor back = e.transpose(result, {0, 2, 1, 3});
    FailureOr<Tensor> joined = e.reshape(back, {shape[0], shape[2], e.sizes.canonical(shape[1] * shape[3])});
    if (failed(joined))
      return failure();
    result = *joined;
  }
  if (failed(node.out(0, result)) || failed(node.out(1, *k)))
    return failure();
  return node.out(2, *v);
}

static const OpRow rows[] = {{"Attention", 3, 7, importAttention}};
ArrayRef<OpRow> setun::onnx::getAttentionOps() { return rows; }
