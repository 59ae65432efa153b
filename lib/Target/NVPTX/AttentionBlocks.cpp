//===- AttentionBlocks.cpp - Attention of many queries --------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row is one query of one head. A block takes 32 rows whose heads share keys and up to 128 columns of the result, and
// walks over the keys that any of its rows sees, 32 at a time, with an online softmax. Q, K and V stand in shared
// memory as f32; lines are four elements longer than they need to be, so that neighbouring lines lie in different
// banks. A thread has four rows and two keys of the scores, and of the result the same rows and eight columns. The next
// tile is read from memory while the present one is multiplied.
//
//===----------------------------------------------------------------------===//

#include "AttentionKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 128, kRows = 32, kKeys = 32, kDepth = 128;
constexpr int64_t kThreadRows = 4, kThreadKeys = 2;
constexpr int64_t kRowThreads = kKeys / kThreadKeys; // threads that share rows
constexpr int64_t kProbabilities = kKeys + 4;        // line of the tile of probabilities
static_assert(kRows / kThreadRows * kRowThreads == kThreads);

namespace {

struct BlockEmitter {
  DeviceAttention &a;
  LineBuilder &b = a.b;
  nn::AttentionOp op = a.op;
  Type f32 = a.f32;
  VectorType quad = b.vec(4, f32);
  // Of a line in shared memory: q and k in pieces of `depth` elements, v in sweeps of `width` columns.
  int64_t depth = std::min<int64_t>(llvm::alignTo(a.depth, 4), kDepth);
  int64_t width = std::min<int64_t>(llvm::alignTo(a.columns, 4), kDepth);
  int64_t pieces = llvm::divideCeil(a.depth, depth), sweeps = llvm::divideCeil(a.columns, width);
  int64_t threadQuads = llvm::divideCeil(width, 4 * kRowThreads); // of the result, in a row
  int64_t lineQ = depth + 4, lineKV = std::max(depth, width) + 4;
  Value sharedQ = {}, sharedKV = {}, probabilities = {};
  // Of one task, and of this thread.
  Value batch = {}, group = {}, firstRow = {}, firstColumn = {}, rowCount = {};
  Value rowPlace = {}, keyPlace = {}; // which four rows, and which key of sixteen
  Values query = {}, head = {}, from = {}, to = {};
  Value firstKey = {}, lastKey = {};
  bool aligned = false;

  /// A tile of `count` lines, each of `size` elements, shared by the block's threads four elements at a time: runs
  /// `body` with the line and the element of each quad of this thread.
  void forEachQuad(const Threads &t, int64_t count, int64_t size,
                   function_ref<void(Value line, Value at, Value exists)> body) {
    int64_t quads = size / 4;
    for (int64_t i = 0; i * kThreads < count * quads; ++i) {
      Value place = b.add(t.thread, i * kThreads), exists;
      if ((i + 1) * kThreads > count * quads)
        exists = b.cmp(arith::CmpIPredicate::ult, place, b.index(count * quads));
      if (exists)
        place = b.min(place, b.index(count * quads - 1));
      body(b.div(place, b.index(quads)), b.mul(b.rem(place, b.index(quads)), 4), exists);
    }
  }

  /// Reads so many elements from a column of some line, as f32.
  using Reader = function_ref<Value(Value column, int64_t lanes)>;

  /// Four elements of a line of `size` elements, zeros past its end; `inside` if they cannot be past it.
  Value readQuad(Reader read, Value column, int64_t size, bool inside) {
    if (inside)
      return read(column, 4);
    auto exists = [&](Value at) { return b.cmp(arith::CmpIPredicate::ult, at, b.index(size)); };
    if (aligned)
      return b.select(exists(column), read(b.min(column, b.index(size - 4)), 4), b.real(quad, 0));
    Values parts;
    for (int64_t i = 0; i < 4; ++i) {
      Value at = b.add(column, i), value = b.lane(read(b.min(at, b.index(size - 1)), 1), 0);
      parts.push_back(b.select(exists(at), value, b.real(f32, 0)));
    }
    return b.pack(parts);
  }

