//===- RowEmitter.cpp - Loops over tokens and their norms -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RowEmitter.h"

using namespace mlir;
using namespace setun;

Line setun::rowOf(LoopEmitter &e, Value buffer, ArrayRef<Value> leading) {
  Line line{buffer, SmallVector<Value>(leading), leading.size()};
  line.indices.push_back(e.index(0));
  return line;
}

SmallVector<Value> setun::leadingSizes(LoopEmitter &e, Value buffer) {
  SmallVector<Value> sizes;
  for (int64_t dim = 0, last = cast<MemRefType>(buffer.getType()).getRank() - 1; dim < last; ++dim)
    sizes.push_back(e.size(buffer, dim));
  return sizes;
}

void setun::forEachRow(LoopEmitter &e, Value buffer, int64_t work, function_ref<void(ArrayRef<Value>)> body) {
  SmallVector<Value> sizes = leadingSizes(e, buffer);
  Value columns = e.size(buffer, sizes.size());
  e.parallel(e.product(sizes), e.mul(columns, e.index(work)), [&](Value row) { body(e.delinearize(row, sizes)); });
}

Value setun::countAsFloat(LoopEmitter &e, Value size, Type type) {
  if (std::optional<int64_t> known = getConstantIntValue(size))
    return e.constant(type, static_cast<double>(*known));
  Value integer = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), size);
  return arith::SIToFPOp::create(e.b, e.loc, type, integer);
}

Value setun::roundTo(LoopEmitter &e, Value value, Type element) {
  return e.convert(e.convert(value, element), LoopEmitter::sumType(element));
}

RmsRow::RmsRow(LoopEmitter &e, Line line, Value gammaBuffer, double epsilon)
    : x(line), gamma(rowOf(e, gammaBuffer, {})), size(e.size(line.buffer, *line.dim)) {
  Type type = LoopEmitter::sumType(x.getElementType());
  Value zero = e.constant(e.lanesOf(type, kSumLanes), 0);
  Value squares = e.steps(size, kSumLanes, {zero}, [&](Value at, Lanes lanes, ValueRange sum) {
    Value value = e.convert(e.read(x, at, lanes), type);
    return SmallVector<Value>{e.addf(sum[0], e.mulf(value, value))};
  })[0];
  Value mean = e.divf(e.treeSum(squares), countAsFloat(e, size, type));
  rms = math::SqrtOp::create(e.b, e.loc, e.addf(mean, e.constant(type, epsilon)));
}

Value RmsRow::read(LoopEmitter &e, Value at, Lanes lanes) const {
  Type element = x.getElementType(), type = LoopEmitter::sumType(element);
  Value value = e.divf(e.convert(e.read(x, at, lanes), type), e.splat(rms, lanes.width));
  value = e.mulf(roundTo(e, value, element), e.convert(e.read(gamma, at, lanes), type));
  return roundTo(e, value, element);
}
