//===- VnniTile.cpp - Any number of tokens by vpdpbusd in register tiles -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sums of two vectors of rows times a group of tokens stay in registers over a
// chunk of columns. Planes are masked in place and taken one after another, the one
// that counts most first: sums of 64 times the plane at bits 7:6 are shifted down by
// two before those of 16 times the next join them, and so on to the last, exactly.
// So one `and` is all that unpacks a vector, for all tokens of a group. A chunk's
// weights are read four times and for each group, from L1.
//
//===----------------------------------------------------------------------===//

#include "Vnni.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

/// Tiles of a chunk: its weights and the activations of a group fit in L1. Tokens of one parallel loop: their
/// activations and sums stay in L2.
static constexpr int64_t kChunkTiles = 80, kMostTokens = 128;

namespace {

/// Tokens whose sums are in registers together, and the columns to add.
struct Group {
  int64_t tokens;
  Value first, slot;      // the first of them, counted from the block's, and where its sums are
  Value weights, bytes;   // where the columns begin, and the next ones after them
  Value count;            // tiles of columns
  Value isFirst;          // whether there are no sums yet
  Value acc;              // where the first row of the first token is in acc
  Value x, start, stride; // where the activations of those columns are
};

/// The work of one task: two neighbouring vectors of rows, all tokens.
struct Tile {
  KernelBuilder &b;
  const Product &p;
  const x86::Vpdpbusd &instruction;
  static constexpr int64_t vectors = 2;
  int64_t lanes;     // rows of both
  Value second;      // bytes from the first one's codes to those of the second
  Value biases;      // minus the sum of each token's activations
  Value sums, stage; // scratch: [token][row] int32, and 16 columns of each token of a group

  Tile(KernelBuilder &b, const Product &p, const x86::Vpdpbusd &instruction, Value biases)
      : b(b), p(p), instruction(instruction), lanes(vectors * instruction.lanes), biases(biases) {}

  VectorType sumType() const { return b.i32s(instruction.lanes); }

  Values loadSums(const Group &group);
  void step(MutableArrayRef<Value> part, int64_t plane, const Group &group, ArrayRef<Value> rows, Value at,
            Value column);
  void add(const Group &group);
  std::array<Value, 3> stageTail(Value token, Value tokens, Value column, Value tiles);
};

/// `total` in as few parts of at most `most` as will do, all of one size but for the last ones, which lack one.
struct Parts {
  Value count, size, smaller;
  Parts(KernelBuilder &b, Value total, int64_t most) : count(b.ceilDiv(total, most)) {
    size = b.div(b.sub(b.add(total, count), b.index(1)), b.max(count, b.index(1)));
    smaller = b.sub(b.mul(count, size), total);
  }
  Value sizeOf(KernelBuilder &b, Value part) {
    Value isSmaller = b.cmp(arith::CmpIPredicate::sge, part, b.sub(count, smaller));
    return b.select(isSmaller, b.sub(size, b.index(1)), size);
  }
};

} // namespace

Value x86::Vpdpbusd::dot(KernelBuilder &b, Value sums, Value codes, Value activations) const {
  // The 256-bit name serves both encodings: AVX-VNNI's and that of AVX-512 VNNI with VL.
  StringRef name = lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
  return LLVM::CallIntrinsicOp::create(b, sums.getType(), b.getStringAttr(name), ValueRange{sums, codes, activations})
      .getResult(0);
}

/// The sums so far.
Values Tile::loadSums(const Group &group) {
  const int64_t size = vectors * group.tokens;
  return b.choose(
      group.isFirst,
      [&] {
        Values start;
        Value acc = group.acc; // its lines are written in the end: by then they are here
        for (int64_t t = 0; t < group.tokens; ++t, acc = b.add(acc, p.accStride))
          for (int64_t line = 0; line < lanes; line += 16)
            b.prefetch(p.acc, b.add(acc, line), /*locality=*/2);
        for (int64_t i = 0; i < size; ++i)
          start.push_back(b.broadcast(b.load(biases, b.add(group.first, i / vectors)), sumType()));
        return start;
      },
      [&] {
        Values loaded;
        for (int64_t i = 0; i < size; ++i)
          loaded.push_back(b.load(sums, b.add(group.slot, instruction.lanes * i), sumType()));
        return loaded;
      });
}