  /// A tile of K or V from `start`, columns from `column`, into registers. Keys past the last repeat it.
  Values readKeys(const Threads &t, Value buffer, Value start, Value column, int64_t size, int64_t whole, bool inside) {
    Values tile;
    Value last = b.max(b.sub(lastKey, b.index(1)), b.index(0));
    forEachQuad(t, kKeys, size, [&](Value line, Value at, Value) {
      Value key = b.min(b.add(start, line), last);
      auto read = [&](Value at, int64_t lanes) {
        return b.convert(b.readLanes(buffer, {batch, group, key, at}, lanes, aligned), f32);
      };
      tile.push_back(readQuad(read, b.add(column, at), whole, inside));
    });
    return tile;
  }

  void putTile(const Threads &t, Value shared, int64_t line, int64_t size, int64_t count, ValueRange tile) {
    unsigned i = 0;
    forEachQuad(t, count, size, [&](Value row, Value at, Value exists) {
      Value place = b.add(b.mul(row, line), at), values = tile[i++];
      b.branch(exists ? exists : b.constant(b.getI1Type(), 1), [&] { b.storeAligned(values, shared, place); });
    });
  }

  void putQueries(const Threads &t, Value column) {
    Values tile;
    forEachQuad(t, kRows, depth, [&](Value line, Value at, Value) {
      Value row = b.min(b.add(firstRow, line), b.sub(rowCount, b.index(1)));
      Value headOfRow = b.add(b.mul(group, a.ratio), b.rem(row, a.ratio));
      auto read = [&](Value at, int64_t lanes) {
        return a.readQuery(batch, headOfRow, b.div(row, a.ratio), at, lanes, aligned);
      };
      tile.push_back(readQuad(read, b.add(column, at), a.depth, a.depth % depth == 0));
    });
    putTile(t, sharedQ, lineQ, depth, kRows, tile);
  }

  Values readK(const Threads &t, Value start, Value column) {
    return readKeys(t, op.getK(), start, column, depth, a.depth, a.depth % depth == 0);
  }
  Values readV(const Threads &t, Value start) {
    return readKeys(t, op.getV(), start, firstColumn, width, a.columns, a.columns % width == 0);
  }

  /// Adds the products of one piece of q and k to the scores of four rows and two keys.
  Values multiplyKeys(ValueRange scores) {
    Value q = b.mul(rowPlace, kThreadRows * lineQ), k = b.mul(keyPlace, lineKV);
    int64_t step = depth % 16 == 0 ? 16 : 4;
    return b.loop(b.index(0), b.index(depth), step, scores, [&](Value at, ValueRange carried) {
      Values next(carried);
      for (int64_t d = 0; d < step; d += 4) {
        Values rows, keys;
        for (int64_t i = 0; i < kThreadRows; ++i)
          rows.push_back(b.loadAligned(sharedQ, b.add(b.add(q, at), i * lineQ + d), quad));
        for (int64_t j = 0; j < kThreadKeys; ++j)
          keys.push_back(b.loadAligned(sharedKV, b.add(b.add(k, at), j * kRowThreads * lineKV + d), quad));
        for (int64_t i = 0; i < kThreadRows; ++i)
          for (int64_t j = 0; j < kThreadKeys; ++j)
            for (int64_t e = 0; e < 4; ++e) {
              Value &sum = next[i * kThreadKeys + j];
              sum = b.fma(b.lane(rows[i], e), b.lane(keys[j], e), sum);
            }
      }
      return next;
    });
  }

  /// The first of four columns of this thread, the `i`-th of them; threads past the last repeat it.
  Value columnOf(int64_t i) {
    Value column = b.add(b.mul(keyPlace, 4), i * 4 * kRowThreads);
    return (i + 1) * 4 * kRowThreads <= width ? column : b.min(column, b.index(width - 4));
  }

  Values multiplyValues(ValueRange results) {
    return b.loop(b.index(0), b.index(kKeys), 4, results, [&](Value key, ValueRange carried) {
      Values next(carried), rows;
      for (int64_t i = 0; i < kThreadRows; ++i) {
        Value line = b.add(b.mul(rowPlace, kThreadRows * kProbabilities), i * kProbabilities);
        rows.push_back(b.loadAligned(probabilities, b.add(line, key), quad));
      }
      for (int64_t k = 0; k < 4; ++k)
        for (int64_t j = 0; j < threadQuads; ++j) {
          Value values = b.loadAligned(sharedKV, b.add(b.mul(b.add(key, k), lineKV), columnOf(j)), quad);
          for (int64_t i = 0; i < kThreadRows; ++i) {
            Value &sum = next[i * threadQuads + j];
            sum = b.fma(b.broadcast(b.lane(rows[i], k), quad), values, sum);
          }
        }
      return next;
    });
  }

