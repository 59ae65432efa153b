//===- VnniDecode.cpp - A few tokens by vpdpbusd, weights streamed -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is 16 columns of all rows of a block. Each byte holds four planes; a plane
// masked in place counts 1, 4, 16 or 64 times, so it is summed apart, and shifted
// down at the end, which is exact. With fewer registers planes are shifted first
// and share sums. The largest scale adds at most 4 x 128 x 128 a step to a lane:
// 16384 steps stay within int32, then sums are brought together.
//
//===----------------------------------------------------------------------===//

#include "Vnni.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kStepsPerFold = 16384;

namespace {

/// The work of one task: a block of rows, all its tokens.
struct Decode {
  KernelBuilder &b;
  const Product &p;
  const x86::Vpdpbusd &instruction;
  int64_t tokens, vectors, scales; // scales: 4, 2 or 1 sums for each row and token

  Decode(KernelBuilder &b, const Product &p, int64_t tokens, const x86::Vpdpbusd &instruction)
      : b(b), p(p), instruction(instruction), tokens(tokens), vectors(p.stepBytes / instruction.bytes()),
        scales(instruction.streamedScales(tokens, vectors)) {}

  VectorType bytes() { return b.i8s(instruction.bytes()); }
  Value plane(Value codes, int64_t index);
  Values step(ValueRange sums, Value weights, Value x, ArrayRef<Value> at);
  Values fold(ValueRange wide, ValueRange sums);
  Values add(Values wide, Value weights, ArrayRef<Value> rows, Value stage);
};

} // namespace

/// The codes of columns 4 index .. 4 index + 3, times 4^(index % scales).
Value Decode::plane(Value codes, int64_t index) {
  int64_t scale = index % scales, down = 2 * (index - scale);
  if (down) // words are shifted: what comes in from the next byte is masked away
    codes = b.bitcast(b.shr(b.bitcast(codes, b.i16s(2 * instruction.lanes)), down), bytes());
  return b.bitAnd(codes, static_cast<int8_t>(3 << (2 * scale)));
}

/// Adds 16 columns; `at` is where each token's stand in x.
Values Decode::step(ValueRange sums, Value weights, Value x, ArrayRef<Value> at) {
  SmallVector<std::array<Value, 4>> columns;
  for (Value start : at) {
    std::array<Value, 4> &four = columns.emplace_back();
    for (int64_t i = 0; i < 4; ++i)
      four[i] = b.broadcastDword(x, b.add(start, 4 * i), instruction.bytes());
  }
  Values next(sums), codes;
  for (int64_t v = 0; v < vectors; ++v)
    codes.push_back(b.load(p.weight, b.add(weights, instruction.bytes() * v), bytes()));
  auto addPlane = [&](int64_t v, int64_t index) {
    Value masked = plane(codes[v], index);
    for (int64_t t = 0; t < tokens; ++t) {
      Value &sum = next[(v * tokens + t) * scales + index % scales];
      sum = instruction.dot(b, sum, masked, columns[t][index]);
    }
  };
  // One token's activations of a step fit in registers; of several, one plane's at a time.
  for (int64_t i = 0; i < 4 * vectors; ++i)
    tokens == 1 ? addPlane(i / 4, i % 4) : addPlane(i % vectors, i / vectors);
  return next;
}

/// Brings the sums of all scales together.
Values Decode::fold(ValueRange wide, ValueRange sums) {
  Values next(wide);
  for (int64_t i = 0, count = wide.size(); i < count; ++i)
    for (int64_t scale = 0; scale < scales; ++scale) {
      Value sum = sums[i * scales + scale];
      next[i] = b.add(next[i], scale ? b.sra(sum, 2 * scale) : sum);
    }
  return next;
}

/// All columns of one block: `wide` holds [vector][token].
Values Decode::add(Values wide, Value weights, ArrayRef<Value> rows, Value stage) {
  const int64_t count = vectors * tokens;
  Values none(count * scales, b.constant(b.i32s(instruction.lanes), 0));
  Value whole = b.shr(p.k, 4), tail = b.bitAnd(p.k, 15);
  wide.append({weights, b.index(0)});
  wide = b.loop(b.index(0), whole, kStepsPerFold, wide, [&](Value first, ValueRange outer) {
    Value end = b.min(b.add(first, kStepsPerFold), whole);
    Values start = none;
    start.append({outer[count], outer[count + 1]});
    Values sums = b.loop(first, end, 1, start, [&](Value, ValueRange now) {
      Value weights = now[count * scales], column = now.back();
      Values at;
      for (Value row : rows)
        at.push_back(b.add(row, column));
      prefetchStream(b, p.weight, weights, p.stepBytes);
      if (tokens == 1) // weights that pass by push long rows of activations out of L1
        b.prefetch(p.x, b.add(at[0], 1024));
      Values next = step(now.take_front(count * scales), weights, p.x, at);
      next.append({b.add(weights, p.stepBytes), b.add(column, Product::kTile)});
      return next;
    });
    Values next = fold(outer.take_front(count), ArrayRef(sums).take_front(count * scales));
    next.append({sums[count * scales], sums.back()});
    return next;
  });
  // Columns past the last whole tile: their activations are filled up with zeros.
  Value last = wide[count], column = wide[count + 1];
  wide.resize(count);
  return b.choose(
      b.equals(tail, 0), [&] { return wide; },
      [&] {
        Values at;
        Value zero = b.constant(b.i8s(Product::kTile), 0);
        for (int64_t t = 0; t < tokens; ++t) {
          Value start = b.index(t * Product::kTile), from = b.add(rows[t], column);
          b.store(zero, stage, start);
          b.loop(b.index(0), tail, 1, [&](Value i) { b.store(b.load(p.x, b.add(from, i)), stage, b.add(start, i)); });
          at.push_back(start);
        }
        return fold(wide, step(none, last, stage, at));
      });
}

void x86::emitVnniDecode(KernelBuilder &b, const Product &p, Value from, int64_t tokens, const Vpdpbusd &instruction) {
  Value biases = emitBiases(b, p, from, b.add(from, tokens), tokens);
  b.forall(p.rowBlocks, getGrain(p, 64 << 10), [&](Value block) {
    Decode decode(b, p, tokens, instruction);
    Value stage = b.scratch(tokens * Product::kTile, p.activation), firstRow = b.shl(block, p.blockRowsLog);
    Values wide(decode.vectors * tokens), rows;
    Value row = b.mul(from, p.xStride), accRow = b.mul(from, p.accStride);
    for (int64_t t = 0; t < tokens; ++t, row = b.add(row, p.xStride)) {
      Value bias = b.broadcast(b.load(biases, b.index(t)), b.i32s(instruction.lanes));
      for (int64_t v = 0; v < decode.vectors; ++v)
        wide[v * tokens + t] = bias;
      rows.push_back(row);
    }
    wide = decode.add(wide, b.mul(block, p.blockBytes), rows, stage);
    for (int64_t t = 0; t < tokens; ++t, accRow = b.add(accRow, p.accStride))
      for (int64_t v = 0; v < decode.vectors; ++v)
        storeRows(b, p, wide[v * tokens + t], accRow, b.add(firstRow, v * instruction.lanes));
  });
}