/// One plane of one tile of columns.
void Tile::step(MutableArrayRef<Value> part, int64_t plane, const Group &group, ArrayRef<Value> rows, Value at,
                Value column) {
  Values masked;
  for (int64_t v = 0; v < vectors; ++v) {
    Value from = v ? b.add(at, second) : at;
    // The weights of the next columns: their lines are asked for while the first two planes are done.
    if (3 - plane == v && 64 * v < std::max(p.stepBytes, 4 * lanes))
      b.prefetch(p.weight, b.add(from, group.bytes), /*locality=*/2);
    Value codes = b.load(p.weight, from, b.i8s(instruction.bytes()));
    masked.push_back(b.bitAnd(codes, static_cast<int8_t>(3 << 2 * plane)));
  }
  for (int64_t t = 0; t < group.tokens; ++t) {
    Value four = b.broadcastDword(group.x, b.add(b.add(rows[t], column), 4 * plane), instruction.bytes());
    for (int64_t v = 0; v < vectors; ++v)
      part[t * vectors + v] = instruction.dot(b, part[t * vectors + v], masked[v], four);
  }
}

/// Adds the group's columns, plane after plane.
void Tile::add(const Group &group) {
  const int64_t size = vectors * group.tokens;
  // A sum waits for its last addition: few sums are doubled, so that there are at least ten at work.
  int64_t copies = 1;
  while (copies < 4 && size * copies < 10 && size * (copies + 1) + vectors + 2 <= instruction.registers)
    ++copies;
  Values rows, all(size * copies, b.constant(sumType(), 0));
  Value start = group.start;
  for (int64_t t = 0; t < group.tokens; ++t, start = b.add(start, group.stride))
    rows.push_back(start);
  Value rest = copies == 1 ? b.index(0) : b.rem(group.count, b.index(copies)), whole = b.sub(group.count, rest);
  for (int64_t plane = 3; plane >= 0; --plane) {
    auto body = [&](int64_t unroll) {
      return [&, unroll](Value, ValueRange now) {
        Values next(now);
        Value &at = next[size * copies], &column = next.back();
        for (int64_t copy = 0; copy < unroll; ++copy) {
          step(MutableArrayRef<Value>(next).slice(copy * size, size), plane, group, rows, at, column);
          at = b.add(at, p.stepBytes), column = b.add(column, Product::kTile);
        }
        return next;
      };
    };
    all.append({group.weights, b.index(0)});
    all = b.loop(b.index(0), whole, copies, all, body(copies));
    all = b.loop(b.index(0), rest, 1, all, body(1));
    all.resize(size * copies);
    for (Value &sum : all)
      sum = plane ? b.sra(sum, 2) : sum;
  }
  Values total = loadSums(group);
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t copy = 0; copy < copies; ++copy)
      total[i] = b.add(total[i], all[copy * size + i]);
    b.store(total[i], sums, b.add(group.slot, instruction.lanes * i));
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