  Value foldRow(Value value, function_ref<Value(Value, Value)> combine) {
    for (int64_t mask = kRowThreads / 2; mask > 0; mask /= 2)
      value = combine(value, b.shuffleXor(value, mask));
    return value;
  }

  /// The softmax of a tile: writes the probabilities and gives the new largest and sums, and the factors of what was.
  struct Softmax {
    Values largest, sums, factors;
  };
  Softmax weigh(Value start, ValueRange dots, ValueRange largest, ValueRange sums) {
    Softmax result;
    for (int64_t i = 0; i < kThreadRows; ++i) {
      Values scores;
      Value max = a.minusInfinity();
      for (int64_t j = 0; j < kThreadKeys; ++j) {
        Value key = b.add(b.add(start, keyPlace), j * kRowThreads);
        Value inside = b.min(key, b.max(b.sub(lastKey, b.index(1)), b.index(0)));
        Value score = a.score(dots[i * kThreadKeys + j], batch, head[i], query[i], inside);
        Value shown = b.cmp(arith::CmpIPredicate::slt, key, to[i]);
        if (op.getWindow() > 0)
          shown = b.both(shown, b.cmp(arith::CmpIPredicate::sge, key, from[i]));
        scores.push_back(b.select(shown, score, a.minusInfinity()));
        max = b.larger(scores.back(), max);
      }
      max = b.larger(foldRow(max, [&](Value x, Value y) { return b.larger(x, y); }), largest[i]);
      Value base = a.base(max), factor = b.exp(b.subf(largest[i], base)), sum = b.mulf(sums[i], factor);
      for (int64_t j = 0; j < kThreadKeys; ++j) {
        Value power = b.exp(b.subf(scores[j], base));
        sum = b.addf(sum, power);
        Value line = b.add(b.mul(rowPlace, kThreadRows * kProbabilities), i * kProbabilities + j * kRowThreads);
        b.store(power, probabilities, b.add(line, keyPlace));
      }
      result.largest.push_back(max);
      result.sums.push_back(sum);
      result.factors.push_back(factor);
    }
    return result;
  }

  void setTask(const Threads &t, Value item, Value rowTiles) {
    // The last rows see the most keys: they begin first.
    Values at = b.delinearize(item, {rowTiles, a.batches, a.groups, b.index(sweeps)});
    firstRow = b.mul(b.sub(b.sub(rowTiles, b.index(1)), at[0]), kRows);
    batch = at[1], group = at[2], firstColumn = b.mul(at[3], width);
    rowPlace = b.div(t.thread, b.index(kRowThreads)), keyPlace = b.rem(t.thread, b.index(kRowThreads));
    query.clear(), head.clear(), from.clear(), to.clear();
    Value lastRow = b.sub(rowCount, b.index(1));
    for (int64_t i = 0; i < kThreadRows; ++i) {
      Value row = b.min(b.add(firstRow, b.add(b.mul(rowPlace, kThreadRows), i)), lastRow);
      query.push_back(b.div(row, a.ratio));
      head.push_back(b.add(b.mul(group, a.ratio), b.rem(row, a.ratio)));
      auto [first, end] = a.visible(query.back());
      from.push_back(first), to.push_back(end);
    }
    firstKey = a.visible(b.div(firstRow, a.ratio)).first;
    lastKey = a.visible(b.div(b.min(b.add(firstRow, kRows - 1), lastRow), a.ratio)).second;
  }

