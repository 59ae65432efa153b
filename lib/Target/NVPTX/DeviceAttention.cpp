//===- DeviceAttention.cpp - What both forms of attention share -----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kLongestHead = 2048;

static Type elementOf(Value buffer) { return getElementTypeOrSelf(buffer.getType()); }
static int64_t lastSize(Value buffer) { return cast<ShapedType>(buffer.getType()).getShape().back(); }

bool DeviceAttention::supports(nn::AttentionOp op) {
  int64_t depth = lastSize(op.getK()), columns = lastSize(op.getV());
  if (ShapedType::isDynamic(depth))
    depth = lastSize(op.getQ());
  if (ShapedType::isDynamic(columns))
    columns = lastSize(op.getY());
  auto fits = [](int64_t size) { return size > 0 && size <= kLongestHead; };
  return fits(depth) && fits(columns) && elementOf(op.getQ()).getIntOrFloatBitWidth() <= 32;
}

DeviceAttention::DeviceAttention(LineBuilder &b, nn::AttentionOp op, nn::RotaryEmbeddingOp rotary,
                                 linalg::TransposeOp transpose)
    : b(b), op(op), f32(b.getF32Type()), rotary(rotary), q(rotary ? rotary.getX() : op.getQ()), y(op.getY()) {
  if (transpose) {
    y = transpose.getInit();
    order.assign(transpose.getPermutation().begin(), transpose.getPermutation().end());
  }
  depth = lastSize(op.getK());
  if (ShapedType::isDynamic(depth))
    depth = lastSize(op.getQ());
  columns = lastSize(op.getV());
  if (ShapedType::isDynamic(columns))
    columns = lastSize(op.getY());
  batches = b.sizeOf(q, 0);
  heads = b.sizeOf(q, 1);
  queries = b.sizeOf(q, 2);
  groups = b.sizeOf(op.getK(), 1);
  keys = b.sizeOf(op.getK(), 2);
  ratio = b.div(heads, b.max(groups, b.index(1)));
}

std::pair<Value, Value> DeviceAttention::visible(Value query) {
  Value from = b.index(0), to = keys;
  if (!op.getPast())
    return {from, to};
  Value after = b.add(b.add(query, op.getPast()), 1);
  if (op.getCausal())
    to = b.max(b.min(keys, after), b.index(0));
  if (op.getWindow() > 0)
    from = b.min(b.max(b.sub(after, b.index(op.getWindow())), b.index(0)), to);
  return {from, to};
}

Value DeviceAttention::score(Value dot, Value batch, Value head, Value query, Value key) {
  Value score = b.mulf(dot, b.real(f32, op.getScale().convertToDouble()));
  if (double cap = op.getSoftcap().convertToDouble()) {
    Value limit = b.real(f32, cap);
    score = b.mulf(limit, math::TanhOp::create(b, b.divf(score, limit)));
  }
  Value mask = op.getMask();
  if (!mask)
    return score;
  auto broadcast = [&](int64_t dim, Value index) { return b.min(index, b.sub(b.sizeOf(mask, dim), b.index(1))); };
  Value value = b.read(mask, {broadcast(0, batch), broadcast(1, head), broadcast(2, query), key});
  if (value.getType().isInteger(1))
    return b.select(value, score, minusInfinity());
  return b.addf(score, b.convert(value, f32));
}

void DeviceAttention::writeResult(Value value, Value sum, ArrayRef<Value> at) {
  sum = b.select(b.cmpf(arith::CmpFPredicate::OEQ, sum, b.real(f32, 0)), b.real(f32, 1), sum);
  Values place;
  for (int64_t dim : order)
    place.push_back(at[dim]);
  b.write(b.convert(b.divf(value, sum), elementOf(y)), y, place);
}

Value DeviceAttention::minusInfinity() { return b.real(f32, -std::numeric_limits<double>::infinity()); }

Value DeviceAttention::base(Value max) {
  return b.select(b.cmpf(arith::CmpFPredicate::OEQ, max, minusInfinity()), b.real(f32, 0), max);
}

int64_t DeviceAttention::lanesOfQK() {
  int64_t lanes = b.vectorOf(op.getK());
  if (!rotary)
    return std::min(lanes, b.vectorOf(q));
  if (rotary.getInterleaved())
    return lanes; // queries are read one by one
  // A vector of the tables divides h: both halves are turned in vectors.
  return std::min({lanes, b.vectorOf(q), b.vectorOf(rotary.getCos()), b.vectorOf(rotary.getSin())});
}

Value DeviceAttention::isAligned(int64_t ofQK, int64_t ofV) {
  Value result = b.both(b.isAligned(op.getK(), ofQK), b.isAligned(op.getV(), ofV));
  if (!rotary)
    return b.both(result, b.isAligned(q, ofQK));
  if (rotary.getInterleaved())
    return result;
  for (Value buffer : {q, rotary.getCos(), rotary.getSin()})
    result = b.both(result, b.isAligned(buffer, ofQK));
  return result;
}

Value DeviceAttention::readQuery(Value batch, Value head, Value query, Value column, int64_t lanes, bool aligned) {
  if (!rotary)
    return b.convert(b.readLanes(q, {batch, head, query, column}, lanes, aligned), f32);
  if ((!aligned || rotary.getInterleaved()) && lanes > 1) {
    Values parts;
    for (int64_t i = 0; i < lanes; ++i)
      parts.push_back(b.lane(readQuery(batch, head, query, b.add(column, i), 1, false), 0));
    return b.pack(parts);
  }
  auto below = [&](Value x, Value y) { return b.cmp(arith::CmpIPredicate::ult, x, y); };
  auto read = [&](Value buffer, ValueRange at) { return b.convert(b.readLanes(buffer, at, lanes, aligned), f32); };
  auto readTable = [&](Value table, Value at) {
    Value last = b.sub(b.sizeOf(table, 0), b.index(1)); // one table for all batches, or one for each
    return read(table, {b.min(batch, last), query, at});
  };
  Value half = b.sizeOf(rotary.getCos(), 2), turned = below(column, b.mul(half, 2)), isFirst, partner, angle;
  if (rotary.getInterleaved()) {
    isFirst = b.equals(b.bitAnd(column, 1), 0);
    partner = b.select(isFirst, b.add(column, 1), b.sub(column, b.index(1)));
    angle = b.shr(column, 1);
  } else {
    isFirst = below(column, half);
    angle = b.select(isFirst, column, b.sub(column, half));
    partner = b.select(isFirst, b.add(column, half), angle);
  }
  // What is not turned reads anything that exists.
  partner = b.select(turned, partner, column);
  angle = b.select(turned, angle, b.index(0));
  Value own = read(q, {batch, head, query, column}), other = read(q, {batch, head, query, partner});
  Value straight = b.mulf(own, readTable(rotary.getCos(), angle)),
        cross = b.mulf(other, readTable(rotary.getSin(), angle));
  Value result = b.select(isFirst, b.subf(straight, cross), b.addf(straight, cross));
  result = b.convert(b.convert(result, elementOf(op.getQ())), f32);
  return b.select(turned, result, own);
}
