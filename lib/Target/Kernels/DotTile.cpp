//===- DotTile.cpp - Any number of tokens by dot products in register tiles -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sums of a few vectors of rows times a group of tokens stay in registers over a
// chunk of columns. Planes are masked in place and taken one after another, the one
// that counts most first: sums of 64 times the plane at bits 7:6 are shifted down by
// two before those of 16 times the next join them, and so on to the last. So a mask
// is all that unpacks a plane, once for all tokens of a group; if there are several
// groups, masked planes are kept in scratch for all of them.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Dot.h"

using namespace mlir;
using namespace setun;

/// Tiles of a chunk of columns: what is read again and again stays in L1 (unpacked, 32 rows are 20 KB). Tokens of one
/// parallel loop: their activations stay in L2.
static constexpr int64_t kChunkInPlace = 80, kChunkUnpacked = 40, kMostTokens = 128;

namespace {

/// A plane of codes and where it is in its byte.
struct Plane {
  int64_t index, down;
  int8_t mask;
  int64_t scale; // log4 of what a masked code counts
};

/// The work of one task: `vectors` neighbouring vectors of rows, all tokens.
struct Tile {
  KernelBuilder &b;
  const Product &p;
  const DotInstruction &dot;
  int64_t vectors;
  SmallVector<Plane, 4> planes;
  Value codes = {}, sums = {}, stage = {}; // scratch: [plane][tile][row] masked, [token][row] int32, [token][16]

  Tile(KernelBuilder &b, const Product &p, const DotInstruction &dot)
      : b(b), p(p), dot(dot), vectors(std::min(p.stepBytes / (4 * dot.lanes), vectorsFor(dot))) {
    // Where a code of 128 is negative, the last plane is shifted down and joins the first.
    for (int64_t index : {3, 2, 1})
      if (index < 3 || dot.unsignedCodes)
        planes.push_back({index, 0, static_cast<int8_t>(3 << 2 * index), index});
    if (!dot.unsignedCodes)
      planes.push_back({3, 6, 3, 0});
    planes.push_back({0, 0, 3, 0});
  }

  static int64_t vectorsFor(const DotInstruction &dot) { return dot.lanes == 4 ? 4 : 2; }
  /// Sums, masked codes, a mask and the activations of one token fill the registers.
  int64_t mostTokens() const { return (dot.registers - 2 - vectors) / vectors; }
  VectorType bytes() { return b.i8s(4 * dot.lanes); }
  int64_t rowBytes() const { return 4 * dot.lanes * vectors; }

  Value maskPlane(Value weights, int64_t v, const Plane &plane);
  Value shiftPlane(Value loaded, int64_t plane);
  void unpack(Value weights, Value count);
  void addUnpacked(int64_t tokens, Value count, Value x, Value start, Value stride, Value slot);
  void addInPlace(int64_t tokens, Value weights, Value count, Value x, Value start, Value stride, Value slot);
  std::array<Value, 3> stageTail(Value token, Value tokens, Value column, Value tiles);
};

} // namespace

/// One plane of vector v of the tile at `weights`.
Value Tile::maskPlane(Value weights, int64_t v, const Plane &plane) {
  Value loaded = b.load(p.weight, b.add(weights, 4 * dot.lanes * v), bytes());
  return plane.down ? b.shr(loaded, plane.down) : b.bitAnd(loaded, plane.mask);
}

/// The codes of one plane, each the low bits of its byte.
Value Tile::shiftPlane(Value loaded, int64_t plane) {
  if (!dot.unsignedCodes) // such machines shift bytes
    return plane == 3 ? b.shr(loaded, 6) : b.bitAnd(plane ? b.shr(loaded, 2 * plane) : loaded, 3);
  auto words = b.i16s(2 * dot.lanes);
  Value shifted = plane ? b.bitcast(b.shr(b.bitcast(loaded, words), 2 * plane), bytes()) : loaded;
  return b.bitAnd(shifted, 3);
}

/// Unpacks `count` tiles: a byte a code, plane after plane.
void Tile::unpack(Value weights, Value count) {
  b.loop(b.index(0), count, 1, {weights, b.index(0)}, [&](Value, ValueRange now) {
    for (int64_t v = 0; v < vectors; ++v) {
      Value loaded = b.load(p.weight, b.add(now[0], 4 * dot.lanes * v), bytes());
      for (int64_t plane = 0; plane < 4; ++plane)
        b.store(shiftPlane(loaded, plane), codes, b.add(now[1], plane * rowBytes() + 4 * dot.lanes * v));
    }
    return Values{b.add(now[0], p.stepBytes), b.add(now[1], 4 * rowBytes())};
  });
}

