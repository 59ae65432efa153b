//===- DotDecode.cpp - A few tokens by dot products, weights streamed -*- C++ -*-===//
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

#include "setun/Target/Kernels/Dot.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kStepsPerFold = 16384;

namespace {

/// The work of one task: a block of rows, all its tokens.
struct Decode {
  KernelBuilder &b;
  const Product &p;
  const DotInstruction &dot;
  int64_t tokens, vectors, scales;

  Decode(KernelBuilder &b, const Product &p, const DotInstruction &dot, int64_t tokens)
      : b(b), p(p), dot(dot), tokens(tokens), vectors(p.stepBytes / (4 * dot.lanes)) {
    // Beside the sums: codes, a masked plane, the masks, and the activations of one step.
    int64_t left = dot.registers - 2 - (tokens == 1 ? 4 : vectors);
    int64_t most = dot.unsignedCodes ? 4 : 3;
    for (scales = most; scales > 1 && tokens * vectors * scales + scales > left; --scales) {
    }
    scales = scales == 3 && dot.unsignedCodes ? 2 : scales;
  }

  VectorType bytes() { return b.i8s(4 * dot.lanes); }
  Value shift(Value codes, int64_t bits);
  Value plane(Value codes, int64_t index, int64_t &scale);
  Values step(ValueRange sums, Value weights, Value x, ArrayRef<Value> at);
  Values fold(ValueRange wide, ValueRange sums);
  Values add(Values wide, Value weights, ArrayRef<Value> rows, Value stage);
};

} // namespace

/// Every byte's bits moved down; what comes in from the next byte is masked away by the caller.
Value Decode::shift(Value codes, int64_t bits) {
  if (!dot.unsignedCodes) // a machine of sdot's kind shifts bytes
    return b.shr(codes, bits);
  return b.bitcast(b.shr(b.bitcast(codes, b.i16s(2 * dot.lanes)), bits), bytes());
}

/// The codes of columns 4 index .. 4 index + 3, times 4^scale.
Value Decode::plane(Value codes, int64_t index, int64_t &scale) {
  scale = index % scales;
  if (index == 3 && !dot.unsignedCodes) {
    scale = 0;
    return shift(codes, 6);
  }
  int64_t down = index - scale;
  return b.bitAnd(down ? shift(codes, 2 * down) : codes, static_cast<int8_t>(3 << (2 * scale)));
}

/// Adds 16 columns; `at` is where each token's stand in x.
Values Decode::step(ValueRange sums, Value weights, Value x, ArrayRef<Value> at) {
  SmallVector<std::array<Value, 4>> columns;
  for (Value start : at)
    columns.push_back(dot.columns(b, x, start));
  Values next(sums), codes;
  for (int64_t v = 0; v < vectors; ++v)
    codes.push_back(b.load(p.weight, b.add(weights, 4 * dot.lanes * v), bytes()));
  auto addPlane = [&](int64_t v, int64_t index) {
    int64_t scale;
    Value masked = plane(codes[v], index, scale);
    for (int64_t t = 0; t < tokens; ++t) {
      Value &sum = next[(v * tokens + t) * scales + scale];
      sum = dot.dot(b, sum, masked, columns[t][index]);
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
  Values none(count * scales, b.constant(b.i32s(dot.lanes), 0));
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

void setun::emitDotDecode(KernelBuilder &b, const Product &p, Value from, int64_t tokens, const DotInstruction &dot) {
  Value biases = emitBiases(b, p, from, b.add(from, tokens), tokens);
  b.forall(p.rowBlocks, getGrain(p, 64 << 10), [&](Value block) {
    Decode decode(b, p, dot, tokens);
    Value stage = b.scratch(tokens * Product::kTile, p.activation), firstRow = b.shl(block, p.blockRowsLog);
    Values wide(decode.vectors * tokens), rows;
    Value row = b.mul(from, p.xStride), accRow = b.mul(from, p.accStride);
    for (int64_t t = 0; t < tokens; ++t, row = b.add(row, p.xStride)) {
      Value bias = b.broadcast(b.load(biases, b.index(t)), b.i32s(dot.lanes));
      for (int64_t v = 0; v < decode.vectors; ++v)
        wide[v * tokens + t] = bias;
      rows.push_back(row);
    }
    wide = decode.add(wide, b.mul(block, p.blockBytes), rows, stage);
    for (int64_t t = 0; t < tokens; ++t, accRow = b.add(accRow, p.accStride))
      for (int64_t v = 0; v < decode.vectors; ++v)
        storeRows(b, p, wide[v * tokens + t], accRow, b.add(firstRow, v * dot.lanes));
  });
}
