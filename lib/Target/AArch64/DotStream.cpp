//===- DotStream.cpp - A few tokens by dot products, streamed -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One load of 16 activations serves a tile: sdot takes the four bytes of a plane
// out of it by element. For one token the planes stay where they lie in their
// byte: and with 3, 12 and 48, one shift, and sums that are 1, 4 and 16 times too
// large, which two shifting additions correct at the end. A sum of the last kind
// grows by at most 16384 a tile: after 4096 tiles it is folded, far from 2^31.
// For more tokens planes are shifted down, so that one sum a token suffices; with
// smmla a register is first spread out so that 2 rows x 8 columns meet 2 tokens.
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

static constexpr int64_t kTilesPerFold = 4096, kAhead = 1024;

namespace {

/// `vectors` registers of 4 rows x `count` tokens.
struct Stream {
  KernelBuilder &b;
  const Product &p;
  int64_t count, vectors;
  bool pairs;

  Values addTile(ValueRange sums, Value weights, Value x, ArrayRef<Value> at);
  Values fold(ValueRange sums);
  Values finish(ValueRange sums, int64_t token);
  int64_t sumsPerVector() const { return count == 1 ? 3 : count; }

private:
  Value column4(Value x, int64_t plane) { return b.bitcast(b.shuffle(x, x, {plane, plane, plane, plane}), b.i8s(16)); }
};

} // namespace

/// The sums after 16 more columns; `at` is where each token's stand in `x`.
Values Stream::addTile(ValueRange sums, Value weights, Value x, ArrayRef<Value> at) {
  Values xs, next(sums);
  for (Value offset : at)
    xs.push_back(b.bitcast(b.load(x, offset, b.i8s(16)), b.i32s(4)));
  auto shr = [&](Value v, int64_t bits) { return b.shr(v, bits); };
  for (int64_t v = 0; v < vectors; ++v) {
    Value codes = b.load(p.weight, b.add(weights, 16 * v), b.i8s(16));
    Value *sum = &next[v * sumsPerVector()];
    if (count == 1) {
      sum[0] = sdot(b, sum[0], b.bitAnd(codes, 3), column4(xs[0], 0));
      sum[1] = sdot(b, sum[1], b.bitAnd(codes, 12), column4(xs[0], 1));
      sum[2] = sdot(b, sum[2], b.bitAnd(codes, 48), column4(xs[0], 2));
      sum[0] = sdot(b, sum[0], shr(codes, 6), column4(xs[0], 3));
    } else if (!pairs) {
      for (int64_t plane = 0; plane < 4; ++plane) {
        Value shifted = plane ? shr(codes, 2 * plane) : codes, plain = plane < 3 ? b.bitAnd(shifted, 3) : shifted;
        for (int64_t t = 0; t < count; ++t)
          sum[t] = sdot(b, sum[t], plain, column4(xs[t], plane));
      }
    } else {
      // Planes 0 and 2 of a row side by side, and 1 and 3 above them: two of the four rows in each register.
      Value low = b.bitcast(codes, b.i32s(4)), high = b.bitcast(shr(codes, 4), b.i32s(4));
      for (int64_t half = 0; half < 2; ++half) {
        Value rows = b.bitcast(b.shuffle(low, high, {2 * half, 2 * half + 4, 2 * half + 1, 2 * half + 5}), b.i8s(16));
        for (int64_t odd = 0; odd < 2; ++odd) {
          Value plain = b.bitAnd(odd ? shr(rows, 2) : rows, 3);
          for (int64_t t = 0; t < count; t += 2) {
            Value two = b.bitcast(b.shuffle(xs[t], xs[t + 1], {odd, odd + 2, odd + 4, odd + 6}), b.i8s(16));
            sum[t + half] = smmla(b, sum[t + half], two, plain);
          }
        }
      }
    }
  }
  return next;
}

/// For one token: brings the three sums of each vector together.
Values Stream::fold(ValueRange sums) {
  Values folded;
  for (int64_t v = 0; v < vectors; ++v)
    folded.push_back(b.add(b.add(sums[3 * v], b.sra(sums[3 * v + 1], 2)), b.sra(sums[3 * v + 2], 4)));
  return folded;
}

