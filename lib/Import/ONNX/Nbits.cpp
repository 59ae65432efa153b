//===- Nbits.cpp - Weights of a few bits: MatMulNBits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"
#include "Products.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

/// Codes of `bits` bits, low ones first, from bytes [.., B] to [.., B * 8 / bits].
static Tensor unpackCodes(Emitter &e, Tensor &bytes, int64_t bits) {
  if (bits == 8)
    return bytes;
  int64_t perByte = 8 / bits;
  Shape narrow = bytes.shape, wide = bytes.shape, flat = bytes.shape;
  narrow.push_back(e.sizes.constant(1));
  wide.push_back(e.sizes.constant(perByte));
  flat.back() = e.sizes.canonical(flat.back() * perByte);
  SmallVector<int8_t> shifts;
  for (int64_t i = 0; i < perByte; ++i)
    shifts.push_back(int8_t(i * bits));
  Tensor amounts = e.make(nullptr, TensorProto::UINT8, e.staticShape({perByte}));
  amounts.constant = DenseElementsAttr::get(e.type(amounts), ArrayRef(shifts));
  Tensor lifted = *e.reshape(bytes, narrow);
  Tensor spread = e.broadcast(lifted, wide), by = e.broadcast(amounts, wide);
  Value shifted = arith::ShRUIOp::create(e.b, e.value(spread), e.value(by));
  Value mask = e.fill(wide, double((1 << bits) - 1), e.b.getI8Type());
  Tensor codes = e.make(arith::AndIOp::create(e.b, shifted, mask), TensorProto::UINT8, wide);
  return *e.reshape(codes, flat);
}

static Tensor firstColumns(Emitter &e, Tensor &t, int64_t count) {
  Shape shape = t.shape;
  shape.back() = e.sizes.constant(count);
  if (shape == t.shape)
    return t;
  return e.slice(t, Shape(t.rank(), e.sizes.constant(0)), shape, SmallVector<int64_t>(t.rank(), 1));
}

/// com.microsoft.MatMulNBits: y = x * dequantize(B)^T, one scale and one zero point a block of a row.
static LogicalResult importMatMulNBits(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0), &packed = node.in(1), &scales = node.in(2);
  int64_t K = node.intAttr("K", 0), N = node.intAttr("N", 0), bits = node.intAttr("bits", 4),
          block = node.intAttr("block_size", 0);
  if (K < 1 || N < 1 || K > (1 << 28) || N > (1 << 28) || block < 1 || block > (1 << 20) ||
      (bits != 2 && bits != 4 && bits != 8))
    return node.fail("attributes K, N, block_size or bits are out of range");
  if (node.has(4))
    return node.fail("operand 'g_idx' is not supported");
  int64_t blocks = (K + block - 1) / block, blob = block * bits / 8, zeroBytes = (blocks * bits + 7) / 8;
  if (!isFloat(x.dtype) || scales.dtype != x.dtype || packed.dtype != TensorProto::UINT8 || block * bits % 8)
    return node.fail("element types or block size are not supported");
  if (x.shape.empty() || failed(e.unify(x.shape.back(), e.sizes.constant(K), "the inner sizes of a product")))
    return x.shape.empty() ? node.fail("the operand has no last axis") : failure();
  FailureOr<Tensor> bytes = e.reshape(packed, e.staticShape({N, blocks, blob}));
  FailureOr<Tensor> scale = failed(bytes) ? bytes : e.reshape(scales, e.staticShape({N, blocks, 1}));
  if (failed(scale))
    return failure();
  Shape wide = e.staticShape({N, blocks, block});
  Tensor codes = unpackCodes(e, *bytes, bits);
  Tensor numbers = e.cast(codes, x.dtype);
  Value zero;
  if (node.has(3)) {
    Tensor points = node.in(3);
    bool isPacked = points.dtype == TensorProto::UINT8;
    FailureOr<Tensor> shaped = e.reshape(points, e.staticShape({N, isPacked ? zeroBytes : blocks}));
    if (failed(shaped))
      return failure();
    points = isPacked ? unpackCodes(e, *shaped, bits) : *shaped;
    points = firstColumns(e, points, blocks);
    points = e.cast(points, x.dtype);
    points = *e.reshape(points, e.staticShape({N, blocks, 1}));
    Tensor spread = e.broadcast(points, wide);
    zero = e.value(spread);
  } else {
    zero = e.fill(wide, double(1 << (bits - 1)), e.elementType(x.dtype));
  }
  Tensor spreadScale = e.broadcast(*scale, wide);
  Value centered = arith::SubFOp::create(e.b, e.value(numbers), zero);
  Value scaled = arith::MulFOp::create(e.b, centered, e.value(spreadScale));
  Tensor weight = e.make(scaled, x.dtype, wide);
  weight = *e.reshape(weight, e.staticShape({N, blocks * block}));
  weight = firstColumns(e, weight, K);
  SmallVector<AffineExpr> leading(x.shape.begin(), x.shape.end() - 1);
  Tensor flat = *e.reshape(x, {e.sizes.expr(e.sizes.product(leading)), x.shape.back()});
  Tensor product = matmul(e, flat, weight, /*transposeB=*/true, x.dtype);
  Shape shape(leading);
  shape.push_back(e.sizes.constant(N));
  FailureOr<Tensor> result = e.reshape(product, shape);
  if (failed(result))
    return failure();
  if (node.has(5)) {
    if (node.in(5).dtype != x.dtype)
      return node.fail("the bias has another element type");
    FailureOr<Shape> same = e.broadcastShape(shape, node.in(5).shape);
    if (failed(same))
      return failure();
    Tensor bias = e.broadcast(node.in(5), shape);
    result = e.make(arith::AddFOp::create(e.b, e.value(*result), e.value(bias)), x.dtype, shape);
  }
  return node.out(*result);
}

static const OpRow rows[] = {{"MatMulNBits", 3, 6, importMatMulNBits, "com.microsoft"}};
ArrayRef<OpRow> setun::onnx::getNbitsOps() { return rows; }
