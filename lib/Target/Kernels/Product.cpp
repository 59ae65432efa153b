//===- Product.cpp - The operands of a product, flattened -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Kernels.h"

using namespace mlir;
using namespace setun;

/// A 1-D view of all elements of a matrix with contiguous rows, and the distance between rows.
static FailureOr<std::pair<Value, Value>> flatten(KernelBuilder &b, Operation *op, Value matrix, StringRef name) {
  auto type = cast<MemRefType>(matrix.getType());
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || (strides[1] != 1 && type.getDimSize(1) != 1))
    return op->emitOpError() << "cannot be lowered: the rows of '" << name << "' are not contiguous";
  auto parts = memref::ExtractStridedMetadataOp::create(b, matrix);
  Value base = parts.getBaseBuffer();
  auto known = [&](int64_t value, Value dynamic) { return ShapedType::isDynamic(value) ? dynamic : b.index(value); };
  Value start = known(offset, parts.getOffset()), stride = known(strides[0], parts.getStrides()[0]);
  Value size = b.mul(b.createOrFold<memref::DimOp>(matrix, 0), stride);
  auto flat = MemRefType::get({ShapedType::kDynamic}, type.getElementType(),
                              StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {1}), type.getMemorySpace());
  Value view = memref::ReinterpretCastOp::create(b, flat, base, getAsOpFoldResult(start),
                                                 ArrayRef<OpFoldResult>{getAsOpFoldResult(size)},
                                                 ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
  return std::pair(view, stride);
}

FailureOr<Product> Product::get(KernelBuilder &b, ternary::MatmulOp op) {
  auto weight = dyn_cast<MemRefType>(op.getWeight().getType());
  if (!isa<MemRefType>(op.getX().getType()) || !weight)
    return op.emitOpError("cannot be lowered on tensors: bufferize first");
  if (!op.getEncoding() || weight.getRank() != 1)
    return op.emitOpError("cannot be lowered: its weight is not packed; run --setun-materialize-encoding");
  PackedLayout layout = op.getEncoding()->getLayout();
  if (layout.bits != 2 || layout.tileRows != kTile || layout.tileCols != kTile ||
      !llvm::is_contained({1, 2, 4}, layout.interleave))
    return op.emitOpError("cannot be lowered: this target does not read the encoding ") << *op.getEncoding();
  if (!isa<MemRefType>(op.getAcc().getType()) || (weight.getStridesAndOffset().first[0] != 1))
    return op.emitOpError("cannot be lowered: the packed weight is not contiguous");

  Product p;
  p.interleave = layout.interleave;
  p.blockRows = kTile * layout.interleave;
  p.stepBytes = kTileBytes * layout.interleave;
  p.blockRowsLog = llvm::Log2_64(p.blockRows);
  p.stepBytesLog = llvm::Log2_64(p.stepBytes);
  p.activation = cast<MemRefType>(op.getX().getType()).getElementType();
  p.result = cast<MemRefType>(op.getAcc().getType()).getElementType();
  p.m = b.createOrFold<memref::DimOp>(op.getX(), 0);
  p.k = b.createOrFold<memref::DimOp>(op.getX(), 1);
  p.n = b.createOrFold<memref::DimOp>(op.getAcc(), 1);
  p.weight = op.getWeight();
  auto x = flatten(b, op, op.getX(), "x"), acc = flatten(b, op, op.getAcc(), "acc");
  if (failed(x) || failed(acc))
    return failure();
  std::tie(p.x, p.xStride) = *x;
  std::tie(p.acc, p.accStride) = *acc;
  if (op.getScales()) {
    auto scales = flatten(b, op, op.getScales(), "scales");
    if (failed(scales))
      return failure();
    std::tie(p.scales, p.scalesStride) = *scales;
    p.groups = b.createOrFold<memref::DimOp>(op.getScales(), 1);
  }
  p.rowBlocks = b.ceilDiv(p.n, p.blockRows);
  p.colTiles = b.ceilDiv(p.k, kTile);
  p.blockBytes = b.mul(p.colTiles, p.stepBytes);
  return p;
}