/// One token's sums of 4 rows a vector.
Values Stream::finish(ValueRange sums, int64_t token) {
  Values rows;
  for (int64_t v = 0; v < vectors; ++v) {
    int64_t even = v * count + token / 2 * 2, first = token % 2 * 2;
    rows.push_back(pairs ? b.shuffle(sums[even], sums[even + 1], {first, first + 1, first + 4, first + 5})
                         : sums[v * count + token]);
  }
  return rows;
}

void aarch64::emitDotStream(KernelBuilder &b, const Product &p, Value from, Value to, int64_t count, bool pairs) {
  // 12 or at most 16 sums stay in registers. One token: two tiles an iteration, the loop's own instructions are one in
  // twenty otherwise.
  Stream s{b, p, count, count <= 4 ? 4 : 2, pairs && count > 1};
  const int64_t unroll = count == 1 ? 2 : 1;
  Tokens tokens = prepareTokens(b, p, from, to, count, unroll);
  // One stream of whole lines needs no help; strips of a step ask for the lines of the others.
  const bool inOrder = p.stepBytes == 16 * s.vectors;
  VectorType type = b.i32s(4);
  Value none = b.constant(type, 0), zero = b.index(0);
  b.forall(p.rowBlocks, getGrain(p, 32 << 10), [&](Value block) {
    Value blockStart = b.mul(block, p.blockBytes), firstRow = b.shl(block, p.blockRowsLog);
    for (int64_t strip = 0; strip < p.stepBytes; strip += 16 * s.vectors) {
      auto addTiles = [&](Value first, Value end, ValueRange sums, bool tail, Value weights) {
        Values start(sums);
        start.push_back(weights);
        return b.loop(first, end, tail ? 1 : unroll, start, [&](Value tile, ValueRange now) {
          Values next(now.drop_back());
          Value at = now.back(), columns = b.shl(tail ? b.sub(tile, first) : tile, 4);
          for (int64_t u = 0; u < (tail ? 1 : unroll); ++u) {
            for (int64_t line = 0; !inOrder && strip == 0 && !tail && line < p.stepBytes; line += 64)
              b.prefetch(p.weight, b.add(at, kAhead + line));
            Values offsets;
            for (int64_t t = 0; t < count; ++t)
              offsets.push_back(b.add(tail ? b.index(16 * t * unroll) : tokens.rows[t], b.add(columns, 16 * u)));
            next = s.addTile(next, at, tail ? tokens.tails : p.x, offsets);
            at = b.add(at, p.stepBytes);
          }
          next.push_back(at);
          return next;
        });
      };
      Values sums;
      Value weights = b.add(blockStart, strip);
      Values start(s.vectors * s.sumsPerVector(), none);
      if (count == 1) {
        Values wide(s.vectors, none);
        wide.push_back(weights);
        auto fold = [&](Values now, ValueRange before) {
          Values next = s.fold(ValueRange(now).drop_back());
          for (int64_t v = 0; v < s.vectors; ++v)
            next[v] = b.add(next[v], before[v]);
          next.push_back(now.back());
          return next;
        };
        wide = b.loop(zero, tokens.wholeTiles, kTilesPerFold, wide, [&](Value first, ValueRange before) {
          Value end = b.min(b.add(first, kTilesPerFold), tokens.wholeTiles);
          return fold(addTiles(first, end, start, false, before.back()), before);
        });
        sums = fold(addTiles(tokens.wholeTiles, p.colTiles, start, true, wide.back()), wide);
      } else {
        sums = addTiles(zero, tokens.wholeTiles, start, false, weights);
        Value at = sums.pop_back_val();
        sums = addTiles(tokens.wholeTiles, p.colTiles, sums, true, at);
      }
      for (int64_t t = 0; t < count; ++t) {
        Values rows = count == 1 ? Values(ValueRange(sums).drop_back()) : s.finish(sums, t);
        VectorType all = b.i32s(4 * s.vectors);
        Value bias = b.broadcast(b.load(tokens.biases, b.index(t)), all);
        storeRows(b, p, b.add(concat(b, rows), bias), tokens.accRows[t], b.add(firstRow, strip / 4));
      }
    }
  });
}
