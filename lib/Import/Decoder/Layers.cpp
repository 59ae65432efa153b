//===- Layers.cpp - Attention and MLP of a decoder -*- C++ -*-===//
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

#include <cmath>

using namespace mlir;
using namespace setun::decoder;

static constexpr int64_t kAny = ShapedType::kDynamic;

/// [rows, count * size] as [batch, count, length, size], normalized and turned.
Value Writer::heads(Value x, int64_t count, int64_t size, const std::optional<Norm> &headNorm, bool turn) {
  auto split = RankedTensorType::get({batch, kAny, count, size}, b.getF32Type());
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(batch), length, b.getIndexAttr(count), b.getIndexAttr(size)};
  Value y = tensor::ExpandShapeOp::create(b, split, x, ArrayRef<ReassociationIndices>{{0, 1}, {2, 3}}, sizes);
  y = norm(y, headNorm);
  Value init = empty(RankedTensorType::get({batch, count, kAny, size}, b.getF32Type()));
  y = linalg::TransposeOp::create(b, y, init, ArrayRef<int64_t>{0, 2, 1, 3})->getResult(0);
  if (!turn)
    return y;
  return nn::RotaryEmbeddingOp::create(b, init.getType(), y, cosines, sines, empty(cast<RankedTensorType>(y.getType())),
                                       UnitAttr())
      ->getResult(0);
}

Value Writer::attention(Value x, const Attention &a, unsigned layer) {
  Value queries = linear(x, a.q), keys = linear(x, a.k), values = linear(x, a.v), y;
  {
    At at(*this, a.name);
    queries = heads(queries, a.heads, a.headSize, a.qNorm, a.rotary);
    keys = heads(keys, a.keyHeads, a.headSize, a.kNorm, a.rotary);
    values = heads(values, a.keyHeads, a.headSize, std::nullopt, false);
    auto append = [&](unsigned argument, Value entries) {
      Value cache = entry.getArgument(argument);
      Value all = tensor::ConcatOp::create(b, cache.getType(), 2, ValueRange{cache, entries});
      states.push_back(all);
      return all;
    };
    Value allKeys = append(2 + 2 * layer, keys), allValues = append(3 + 2 * layer, values);
    float scale = a.scale != 0 ? a.scale : static_cast<float>(1 / std::sqrt(static_cast<double>(a.headSize)));
    Value init = empty(cast<RankedTensorType>(queries.getType()));
    y = nn::AttentionOp::create(b, init.getType(), queries, allKeys, allValues, Value(), past, init, Value(),
                                b.getF32FloatAttr(scale), b.getUnitAttr(), b.getI64IntegerAttr(a.window),
                                b.getF32FloatAttr(a.softcap))
            ->getResult(0);
    Value back = empty(RankedTensorType::get({batch, kAny, a.heads, a.headSize}, b.getF32Type()));
    y = linalg::TransposeOp::create(b, y, back, ArrayRef<int64_t>{0, 2, 1, 3})->getResult(0);
    y = tensor::CollapseShapeOp::create(b, y, ArrayRef<ReassociationIndices>{{0, 1}, {2, 3}});
  }
  return linear(norm(y, a.subNorm), a.o);
}

Value Writer::activate(Value x, Activation activation) {
  auto constant = [&](double number) { return splat(x.getType(), number); };
  auto mul = [&](Value left, Value right) -> Value { return arith::MulFOp::create(b, left, right); };
  auto add = [&](Value left, Value right) -> Value { return arith::AddFOp::create(b, left, right); };
  switch (activation) {
  case Activation::Relu:
  case Activation::Relu2: {
    Value y = arith::MaximumFOp::create(b, x, constant(0));
    return activation == Activation::Relu ? y : mul(y, y);
  }
  case Activation::Silu: {
    Value e = math::ExpOp::create(b, arith::NegFOp::create(b, x));
    return arith::DivFOp::create(b, x, add(constant(1), e));
  }
  case Activation::GeluTanh: {
    Value cube = mul(mul(x, x), x);
    Value inner = mul(constant(std::sqrt(2 / M_PI)), add(x, mul(constant(0.044715), cube)));
    return mul(mul(constant(0.5), x), add(constant(1), math::TanhOp::create(b, inner)));
  }
  case Activation::Gelu: {
    Value inner = mul(x, constant(std::sqrt(0.5)));
    return mul(mul(constant(0.5), x), add(constant(1), math::ErfOp::create(b, inner)));
  }
  }
  llvm_unreachable("unknown activation");
}

Value Writer::mlp(Value x, const Mlp &mlp) {
  Value gate = mlp.gate ? linear(x, *mlp.gate) : Value(), y = linear(x, mlp.up);
  {
    At at(*this, mlp.name);
    y = gate ? Value(arith::MulFOp::create(b, activate(gate, mlp.activation), y)) : activate(y, mlp.activation);
  }
  return linear(norm(y, mlp.subNorm), mlp.down);
}