/// Tokens [from, to), at most kMostTokens, in groups of `fewest` tokens at least.
static void emitBlock(KernelBuilder &b, const Product &p, Value from, Value to, int64_t fewest,
                      const x86::Vpdpbusd &instruction) {
  Tile tile(b, p, instruction, emitBiases(b, p, from, to, kMostTokens));
  const int64_t most = instruction.mostTokens(), lanes = tile.lanes;
  // A task is a part of a block, or two blocks; after an odd number of them the last stands in for its neighbour.
  const int64_t passes = std::max<int64_t>(p.blockRows / lanes, 1), blocksLog = p.blockRows < lanes;
  Value zero = b.index(0), one = b.index(1), tokens = b.sub(to, from);
  Parts groups(b, tokens, most);
  Value whole = b.shr(p.k, 4), tail = b.sub(p.colTiles, whole);
  Parts chunks(b, whole, kChunkTiles);

  b.forall(b.mul(b.ceilDiv(p.rowBlocks, 1 << blocksLog), passes), getGrain(p, 16 << 10) * passes, [&](Value index) {
    tile.sums = b.scratch(kMostTokens * lanes, b.getI32Type());
    tile.stage = b.scratch(most * Product::kTile, p.activation);
    Value part = b.div(index, b.index(passes)), pass = b.sub(index, b.mul(part, passes)),
          block = b.shl(part, blocksLog);
    Value start = b.add(b.mul(block, p.blockBytes), b.mul(pass, 4 * lanes));
    Value firstRow = b.add(b.shl(block, p.blockRowsLog), b.mul(pass, lanes));
    Value last = b.cmp(arith::CmpIPredicate::sge, b.add(block, 1), p.rowBlocks);
    tile.second = blocksLog ? b.select(last, zero, p.blockBytes) : b.index(instruction.bytes());
    // Columns after the last whole tile are a chunk of their own.
    b.loop(zero, b.add(chunks.count, tail), 1, {start, zero}, [&](Value i, ValueRange chunk) {
      Value count = chunks.sizeOf(b, i), column = b.shl(chunk[1], 4);
      if (getConstant(tail) != 0)
        count = b.select(b.cmp(arith::CmpIPredicate::eq, chunk[1], whole), one, count);
      Value bytes = b.shl(count, p.stepBytesLog), isFirst = b.equals(chunk[1], 0);
      b.loop(zero, groups.count, 1, {zero, zero}, [&](Value i, ValueRange now) {
        Value size = groups.sizeOf(b, i), token = b.add(from, now[0]);
        auto known = getConstant(groups.size);
        for (int64_t few = fewest; few <= most; ++few) {
          if (known && few != *known && few != *known - 1)
            continue;
          b.branch(b.equals(size, few), [&] {
            auto [x, at, stride] = tile.stageTail(token, b.add(token, few), column, count);
            Value acc = b.add(b.mul(token, p.accStride), firstRow);
            tile.add({few, now[0], now[1], chunk[0], bytes, count, isFirst, acc, x, at, stride});
          });
        }
        return Values{b.add(now[0], size), b.add(now[1], b.mul(size, lanes))};
      });
      return Values{b.add(chunk[0], bytes), b.add(chunk[1], count)};
    });
    b.loop(zero, tokens, 1, {b.mul(from, p.accStride), zero}, [&](Value, ValueRange now) {
      for (int64_t v = 0; v < tile.vectors; ++v) {
        Value row = b.add(firstRow, instruction.lanes * v);
        b.branch(b.cmp(arith::CmpIPredicate::slt, row, p.n), [&] {
          Value slot = b.add(now[1], instruction.lanes * v);
          storeRows(b, p, b.load(tile.sums, slot, tile.sumType()), now[0], row);
        });
      }
      return Values{b.add(now[0], p.accStride), b.add(now[1], lanes)};
    });
  });
}

void x86::emitVnniTile(KernelBuilder &b, const Product &p, Value from, Value to, int64_t least,
                       const Vpdpbusd &instruction) {
  // More tokens than a group can hold go in groups that are half full or more.
  const int64_t fewest = std::min(least, (instruction.mostTokens() + 1) / 2);
  Parts blocks(b, b.sub(to, from), kMostTokens);
  b.loop(b.index(0), blocks.count, 1, {from}, [&](Value i, ValueRange now) {
    Value end = b.add(now[0], blocks.sizeOf(b, i));
    emitBlock(b, p, now[0], end, fewest, instruction);
    return Values{end};
  });
}