void setun::storeRows(KernelBuilder &b, const Product &p, Value lanes, Value accRow, Value row, Value isFirst) {
  int64_t count = cast<VectorType>(lanes.getType()).getDimSize(0);
  Value left = b.sub(p.n, row), at = b.add(accRow, row);
  auto n = getConstant(p.n);
  Value whole = n && *n % p.blockRows == 0 ? b.constant(b.getI1Type(), 1)
                                           : b.cmp(arith::CmpIPredicate::sge, left, b.index(count));
  auto total = [&](Value sum, Value at) {
    if (!isFirst)
      return sum;
    return b.choose(
        isFirst, [&] { return Values{sum}; },
        [&] {
          auto type = dyn_cast<VectorType>(sum.getType());
          return Values{b.add(type ? b.load(p.acc, at, type) : b.load(p.acc, at), sum)};
        })[0];
  };
  b.branch(
      whole, [&] { b.store(total(lanes, at), p.acc, at); },
      [&] {
        b.loop(b.index(0), left, 1, [&](Value i) {
          Value lane = vector::ExtractOp::create(b, lanes, ArrayRef<OpFoldResult>{i}), to = b.add(at, i);
          b.store(total(lane, to), p.acc, to);
        });
      });
}

std::pair<Value, Value> setun::stageColumns(KernelBuilder &b, const Product &p, Value row, Value tile, int64_t tiles,
                                            Value stage) {
  int64_t columns = tiles * Product::kTile;
  Value from = b.shl(tile, 4), at = b.add(row, from);
  auto k = getConstant(p.k);
  if (k && *k % Product::kTile == 0)
    return {p.x, at};
  Value left = b.sub(p.k, from);
  Values result = b.choose(
      b.cmp(arith::CmpIPredicate::sge, left, b.index(columns)), [&] { return Values{p.x, at}; },
      [&] {
        b.loop(b.index(0), left, 1, [&](Value i) { b.store(b.load(p.x, b.add(at, i)), stage, i); });
        Value zero = b.constant(p.activation, 0);
        b.loop(left, b.index(columns), 1, [&](Value i) { b.store(zero, stage, i); });
        return Values{b.dynamicView(stage), b.index(0)};
      });
  return {result[0], result[1]};
}

Values setun::transpose(KernelBuilder &b, Values rows) {
  // Interleaving row i with row i + half moves the top bit of the row number to the bottom of the element's address;
  // after log2(rows) rounds all bits of the row number stand there.
  int64_t count = rows.size(), lanes = cast<VectorType>(rows[0].getType()).getDimSize(0);
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < lanes; ++i) {
    low.push_back(i / 2 + (i % 2) * lanes);
    high.push_back(lanes / 2 + i / 2 + (i % 2) * lanes);
  }
  for (int64_t round = 1; round < count; round *= 2) {
    Values next;
    for (int64_t i = 0; i < count / 2; ++i) {
      next.push_back(b.shuffle(rows[i], rows[i + count / 2], low));
      next.push_back(b.shuffle(rows[i], rows[i + count / 2], high));
    }
    rows = next;
  }
  return rows;
}

Value setun::emitBiases(KernelBuilder &b, const Product &p, Value from, Value to, int64_t most) {
  Value biases = b.scratch(most, b.getI32Type()), whole = b.bitAnd(p.k, ~int64_t(15));
  b.loop(from, to, 1, {b.mul(from, p.xStride), b.index(0)}, [&](Value, ValueRange now) {
    Value lanes = b.loop(b.index(0), whole, 16, {b.constant(b.i32s(16), 0)}, [&](Value k, ValueRange sum) {
      Value x = arith::ExtSIOp::create(b, b.i32s(16), b.load(p.x, b.add(now[0], k), b.i8s(16)));
      return Values{b.sub(sum[0], x)};
    })[0];
    Value sum = vector::ReductionOp::create(b, vector::CombiningKind::ADD, lanes);
    sum = b.loop(whole, p.k, 1, {sum}, [&](Value k, ValueRange rest) {
      Value x = arith::ExtSIOp::create(b, b.getI32Type(), b.load(p.x, b.add(now[0], k)));
      return Values{b.sub(rest[0], x)};
    })[0];
    b.store(sum, biases, now[1]);
    return Values{b.add(now[0], p.xStride), b.add(now[1], 1)};
  });
  return biases;
}

void setun::prefetchStream(KernelBuilder &b, Value weight, Value at, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64) {
    b.prefetch(weight, b.add(at, 1024 + line));
    b.prefetch(weight, b.add(at, 4608 + line), /*locality=*/2);
  }
}
