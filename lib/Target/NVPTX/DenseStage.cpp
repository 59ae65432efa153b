//===- DenseStage.cpp - Activations of a dense product in shared memory ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every thread brings four neighbours at a time. What does not exist is read at the last place that does.
//
//===----------------------------------------------------------------------===//

#include "DenseKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

int64_t DenseStage::pickSize(const DenseProduct &p, int64_t tokens, int64_t step, Type element) {
  int64_t most = kBytes * 8 / (tokens * element.getIntOrFloatBitWidth());
  int64_t size = std::max<int64_t>(most / step, 1) * step;
  std::optional<int64_t> known = getConstant(p.depth);
  return known ? std::min<int64_t>(size, std::max<int64_t>(llvm::alignTo(*known, step), step)) : size;
}

Value DenseStage::placeOf(DeviceBuilder &b, Value at) const {
  if (quads() == 1)
    return at;
  Value chunk = b.shr(at, llvm::Log2_64(load)), quad = b.bitAnd(b.shr(at, 2), quads() - 1);
  return b.add(b.shl(chunk, 2), b.mul(quad, size / quads()));
}

Value DenseStage::readFour(DeviceBuilder &b, ArrayRef<Value> ivs, Value m, Value k) const {
  bool widens = element == p.op.sumType;
  VectorType type = b.vec(4, element);
  if (p.vectorWidth(false, 4) == 4) {
    Value exists = b.cmp(arith::CmpIPredicate::slt, k, p.depth);
    Value value = p.readVector(b, false, ivs, m, b.min(k, b.sub(p.depth, b.index(4))), 4);
    return b.select(exists, widens ? p.widen(b, value, false) : value, b.constant(type, 0));
  }
  Values elements;
  for (int64_t i = 0; i < 4; ++i) {
    Value at = b.add(k, i), exists = b.cmp(arith::CmpIPredicate::slt, at, p.depth);
    Value value = p.readVector(b, false, ivs, m, b.min(at, b.sub(p.depth, b.index(1))), 1);
    elements.push_back(b.select(exists, widens ? p.widen(b, value, false) : value, b.constant(element, 0)));
  }
  return vector::FromElementsOp::create(b, type, elements);
}

void DenseStage::fill(DeviceBuilder &b, const Threads &t, int64_t threads, ArrayRef<Value> ivs, Value m, Value k,
                      Value count) const {
  for (int64_t token = 0; token < tokens; ++token) {
    Value row = b.min(b.add(m, token), b.sub(p.rows, b.index(1)));
    b.loop(b.shl(t.thread, 2), count, threads * 4, [&](Value at) {
      Value values = readFour(b, ivs, row, b.add(k, at));
      b.storeAligned(values, shared, b.add(placeOf(b, at), token * size));
    });
  }
}