/// Adds `count` unpacked tiles of columns to the sums of `tokens` tokens.
void Tile::addUnpacked(int64_t tokens, Value count, Value x, Value start, Value stride, Value slot) {
  const int64_t size = vectors * tokens;
  Values rows, all;
  for (int64_t t = 0; t < tokens; ++t, start = b.add(start, stride))
    rows.push_back(start);
  for (int64_t i = 0; i < size; ++i)
    all.push_back(b.load(sums, b.add(slot, dot.lanes * i), b.i32s(dot.lanes)));
  all.append({b.index(0), b.index(0)});
  // A step is one plane: a longer one tempts the scheduler to load more than registers hold. Where one load gives the
  // activations of four planes, it is all four.
  const int64_t most = dot.byElement ? 4 : 1;
  all = b.loop(b.index(0), b.shl(count, 2), most, all, [&](Value, ValueRange now) {
    Values next(now);
    for (int64_t plane = 0; plane < most; ++plane) {
      Values plain;
      for (int64_t v = 0; v < vectors; ++v)
        plain.push_back(b.load(codes, b.add(now[size], plane * rowBytes() + 4 * dot.lanes * v), bytes()));
      for (int64_t t = 0; t < tokens; ++t) {
        Value activations = dot.columns(b, x, b.add(rows[t], now.back()))[plane];
        for (int64_t v = 0; v < vectors; ++v)
          next[t * vectors + v] = dot.dot(b, next[t * vectors + v], plain[v], activations);
      }
    }
    next[size] = b.add(now[size], most * rowBytes());
    next[size + 1] = b.add(now[size + 1], most * 4);
    return next;
  });
  for (int64_t i = 0; i < size; ++i)
    b.store(all[i], sums, b.add(slot, dot.lanes * i));
}

/// Adds `count` tiles of columns to the sums of `tokens` tokens, plane after plane.
void Tile::addInPlace(int64_t tokens, Value weights, Value count, Value x, Value start, Value stride, Value slot) {
  const int64_t size = vectors * tokens;
  // A sum waits for its last addition: few sums are doubled, so that there are at least ten at work.
  int64_t copies = 1;
  while (copies < 4 && size * copies < 10 && size * (copies + 1) + vectors + 2 <= dot.registers)
    ++copies;
  Values rows;
  for (int64_t t = 0; t < tokens; ++t, start = b.add(start, stride))
    rows.push_back(start);
  Values all(size * copies, b.constant(b.i32s(dot.lanes), 0));
  for (size_t i = 0; i < planes.size(); ++i) {
    const Plane &plane = planes[i];
    if (i && planes[i - 1].scale != plane.scale)
      for (Value &sum : all)
        sum = b.sra(sum, 2 * (planes[i - 1].scale - plane.scale));
    auto step = [&](MutableArrayRef<Value> part, Value at, Value column) {
      Values masked;
      for (int64_t v = 0; v < vectors; ++v)
        masked.push_back(maskPlane(at, v, plane));
      for (int64_t t = 0; t < tokens; ++t) {
        Value activations = dot.columns(b, x, b.add(rows[t], column))[plane.index];
        for (int64_t v = 0; v < vectors; ++v)
          part[t * vectors + v] = dot.dot(b, part[t * vectors + v], masked[v], activations);
      }
    };
    auto body = [&](int64_t unroll) {
      return [&, unroll](Value, ValueRange now) {
        Values next(now);
        Value &at = next[size * copies], &column = next.back();
        for (int64_t copy = 0; copy < unroll; ++copy) {
          step(MutableArrayRef<Value>(next).slice(copy * size, size), at, column);
          at = b.add(at, p.stepBytes), column = b.add(column, Product::kTile);
        }
        return next;
      };
    };
    Value rest = copies == 1 ? b.index(0) : b.rem(count, b.index(copies)), whole = b.sub(count, rest);
    all.append({weights, b.index(0)});
    all = b.loop(b.index(0), whole, copies, all, body(copies));
    all = b.loop(b.index(0), rest, 1, all, body(1));
    all.resize(size * copies);
  }
  for (int64_t i = 0; i < size; ++i) {
    Value at = b.add(slot, dot.lanes * i), sum = b.load(sums, at, b.i32s(dot.lanes));
    for (int64_t copy = 0; copy < copies; ++copy)
      sum = b.add(sum, all[copy * size + i]);
    b.store(sum, sums, at);
  }
}

/// Buffer, first element and stride of the activations of tokens [token, tokens) from `column` on: in place, or where K
/// ends inside the one tile, copied and filled up with zeros.
std::array<Value, 3> Tile::stageTail(Value token, Value tokens, Value column, Value tiles) {
  Value at = b.add(b.mul(token, p.xStride), column), left = b.sub(p.k, column);
  auto k = getConstant(p.k);
  if (k && *k % Product::kTile == 0)
    return {p.x, at, p.xStride};
  Values result = b.choose(
      b.cmp(arith::CmpIPredicate::sge, left, b.shl(tiles, 4)), [&] { return Values{p.x, at, p.xStride}; },
      [&] {
        Value zero = b.constant(b.i8s(Product::kTile), 0);
        b.loop(token, tokens, 1, {at, b.index(0)}, [&](Value, ValueRange now) {
          b.store(zero, stage, now[1]);
          b.loop(b.index(0), left, 1,
                 [&](Value i) { b.store(b.load(p.x, b.add(now[0], i)), stage, b.add(now[1], i)); });
          return Values{b.add(now[0], p.xStride), b.add(now[1], Product::kTile)};
        });
        return Values{b.dynamicView(stage), b.index(0), b.index(Product::kTile)};
      });
  return {result[0], result[1], result[2]};
}