  void emitTask(const Threads &t) {
    bool whole = pieces == 1; // the queries stay, and the next keys are read ahead
    if (whole)
      putQueries(t, b.index(0));
    Values init(kThreadRows, a.minusInfinity());
    init.append(kThreadRows, b.real(f32, 0));
    init.append(kThreadRows * threadQuads, b.real(quad, 0));
    unsigned numResults = init.size();
    if (whole) {
      // There may be no key at all.
      Values zeros(llvm::divideCeil(kKeys * depth / 4, kThreads), b.real(quad, 0));
      Value some = b.cmp(arith::CmpIPredicate::slt, firstKey, lastKey);
      llvm::append_range(init, b.choose(some, [&] { return readK(t, firstKey, b.index(0)); }, [&] { return zeros; }));
    }
    Values found = b.loop(firstKey, lastKey, kKeys, init, [&](Value start, ValueRange carried) {
      Values v, dots(kThreadRows * kThreadKeys, b.real(f32, 0));
      dots = b.loop(b.index(0), b.index(a.depth), depth, dots, [&](Value column, ValueRange sums) {
        b.barrier(); // nobody reads the last tile any more
        if (whole) {
          putTile(t, sharedKV, lineKV, depth, kKeys, carried.drop_front(numResults));
          v = readV(t, start);
        } else {
          putQueries(t, column);
          putTile(t, sharedKV, lineKV, depth, kKeys, readK(t, start, column));
        }
        b.barrier();
        return multiplyKeys(sums);
      });
      Softmax softmax = weigh(start, dots, carried.take_front(kThreadRows), carried.slice(kThreadRows, kThreadRows));
      Values results(carried.slice(2 * kThreadRows, kThreadRows * threadQuads));
      for (auto [i, result] : llvm::enumerate(results))
        result = b.mulf(result, b.broadcast(softmax.factors[i / threadQuads], quad));
      b.barrier();
      putTile(t, sharedKV, lineKV, width, kKeys, whole ? v : readV(t, start));
      Values next(softmax.largest), ahead;
      llvm::append_range(next, softmax.sums);
      if (whole)
        ahead = readK(t, b.add(start, kKeys), b.index(0));
      b.barrier();
      llvm::append_range(next, multiplyValues(results));
      llvm::append_range(next, ahead);
      return next;
    });
    for (int64_t i = 0; i < kThreadRows; ++i) {
      Value sum = foldRow(found[kThreadRows + i], [&](Value x, Value y) { return b.addf(x, y); });
      Value row = b.add(firstRow, b.add(b.mul(rowPlace, kThreadRows), i));
      for (int64_t j = 0; j < threadQuads; ++j) {
        Value values = found[2 * kThreadRows + i * threadQuads + j];
        for (int64_t e = 0; e < 4; ++e) {
          Value place = b.add(b.mul(keyPlace, 4), j * 4 * kRowThreads + e), column = b.add(firstColumn, place);
          Value exists = b.cmp(arith::CmpIPredicate::slt, row, rowCount);
          exists = b.both(exists, b.cmp(arith::CmpIPredicate::slt, place, b.index(width)));
          exists = b.both(exists, b.cmp(arith::CmpIPredicate::slt, column, b.index(a.columns)));
          b.branch(exists, [&] { a.writeResult(b.lane(values, e), sum, {batch, head[i], query[i], column}); });
        }
      }
    }
    b.barrier(); // the next task's queries
  }

  void emit() {
    rowCount = b.mul(a.queries, a.ratio);
    Value rowTiles = b.ceilDiv(rowCount, kRows);
    Value count = b.product({rowTiles, a.batches, a.groups, b.index(sweeps)});
    b.launch({b.max(count, b.index(1))}, kThreads, [&](const Threads &t) {
      b.forManyTokens();
      b.holdBlocks(2);
      sharedQ = b.shared(kRows * lineQ, f32);
      sharedKV = b.shared(kKeys * lineKV, f32);
      probabilities = b.shared(kRows * kProbabilities, f32);
      bool mayAlign = std::min(a.lanesOfQK(), a.lanesOfV()) >= 4;
      Value canAlign = mayAlign ? a.isAligned(4, 4) : b.constant(b.getI1Type(), 0);
      auto emitAs = [&](Value item, bool vectors) {
        aligned = vectors;
        setTask(t, item, rowTiles);
        emitTask(t);
      };
      b.rounds(t.block, count, t.blocks,
               [&](Value item) { b.branch(canAlign, [&] { emitAs(item, true); }, [&] { emitAs(item, false); }); });
    });
  }
};

} // namespace

void setun::nvptx::emitBlockAttention(DeviceAttention &a) { BlockEmitter{a}.emit(); }
