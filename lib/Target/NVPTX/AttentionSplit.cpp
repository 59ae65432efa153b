//===- AttentionSplit.cpp - Attention of few queries ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task is one query and up to eight heads that share keys; its keys are shared by the warps of several blocks. A warp
// takes a tile of keys: lanes stand along the head, so that keys and values are read in whole lines, once for all
// heads. The tile's sums over lanes are transposed while they are added: each lane ends with the score of one key and
// one head, and does its exp. What warps found is combined in shared memory, what blocks found by the one that comes
// last, both in the order of the keys.
//
//===----------------------------------------------------------------------===//

#include "AttentionKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kWarps = 4, kThreads = kWarps * kWarp;
constexpr int64_t kMinBlocks = 3; // of a multiprocessor
constexpr int64_t kMaxRows = 8;
constexpr int64_t kLaneElements = 32; // of q, and of a tile of keys, in the registers of a lane

namespace {

/// How the lanes of a warp stand along a line: lane l has elements [(32 i + l) width, ...) for i < count.
struct Spread {
  int64_t size, width, count;
  /// `most` elements can be read at once. The fewest reads; then the narrowest, which leave the fewest lanes idle.
  Spread(int64_t size, int64_t most) : size(size), width(1), count(llvm::divideCeil(size, kWarp)) {
    for (int64_t wider = 2; wider <= most; wider *= 2)
      if (int64_t reads = llvm::divideCeil(size, kWarp * wider); reads < count)
        width = wider, count = reads;
  }
  int64_t elements() const { return width * count; }
};

int64_t rowsFor(nn::AttentionOp op, int64_t laneElements) {
  auto q = cast<ShapedType>(op.getQ().getType()), k = cast<ShapedType>(op.getK().getType());
  int64_t rows = 4;
  if (!q.isDynamicDim(1) && !k.isDynamicDim(1) && k.getDimSize(1) > 0)
    rows = llvm::PowerOf2Ceil(std::max<int64_t>(q.getDimSize(1) / k.getDimSize(1), 1));
  rows = std::min(rows, kMaxRows);
  while (rows > 1 && rows * laneElements > kLaneElements)
    rows /= 2;
  return rows;
}

/// The most elements that a lane has of a line: those of lines read one by one or in any vectors are no more.
int64_t laneElementsOf(int64_t size) {
  int64_t most = 0;
  for (int64_t width = 1; width <= 8 && size % width == 0; width *= 2)
    most = std::max(most, Spread(size, width).elements());
  return most;
}

struct SplitEmitter {
  DeviceAttention &a;
  bool forMany;
  LineBuilder &b = a.b;
  nn::AttentionOp op = a.op;
  Type f32 = a.f32;
  // Of all tasks.
  int64_t rows = splitRows(op), tile = 0;           // heads of a task; keys of a warp's tile
  int64_t stride = llvm::alignTo(a.columns, 4) + 4; // of a row in the scratch: sums of values, largest, sum of powers
  Value rowTasks = {}, tasks = {}, splits = {};     // heads / rows of a key head; all tasks; parts of a context
  Value largest = {}, sums = {}, results = {};      // shared: what warps found
  Value scratch = {};                               // null if contexts are not split
  Value factors = {}, totals = {}, isLast = {};     // shared: of the rows that this block combines
  // Of one task.
  Value batch = {}, group = {}, query = {}, firstRow = {}, from = {}, to = {};
  Value each = {}, parts = {}; // keys of a part, and how many parts have keys: at least the first

  int64_t granule() { return kWarps * tile; }
  Value headOf(Value row) {
    return b.add(b.mul(group, a.ratio), b.min(b.add(firstRow, row), b.sub(a.ratio, b.index(1))));
  }

  void setTask(Value task) {
    Values at = b.delinearize(task, {a.batches, a.groups, a.queries, rowTasks});
    batch = at[0], group = at[1], query = at[2], firstRow = b.mul(at[3], rows);
    std::tie(from, to) = a.visible(query);
    each = keysOfPart();
    parts = b.max(b.div(b.add(b.sub(to, from), b.sub(each, b.index(1))), each), b.index(1));
  }

