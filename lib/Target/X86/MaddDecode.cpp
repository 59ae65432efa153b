//===- MaddDecode.cpp - One token by pmaddubsw -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// 32 rows a step of 16 columns: four vectors of 8 rows x 4 bytes (two where a
// block has 16 rows; blocks of 64 take two passes). The planes at bits 1:0 are counted in L and those at bits 3:2, four
// times too large, in H: that saves two of three shifts. H holds 16 of its terms, then joins L.
//
//===----------------------------------------------------------------------===//

#include "Madd.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

static constexpr int64_t kTilesPerBlock = 16, kTilesPerHalf = 8, kMostVectors = 4;

static Value call(KernelBuilder &b, StringRef name, VectorType type, Value x, Value y) {
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), ValueRange{x, y}).getResult(0);
}

Value x86::maddBytes(KernelBuilder &b, Value codes, Value activations) {
  return call(b, "llvm.x86.avx2.pmadd.ub.sw", b.i16s(16), codes, activations);
}

Value x86::addPairs(KernelBuilder &b, Value words) {
  return call(b, "llvm.x86.avx2.pmadd.wd", b.i32s(8), words, b.constant(b.i16s(16), 1));
}

/// L and H of one vector after 16 more columns.
static std::pair<Value, Value> addVector(KernelBuilder &b, Value low, Value high, Value codes,
                                         ArrayRef<Value> columns) {
  Value shifted = b.bitcast(b.shr(b.bitcast(codes, b.i16s(16)), 4), b.i8s(32));
  low = b.add(low, x86::maddBytes(b, b.bitAnd(codes, 3), columns[0]));
  high = b.add(high, x86::maddBytes(b, b.bitAnd(codes, 12), columns[1]));
  low = b.add(low, x86::maddBytes(b, b.bitAnd(shifted, 3), columns[2]));
  high = b.add(high, x86::maddBytes(b, b.bitAnd(shifted, 12), columns[3]));
  return {low, high};
}

void x86::emitMaddDecode(KernelBuilder &b, const Product &p, Value from, Value to) {
  constexpr int64_t most = 32;
  Value biases = emitBiases(b, p, from, to, most), zero = b.index(0), none = b.constant(b.i16s(16), 0);
  const int64_t vectors = std::min(2 * p.interleave, kMostVectors);
  b.forall(p.rowBlocks, getGrain(p, 64 << 10), [&](Value block) {
    Value stage = b.scratch(kTilesPerBlock * Product::kTile, p.activation);
    Value firstRow = b.shl(block, p.blockRowsLog);
    auto rowsOfToken = [&](ValueRange now, int64_t pass) {
      Value blockStart = b.add(b.mul(block, p.blockBytes), 32 * vectors * pass);
      Values start(vectors, b.broadcast(b.load(biases, now[2]), b.i32s(8)));
      start.push_back(blockStart);
      Values sums = b.loop(zero, p.colTiles, kTilesPerBlock, start, [&](Value tile, ValueRange wide) {
        auto [x, at] = stageColumns(b, p, now[0], tile, kTilesPerBlock, stage);
        Value bytes = x, count = b.min(b.sub(p.colTiles, tile), b.index(kTilesPerBlock));
        Values lows(vectors, none);
        lows.append({wide[vectors], at});
        lows = b.loop(zero, count, kTilesPerHalf, lows, [&](Value half, ValueRange outer) {
          Values both(outer.begin(), outer.begin() + vectors);
          both.append(vectors, none);
          both.append({outer[vectors], outer[vectors + 1]});
          Value end = b.min(b.add(half, kTilesPerHalf), count);
          both = b.loop(half, end, 1, both, [&](Value, ValueRange inner) {
            Value weights = inner[2 * vectors], column = inner[2 * vectors + 1];
            Values columns, next(2 * vectors);
            for (int64_t plane = 0; plane < 4; ++plane)
              columns.push_back(b.broadcastDword(bytes, b.add(column, 4 * plane), 32));
            prefetchStream(b, p.weight, weights, 32 * vectors);
            b.prefetch(bytes, b.add(column, 1024)); // weights that pass by push long rows of activations out of L1
            for (int64_t v = 0; v < vectors; ++v) {
              Value codes = b.load(p.weight, b.add(weights, 32 * v), b.i8s(32));
              std::tie(next[v], next[vectors + v]) = addVector(b, inner[v], inner[vectors + v], codes, columns);
            }
            next.append({b.add(weights, p.stepBytes), b.add(column, Product::kTile)});
            return next;
          });
          Values next;
          for (int64_t v = 0; v < vectors; ++v)
            next.push_back(b.add(both[v], b.sra(both[vectors + v], 2)));
          next.append({both[2 * vectors], both[2 * vectors + 1]});
          return next;
        });
        Values next;
        for (int64_t v = 0; v < vectors; ++v)
          next.push_back(b.add(wide[v], addPairs(b, lows[v])));
        next.push_back(lows[vectors]);
        return next;
      });
      for (int64_t v = 0; v < vectors; ++v)
        storeRows(b, p, sums[v], now[1], b.add(firstRow, 8 * (vectors * pass + v)));
    };
    Values rows{b.mul(from, p.xStride), b.mul(from, p.accStride), zero};
    b.loop(from, to, 1, rows, [&](Value, ValueRange now) {
      for (int64_t pass = 0; pass * vectors < 2 * p.interleave; ++pass)
        rowsOfToken(now, pass);
      return Values{b.add(now[0], p.xStride), b.add(now[1], p.accStride), b.add(now[2], 1)};
    });
  });
}