/// Tokens [from, to), at most kMostTokens.
static void emitBlock(KernelBuilder &b, const Product &p, Value from, Value to, const DotInstruction &dot) {
  Value biases = emitBiases(b, p, from, to, kMostTokens), zero = b.index(0), one = b.index(1);
  Tile tile(b, p, dot);
  const int64_t most = tile.mostTokens(), passes = p.stepBytes / tile.rowBytes(), lanes = dot.lanes * tile.vectors;
  // Groups of equal size, but for the last ones that lack a token.
  Value tokens = b.sub(to, from), groups = b.ceilDiv(tokens, most);
  Value size = b.div(b.sub(b.add(tokens, groups), one), groups), smaller = b.sub(b.mul(groups, size), tokens);
  // Chunks of equal size as well; columns after the last whole tile are a chunk of their own.
  Value whole = b.shr(p.k, 4), oneGroup = b.equals(groups, 1);
  Value chunks = b.select(oneGroup, b.ceilDiv(whole, kChunkInPlace), b.ceilDiv(whole, kChunkUnpacked));
  Value divisor = b.max(chunks, one), chunkTiles = b.div(b.sub(b.add(whole, divisor), one), divisor);

  b.forall(b.mul(p.rowBlocks, passes), getGrain(p, 16 << 10) * passes, [&](Value index) {
    tile.codes = b.scratch(4 * kChunkUnpacked * tile.rowBytes(), b.getI8Type());
    tile.sums = b.scratch(kMostTokens * lanes, b.getI32Type());
    tile.stage = b.scratch(most * Product::kTile, p.activation);
    Value block = b.div(index, b.index(passes)), pass = b.sub(index, b.mul(block, passes));
    Value start = b.add(b.mul(block, p.blockBytes), b.mul(pass, tile.rowBytes()));
    Value firstRow = b.add(b.shl(block, p.blockRowsLog), b.mul(pass, lanes));
    b.loop(zero, tokens, 1, {zero}, [&](Value t, ValueRange now) {
      b.store(b.broadcast(b.load(biases, t), b.i32s(lanes)), tile.sums, now[0]);
      return Values{b.add(now[0], lanes)};
    });
    auto addChunk = [&](Value weights, Value first, Value count) {
      Value column = b.shl(first, 4);
      auto addGroup = [&](int64_t count_, bool kept, Value token, Value slot) {
        auto [x, at, stride] = tile.stageTail(token, b.add(token, count_), column, count);
        if (kept)
          tile.addUnpacked(count_, count, x, at, stride, slot);
        else
          tile.addInPlace(count_, weights, count, x, at, stride, slot);
      };
      b.branch(
          oneGroup,
          [&] {
            for (int64_t few = 1; few <= most; ++few)
              b.branch(b.equals(tokens, few), [&] { addGroup(few, false, from, zero); });
          },
          [&] {
            tile.unpack(weights, count);
            b.loop(zero, groups, 1, {from, zero}, [&](Value group, ValueRange now) {
              Value isSmaller = b.cmp(arith::CmpIPredicate::sge, group, b.sub(groups, smaller));
              Value mine = b.select(isSmaller, b.sub(size, one), size);
              auto known = getConstant(size);
              for (int64_t few = most / 2; few <= most; ++few)
                if (!known || few == *known || few == *known - 1)
                  b.branch(b.equals(mine, few), [&] { addGroup(few, true, now[0], now[1]); });
              return Values{b.add(now[0], mine), b.add(now[1], b.mul(mine, lanes))};
            });
          });
    };
    Value last = b.loop(zero, chunks, 1, {start, zero}, [&](Value, ValueRange now) {
      Value count = b.min(chunkTiles, b.sub(whole, now[1]));
      addChunk(now[0], now[1], count);
      return Values{b.add(now[0], b.mul(count, p.stepBytes)), b.add(now[1], count)};
    })[0];
    b.branch(b.cmp(arith::CmpIPredicate::slt, whole, p.colTiles), [&] { addChunk(last, whole, one); });
    b.loop(zero, tokens, 1, {b.mul(from, p.accStride), zero}, [&](Value, ValueRange now) {
      for (int64_t v = 0; v < tile.vectors; ++v)
        storeRows(b, p, b.load(tile.sums, b.add(now[1], dot.lanes * v), b.i32s(dot.lanes)), now[0],
                  b.add(firstRow, dot.lanes * v));
      return Values{b.add(now[0], p.accStride), b.add(now[1], lanes)};
    });
  });
}

void setun::emitDotTile(KernelBuilder &b, const Product &p, Value from, Value to, const DotInstruction &dot) {
  b.loop(from, to, kMostTokens,
         [&](Value first) { emitBlock(b, p, first, b.min(b.add(first, kMostTokens), to), dot); });
}