  /// Keys of a part, the same for all parts; at least one tile for each warp.
  Value keysOfPart() {
    Value each = b.div(b.add(b.max(b.sub(to, from), b.index(1)), b.sub(splits, b.index(1))), splits);
    return b.mul(b.ceilDiv(each, granule()), granule());
  }

  /// The place of a row in the scratch.
  Value scratchRow(Value task, Value split, Value row) {
    return b.mul(b.add(b.mul(b.add(b.mul(task, splits), split), rows), row), stride);
  }

  /// Element (32 i + lane) width of a line of `spread.size`, or the last vector of it; and whether it is the former.
  std::pair<Value, Value> columnOf(const Threads &t, const Spread &spread, int64_t i) {
    Value column = b.mul(b.add(t.lane, i * kWarp), spread.width);
    if ((i + 1) * kWarp * spread.width <= spread.size)
      return {column, Value()};
    Value exists = b.cmp(arith::CmpIPredicate::ult, column, b.index(spread.size));
    return {b.min(column, b.index(spread.size - spread.width)), exists};
  }

  /// The sums over all lanes of `values`, a power of two of them: lane l gets that of number l modulo their count.
  Value sumTransposed(const Threads &t, Values values) {
    int64_t count = values.size();
    for (int64_t mask = count / 2; mask > 0; mask /= 2) {
      Value upper = b.cmp(arith::CmpIPredicate::ne, b.bitAnd(t.lane, mask), b.index(0));
      for (int64_t i = 0; i < mask; ++i) {
        Value keep = b.select(upper, values[i + mask], values[i]), give = b.select(upper, values[i], values[i + mask]);
        values[i] = b.addf(keep, b.shuffleXor(give, mask));
      }
    }
    for (int64_t mask = count; mask < kWarp; mask *= 2)
      values[0] = b.addf(values[0], b.shuffleXor(values[0], mask));
    return values[0];
  }

  /// Folds `value` over the lanes of one row.
  Value foldKeys(Value value, function_ref<Value(Value, Value)> combine) {
    for (int64_t mask = rows; mask < rows * tile; mask *= 2)
      value = combine(value, b.shuffleXor(value, mask));
    return value;
  }

