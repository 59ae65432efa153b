//===- Operands.cpp - Activations as the kernels of AArch64 read them -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

#include <numeric>

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

Value aarch64::concat(KernelBuilder &b, ArrayRef<Value> parts) {
  if (parts.size() == 1)
    return parts[0];
  Value low = concat(b, parts.take_front(parts.size() / 2)), high = concat(b, parts.drop_front(parts.size() / 2));
  SmallVector<int64_t> all(2 * cast<VectorType>(low.getType()).getDimSize(0));
  std::iota(all.begin(), all.end(), 0);
  return b.shuffle(low, high, all);
}

Value aarch64::loadColumns(KernelBuilder &b, const Product &p, Value row, Value tile, Value part) {
  Value from = b.shl(tile, 4), left = b.sub(p.k, from), at = b.add(row, from);
  VectorType type = b.i8s(Product::kTile);
  auto k = getConstant(p.k);
  if (k && *k % Product::kTile == 0)
    return b.load(p.x, at, type);
  return b.choose(
      b.cmp(arith::CmpIPredicate::sge, left, b.index(Product::kTile)), [&] { return Values{b.load(p.x, at, type)}; },
      [&] {
        b.store(b.constant(type, 0), part, b.index(0));
        b.loop(b.index(0), left, 1, [&](Value i) { b.store(b.load(p.x, b.add(at, i)), part, i); });
        return Values{b.load(part, b.index(0), type)};
      })[0];
}

Tokens aarch64::prepareTokens(KernelBuilder &b, const Product &p, Value from, Value to, int64_t count, int64_t tiles) {
  Tokens tokens;
  int64_t tailBytes = tiles * Product::kTile;
  Value last = b.sub(to, b.index(1));
  tokens.biases = b.scratch(count, b.getI32Type());
  tokens.tails = b.scratch(count * tailBytes, p.activation);
  tokens.wholeTiles = b.mul(b.div(p.k, b.index(tailBytes)), tiles);
  for (int64_t t = 0; t < count; ++t) {
    Value token = b.min(b.add(from, t), last);
    tokens.rows.push_back(b.mul(token, p.xStride));
    tokens.accRows.push_back(b.mul(token, p.accStride));
  }
  Value whole = b.shl(tokens.wholeTiles, 4), zero = b.index(0);
  b.loop(zero, b.index(count), 1, {from, zero}, [&](Value t, ValueRange now) {
    Value row = b.mul(b.min(now[0], last), p.xStride);
    auto sum = [&](Value buffer, Value start, Value end, Value init) {
      return b.loop(start, end, 16, {init}, [&](Value k, ValueRange carried) {
        Value x = arith::ExtSIOp::create(b, b.i32s(16), b.load(buffer, k, b.i8s(16)));
        return Values{b.sub(carried[0], x)};
      })[0];
    };
    Value lanes = sum(p.x, row, b.add(row, whole), b.constant(b.i32s(16), 0));
    for (int64_t i = 0; i < tailBytes; i += 16)
      b.store(b.constant(b.i8s(16), 0), tokens.tails, b.add(now[1], i));
    b.loop(whole, p.k, 1, {now[1]}, [&](Value k, ValueRange slot) {
      b.store(b.load(p.x, b.add(row, k)), tokens.tails, slot[0]);
      return Values{b.add(slot[0], 1)};
    });
    lanes = sum(tokens.tails, now[1], b.add(now[1], tailBytes), lanes);
    b.store(vector::ReductionOp::create(b, vector::CombiningKind::ADD, lanes), tokens.biases, t);
    return Values{b.add(now[0], 1), b.add(now[1], tailBytes)};
  });
  return tokens;
}