  /// All keys of [first, last) that belong to this warp; leaves what it found in shared memory.
  void scan(const Threads &t, Value first, Value last, bool aligned) {
    Spread alongK(a.depth, aligned ? a.lanesOfQK() : 1), alongV(a.columns, aligned ? a.lanesOfV() : 1);
    Values q; // scalars, of row r at [r * elements, ...)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < alongK.count; ++i) {
        auto [column, exists] = columnOf(t, alongK, i);
        Value line = a.readQuery(batch, headOf(b.index(r)), query, column, alongK.width, aligned);
        for (int64_t j = 0; j < alongK.width; ++j)
          q.push_back(exists ? b.select(exists, b.lane(line, j), b.real(f32, 0)) : b.lane(line, j));
      }
    Value row = b.bitAnd(t.lane, rows - 1), slot = b.bitAnd(b.div(t.lane, b.index(rows)), tile - 1);
    Value head = headOf(row), lastKey = b.sub(last, b.index(1));
    Values init{a.minusInfinity(), b.real(f32, 0)};
    init.append(rows * alongV.count, b.real(b.vec(alongV.width, f32), 0));
    Values found =
        b.loop(b.add(first, b.mul(t.warp, tile)), last, granule(), init, [&](Value start, ValueRange carried) {
          // All loads first: as many as possible are under way at once.
          auto readTile = [&](Value buffer, const Spread &spread) {
            Values lines;
            for (int64_t key = 0; key < tile; ++key)
              for (int64_t i = 0; i < spread.count; ++i)
                lines.push_back(
                    b.readLanes(buffer, {batch, group, b.min(b.add(start, key), lastKey), columnOf(t, spread, i).first},
                                spread.width, aligned));
            return lines;
          };
          Values k = readTile(op.getK(), alongK), v = readTile(op.getV(), alongV), dots(tile * rows);
          for (int64_t key = 0; key < tile; ++key) {
            Values line;
            for (int64_t i = 0; i < alongK.count; ++i)
              for (int64_t j = 0; j < alongK.width; ++j)
                line.push_back(b.lane(b.convert(k[key * alongK.count + i], f32), j));
            for (int64_t r = 0; r < rows; ++r) {
              Value sum;
              for (auto [i, element] : llvm::enumerate(line)) {
                Value other = q[r * line.size() + i];
                sum = sum ? b.fma(other, element, sum) : b.mulf(other, element);
              }
              dots[key * rows + r] = sum;
            }
          }
          Value key = b.add(start, slot), exists = b.cmp(arith::CmpIPredicate::slt, key, last);
          Value score = a.score(sumTransposed(t, dots), batch, head, query, b.min(key, lastKey));
          score = b.select(exists, score, a.minusInfinity());
          Value max =
              b.larger(foldKeys(b.larger(score, a.minusInfinity()), [&](Value x, Value y) { return b.larger(x, y); }),
                       carried[0]);
          Value base = a.base(max), factor = b.exp(b.subf(carried[0], base)), power = b.exp(b.subf(score, base));
          Values next{max, b.addf(b.mulf(carried[1], factor), power)};
          for (int64_t r = 0; r < rows; ++r) {
            Value factorOfRow = b.shuffleFrom(factor, r);
            for (int64_t i = 0; i < alongV.count; ++i)
              next.push_back(
                  b.mulf(carried[2 + r * alongV.count + i], b.broadcast(factorOfRow, b.vec(alongV.width, f32))));
          }
          for (int64_t key = 0; key < tile; ++key)
            for (int64_t r = 0; r < rows; ++r) {
              Value weight = b.broadcast(b.shuffleFrom(power, key * rows + r), b.vec(alongV.width, f32));
              for (int64_t i = 0; i < alongV.count; ++i) {
                Value &sum = next[2 + r * alongV.count + i];
                sum = b.fma(weight, b.convert(v[key * alongV.count + i], f32), sum);
              }
            }
          return next;
        });
    Value sum = foldKeys(found[1], [&](Value x, Value y) { return b.addf(x, y); });
    Value place = b.mul(t.warp, rows);
    b.branch(b.cmp(arith::CmpIPredicate::ult, t.lane, b.index(rows)), [&] {
      b.store(found[0], largest, b.add(place, t.lane));
      b.store(sum, sums, b.add(place, t.lane));
    });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < alongV.count; ++i) {
        std::pair<Value, Value> column = columnOf(t, alongV, i);
        Value at = b.add(b.mul(b.add(place, r), a.columns), column.first), value = found[2 + r * alongV.count + i];
        b.branch(column.second ? column.second : b.constant(b.getI1Type(), 1), [&] {
          for (int64_t j = 0; j < alongV.width; ++j)
            b.store(b.lane(value, j), results, b.add(at, j));
        });
      }
  }

  /// What the warps found, as the block's.
  void combineWarps(const Threads &t, Value task, Value split) {
    b.rounds(t.thread, b.index(rows * a.columns), b.index(kThreads), [&](Value place) {
      Value row = b.div(place, b.index(a.columns)), column = b.rem(place, b.index(a.columns));
      Value max = b.load(largest, row), sum, value;
      auto ofWarp = [&](int64_t warp) { return b.add(row, warp * rows); };
      for (int64_t warp = 1; warp < kWarps; ++warp)
        max = b.larger(b.load(largest, ofWarp(warp)), max);
      for (int64_t warp = 0; warp < kWarps; ++warp) {
        Value factor = b.exp(b.subf(b.load(largest, ofWarp(warp)), a.base(max)));
        Value part = b.mulf(b.load(sums, ofWarp(warp)), factor);
        Value values = b.mulf(b.load(results, b.add(b.mul(ofWarp(warp), a.columns), column)), factor);
        sum = sum ? b.addf(sum, part) : part;
        value = value ? b.addf(value, values) : values;
      }
      auto finish = [&] {
        Value exists = b.cmp(arith::CmpIPredicate::ult, b.add(firstRow, row), a.ratio);
        b.branch(exists, [&] { a.writeResult(value, sum, {batch, headOf(row), query, column}); });
      };
      if (!scratch)
        return finish();
      b.branch(b.equals(parts, 1), finish, [&] {
        Value at = scratchRow(task, split, row);
        b.store(value, scratch, b.add(at, column));
        b.branch(b.equals(column, 0), [&] {
          b.store(max, scratch, b.add(at, stride - 4));
          b.store(sum, scratch, b.add(at, stride - 3));
        });
      });
    });
  }

  void emitParts() {
    Value count = b.mul(tasks, splits);
    b.launch({b.max(count, b.index(1))}, kThreads, [&](const Threads &t) {
      if (forMany)
        b.forManyTokens();
      b.holdBlocks(kMinBlocks);
      if (a.dependent)
        b.waitForKernelInFront();
      largest = b.shared(kWarps * rows, f32);
      sums = b.shared(kWarps * rows, f32);
      results = b.shared(kWarps * rows * a.columns, f32);
      if (scratch) {
        factors = b.shared(rows * kMaxSplits, f32);
        totals = b.shared(rows, f32);
        isLast = b.shared(1, b.getI32Type());
      }
      Value aligned = a.isAligned(a.lanesOfQK(), a.lanesOfV());
      b.rounds(t.block, count, t.blocks, [&](Value item) {
        Value task = b.div(item, splits), split = b.rem(item, splits);
        setTask(task);
        Value first = b.add(from, b.mul(split, each)), last = b.min(to, b.add(first, each));
        // A query that sees no key needs its zeros.
        b.branch(b.cmp(arith::CmpIPredicate::ult, split, parts), [&] {
          if (a.newKeys)
            makeNewKey(t, split);
          b.branch(aligned, [&] { scan(t, first, last, true); }, [&] { scan(t, first, last, false); });
          b.barrier();
          combineWarps(t, task, split);
          if (scratch)
            b.branch(b.cmp(arith::CmpIPredicate::ugt, parts, b.index(1)), [&] { meetParts(t, task); });
          b.barrier();
        });
      });
    });
  }

  /// The part that reads the newest key makes it. Of several tasks that share it each does so: the same bits.
  void makeNewKey(const Threads &t, Value split) {
    b.branch(b.cmp(arith::CmpIPredicate::eq, b.add(split, 1), parts), [&] {
      b.rounds(t.thread, countTurns(b, a.newKeys), b.index(kThreads),
               [&](Value i) { turn(b, a.newKeys, {batch, group, b.index(0), i}); });
    });
    b.barrier();
  }

  /// The block that comes last combines what all parts of the task have found.
  void meetParts(const Threads &t, Value task) {
    b.fence(); // what the thread has written, before the ticket
    b.barrier();
    b.branch(b.equals(t.thread, 0), [&] {
      Value others = arith::IndexCastUIOp::create(b, b.getI32Type(), b.sub(parts, b.index(1)));
      Value before = b.takeTicket(task, others);
      Value all = b.cmp(arith::CmpIPredicate::eq, before, others);
      b.fence(); // and before what others have written is read
      b.store(arith::ExtUIOp::create(b, b.getI32Type(), all), isLast, b.index(0));
    });
    b.barrier();
    Value mine = b.cmp(arith::CmpIPredicate::ne, b.load(isLast, b.index(0)), b.constant(b.getI32Type(), 0));
    b.branch(mine, [&] { combineParts(t, task); });
  }

  /// What the parts of a context found, as the result, in the order of the keys.
  void combineParts(const Threads &t, Value task) {
    // A warp computes the factors of all parts of a row, two a lane.
    b.rounds(t.warp, b.index(rows), b.index(kWarps), [&](Value row) {
      Values maxima, sumsOfParts;
      for (int64_t i = 0; i < kMaxSplits; i += kWarp) {
        Value split = b.add(t.lane, i);
        Values found = b.choose(
            b.cmp(arith::CmpIPredicate::ult, split, parts),
            [&] {
              Value place = scratchRow(task, split, row);
              return Values{b.load(scratch, b.add(place, stride - 4)), b.load(scratch, b.add(place, stride - 3))};
            },
            [&] { return Values{a.minusInfinity(), b.real(f32, 0)}; });
        maxima.push_back(found[0]);
        sumsOfParts.push_back(found[1]);
      }
      Value max = maxima[0], sum = b.real(f32, 0);
      for (Value other : ArrayRef(maxima).drop_front())
        max = b.larger(other, max);
      max = b.reduceLanes(max, kWarp, [&](Value x, Value y) { return b.larger(x, y); });
      for (size_t i = 0; i < maxima.size(); ++i) {
        Value factor = b.exp(b.subf(maxima[i], a.base(max)));
        sum = b.addf(sum, b.mulf(sumsOfParts[i], factor));
        b.store(factor, factors, b.add(b.add(b.mul(row, kMaxSplits), t.lane), i * kWarp));
      }
      sum = b.reduceLanes(sum, kWarp, [&](Value x, Value y) { return b.addf(x, y); });
      b.branch(b.equals(t.lane, 0), [&] { b.store(sum, totals, row); });
    });
    b.barrier();
    constexpr int64_t kAtOnce = 8;
    int64_t width = a.columns % 4 ? 1 : 4; // a row of the scratch is aligned
    auto type = b.vec(width, f32);
    b.rounds(t.thread, b.index(rows * a.columns / width), b.index(kThreads), [&](Value place) {
      Value row = b.div(place, b.index(a.columns / width));
      Value column = b.mul(b.rem(place, b.index(a.columns / width)), width), last = b.sub(parts, b.index(1));
      Value value = b.loop(b.index(0), parts, kAtOnce, {b.real(type, 0)}, [&](Value part, ValueRange carried) {
        Values values, next{carried[0]};
        for (int64_t i = 0; i < kAtOnce; ++i) {
          Value at = b.add(scratchRow(task, b.min(b.add(part, i), last), row), column);
          values.push_back(b.loadAligned(scratch, at, type));
        }
        for (int64_t i = 0; i < kAtOnce; ++i) {
          Value factor = b.load(factors, b.add(b.add(b.mul(row, kMaxSplits), part), i));
          next[0] = b.fma(b.broadcast(factor, type), values[i], next[0]);
        }
        return next;
      })[0];
      Value exists = b.cmp(arith::CmpIPredicate::ult, b.add(firstRow, row), a.ratio), sum = b.load(totals, row);
      b.branch(exists, [&] {
        for (int64_t i = 0; i < width; ++i)
          a.writeResult(b.lane(value, i), sum, {batch, headOf(row), query, b.add(column, i)});
      });
    });
  }

  void emit() {
    int64_t elements = std::max(laneElementsOf(a.depth), laneElementsOf(a.columns));
    // The form for one query also stands in the persistent kernel, where it has fewer registers.
    int64_t share = a.newKeys ? 2 : 1;
    tile = kWarp / share / rows;
    while (tile > 1 && tile * elements * share > kLaneElements)
      tile /= 2;
    rowTasks = b.ceilDiv(a.ratio, rows);
    tasks = b.product({a.batches, a.groups, a.queries, rowTasks});
    splits = b.index(1);
    if (op.getScratch() && cast<MemRefType>(op.getScratch().getType()).getDimSize(0) >= splitScratch(op)) {
      scratch = op.getScratch();
      Value shared = b.div(b.index(kSplitBlocks), b.max(tasks, b.index(1)));
      splits = b.max(b.min(shared, b.index(kMaxSplits)), b.index(1));
    }
    emitParts();
  }
};

} // namespace

int64_t setun::nvptx::splitRows(nn::AttentionOp op) {
  auto last = [](Value buffer, Value other) {
    int64_t size = cast<ShapedType>(buffer.getType()).getShape().back();
    return ShapedType::isDynamic(size) ? cast<ShapedType>(other.getType()).getShape().back() : size;
  };
  return rowsFor(op, std::max(laneElementsOf(last(op.getK(), op.getQ())), laneElementsOf(last(op.getV(), op.getY()))));
}

int64_t setun::nvptx::splitScratch(nn::AttentionOp op) {
  int64_t columns = cast<ShapedType>(op.getV().getType()).getShape().back();
  if (ShapedType::isDynamic(columns))
    columns = cast<ShapedType>(op.getY().getType()).getShape().back();
  return kSplitBlocks * splitRows(op) * (llvm::alignTo(columns, 4) + 4);
}

void setun::nvptx::emitSplitAttention(DeviceAttention &a, bool forMany) { SplitEmitter{a, forMany}.emit(); }
