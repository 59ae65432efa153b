//===- Attention.cpp - nn.attention to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row is one query of one head. A task takes up to eight rows whose heads share
// keys and values: four keys are multiplied with each row while they stay in the
// first-level cache, and so are sixteen values. All loops over keys run from a
// multiple of 16, so that a key's lane is its number, whatever a window hides.
// f16 and bf16 are widened once for all rows of a task where it has several.
//
//===----------------------------------------------------------------------===//

#include "NNToLoops.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace setun;

constexpr int64_t kRows = 8;           // rows of a task
constexpr int64_t kKeys = 2048;        // keys whose scores are kept
constexpr int64_t kValueColumns = 256; // columns of v in one sweep over the keys
constexpr int64_t kValueKeys = 16;     // keys whose values stay near for all rows
constexpr int64_t kWidenedDepth = 512; // the longest keys that are widened for all rows

namespace {
struct AttentionEmitter {
  LoopEmitter &e;
  nn::AttentionOp op;
  Type type = LoopEmitter::sumType(getElementTypeOrSelf(op.getQ().getType())); // of all arithmetic
  Value keys = {}, depth = {}, columns = {}, ratio = {};
  // One task.
  Value batch = {}, group = {}, firstRow = {}, rows = {}, firstKey = {}, lastKey = {};
  int64_t stride = kValueColumns;                          // of a row's results
  int64_t valueLanes = 32;                                 // columns of v in registers
  Value scores = {}, largest = {}, sums = {}, result = {}; // scratch
  // Widened queries of all rows, four keys and kValueKeys values; null where floats are not narrow.
  Value wideQueries = {}, wideKeys = {}, wideValues = {};
  int64_t wideStride = 0; // of a query and of a key

  double infinity() { return std::numeric_limits<double>::infinity(); }
  Value lanes(double value) { return e.constant(e.lanesOf(type, kSumLanes), value); }
  /// The line of scratch `buffer` that belongs to row `r`.
  Line scratchLine(Value buffer) { return Line{buffer, {e.index(0)}, 0}; }
  Value place(Value r, int64_t stride, Value at) { return e.add(e.mul(r, e.index(stride)), at); }

  /// The query and head of row `r` of this task.
  std::pair<Value, Value> queryAndHead(Value r) {
    Value row = e.add(firstRow, r);
    return {e.div(row, ratio), e.add(e.mul(group, ratio), e.rem(row, ratio))};
  }

  /// Keys [from, to) that query `query` sees.
  std::pair<Value, Value> visible(Value query) {
    Value from = e.index(0), to = keys;
    if (!op.getPast())
      return {from, to};
    Value own = e.add(query, op.getPast());
    if (op.getCausal())
      to = e.min(keys, e.add(own, e.index(1)));
    if (op.getWindow() > 0)
      from = e.max(from, e.sub(e.add(own, e.index(1)), e.index(op.getWindow())));
    return {from, to};
  }

  /// Elements [from, from + size) of `line` as f32 into `buffer` at `to`, zeros up to a whole step.
  void widen(const Line &line, Value from, Value size, Value buffer, Value to) {
    e.steps(size, kSumLanes, {}, [&](Value at, Lanes step, ValueRange) {
      Value values = e.convert(e.read(line, e.add(from, at), step), type);
      e.write(scratchLine(buffer), e.add(to, at), values, Lanes{kSumLanes});
      return SmallVector<Value>();
    });
  }

  /// Runs `body(true)` where widening into `buffer` pays, else `body(false)`.
  void branchOnRows(Value buffer, function_ref<void(bool)> body) {
    if (buffer)
      e.branch(arith::CmpIPredicate::sgt, rows, e.index(1), body);
    else
      body(false);
  }

  /// q.k of all rows and of keys [start, start + count) into the scratch; keys past the last repeat it.
  void multiplyKeys(Value start, Value count) {
    Value last = e.sub(lastKey, e.index(1));
    e.loop(e.index(0), count, 4, [&](Value at) {
      SmallVector<Line> lines;
      for (int64_t i = 0; i < 4; ++i) {
        Value key = e.min(e.add(e.add(start, at), e.index(i)), last);
        lines.push_back(rowOf(e, op.getK(), {batch, group, key}));
      }
      branchOnRows(wideKeys, [&](bool widened) {
        for (int64_t i = 0; widened && i < 4; ++i)
          widen(lines[i], e.index(0), depth, wideKeys, e.index(i * wideStride));
        e.loop(e.index(0), rows, 1, [&](Value r) { multiplyRow(r, at, lines, widened); });
      });
    });
  }

  /// q.k of row `r` and four keys. Widened lines end in zeros, so that every step is whole.
  void multiplyRow(Value r, Value at, ArrayRef<Line> keys, bool widened) {
    auto [query, head] = queryAndHead(r);
    Line line = rowOf(e, op.getQ(), {batch, head, query});
    auto step = [&](Value d, Lanes lanes, ValueRange carried) {
      Lanes whole{kSumLanes};
      Value q = wideQueries ? e.read(scratchLine(wideQueries), place(r, wideStride, d), whole)
                            : e.convert(e.read(line, d, lanes), type);
      SmallVector<Value> next;
      for (auto [i, sum] : llvm::enumerate(carried)) {
        Value key = widened ? e.read(scratchLine(wideKeys), e.add(e.index(i * wideStride), d), whole)
                            : e.convert(e.read(keys[i], d, lanes), type);
        next.push_back(e.addf(sum, e.mulf(q, key)));
      }
      return next;
    };
    SmallVector<Value> sums(4, lanes(0));
    if (widened)
      sums = e.loop(e.index(0), depth, kSumLanes, sums,
                    [&](Value d, ValueRange carried) { return step(d, Lanes{kSumLanes}, carried); });
    else
      sums = e.steps(depth, kSumLanes, sums, step);
    e.write(scratchLine(scores), place(r, kKeys, at), e.treeSums(sums), Lanes{4});
  }

  Value masked(Value score, Value query, Value head, Value key, Lanes step) {
    Value mask = op.getMask();
    if (!mask)
      return score;
    Line line =
        rowOf(e, mask,
              {broadcastIndex(e, mask, 0, batch), broadcastIndex(e, mask, 1, head), broadcastIndex(e, mask, 2, query)});
    Value values = e.read(line, key, step);
    if (line.getElementType().isInteger(1))
      return arith::SelectOp::create(e.b, e.loc, values, score, lanes(-infinity()));
    return e.addf(score, e.convert(values, type));
  }

  /// Scale, soft cap, mask and visibility of the scores in the scratch; -inf hides. Returns the largest, NaN aside.
  Value finishScores(Value r, Value start, Value count) {
    std::pair<Value, Value> row = queryAndHead(r), seen = visible(row.first);
    Type i32 = e.b.getI32Type();
    auto asLanes = [&](Value index) { return e.splat(arith::IndexCastOp::create(e.b, e.loc, i32, index), kSumLanes); };
    Value fromLanes = asLanes(seen.first), toLanes = asLanes(seen.second), iota = e.laneNumbers(kSumLanes);
    auto body = [&](Value at, Lanes step, ValueRange carried) {
      Value place = this->place(r, kKeys, at), score = e.read(scratchLine(scores), place, Lanes{kSumLanes});
      score = e.mulf(score, lanes(op.getScale().convertToDouble()));
      if (double cap = op.getSoftcap().convertToDouble()) {
        Value turned = math::TanhOp::create(e.b, e.loc, e.divf(score, lanes(cap)));
        score = e.mulf(lanes(cap), turned);
      }
      Value key = e.add(start, at), number = e.addAny(asLanes(key), iota);
      score = masked(score, row.first, row.second, key, step);
      Value shown = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, number, toLanes);
      if (op.getWindow() > 0) {
        Value late = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge, number, fromLanes);
        shown = arith::AndIOp::create(e.b, e.loc, shown, late);
      }
      score = arith::SelectOp::create(e.b, e.loc, shown, score, lanes(-infinity()));
      e.write(scratchLine(scores), place, score, Lanes{kSumLanes});
      Value more = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT, score, carried[0]);
      return SmallVector<Value>{arith::SelectOp::create(e.b, e.loc, more, score, carried[0])};
    };
    Value max = op.getMask()
                    ? e.steps(count, kSumLanes, {lanes(-infinity())}, body)[0]
                    : e.loop(e.index(0), count, kSumLanes, {lanes(-infinity())},
                             [&](Value at, ValueRange carried) { return body(at, Lanes{kSumLanes}, carried); })[0];
    return e.tree(max, [&](Value x, Value y) { return arith::MaximumFOp::create(e.b, e.loc, x, y).getResult(); });
  }

  /// Runs `body` for each block of keys of this task with its first key and how many there are.
  void forEachBlock(function_ref<void(Value start, Value count)> body) {
    e.loop(firstKey, lastKey, kKeys, [&](Value start) { body(start, e.min(e.index(kKeys), e.sub(lastKey, start))); });
  }

  Value loadScalar(Value buffer, Value r) { return memref::LoadOp::create(e.b, e.loc, buffer, r); }

  void findLargest() {
    e.loop(e.index(0), rows, 1,
           [&](Value r) { memref::StoreOp::create(e.b, e.loc, e.constant(type, -infinity()), largest, r); });
    forEachBlock([&](Value start, Value count) {
      multiplyKeys(start, count);
      e.loop(e.index(0), rows, 1, [&](Value r) {
        Value max = arith::MaximumFOp::create(e.b, e.loc, loadScalar(largest, r), finishScores(r, start, count));
        memref::StoreOp::create(e.b, e.loc, max, largest, r);
      });
    });
  }

  /// exp(score - largest) into the scratch, and its sums in lanes.
  void exponentiate(Value count) {
    e.loop(e.index(0), rows, 1, [&](Value r) {
      Value max = loadScalar(largest, r), none = e.constant(type, -infinity());
      Value hidden = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, max, none);
      max = e.splat(arith::SelectOp::create(e.b, e.loc, hidden, e.constant(type, 0), max), kSumLanes);
      Line sumLine = scratchLine(sums);
      Value sumPlace = e.mul(r, e.index(kSumLanes));
      Value sum = e.loop(e.index(0), count, kSumLanes, {e.read(sumLine, sumPlace, Lanes{kSumLanes})},
                         [&](Value at, ValueRange carried) {
                           Value where = place(r, kKeys, at);
                           Value score = e.read(scratchLine(scores), where, Lanes{kSumLanes});
                           Value power = math::ExpOp::create(e.b, e.loc,
                                                             arith::SubFOp::create(e.b, e.loc, score, max).getResult());
                           e.write(scratchLine(scores), where, power, Lanes{kSumLanes});
                           return SmallVector<Value>{e.addf(carried[0], power)};
                         })[0];
      e.write(sumLine, sumPlace, sum, Lanes{kSumLanes});
    });
  }

  /// Adds the values of keys [start, start + count), columns [column, column + width), to the results.
  void multiplyValues(Value start, Value count, Value column, Value width) {
    e.loop(e.index(0), count, kValueKeys, [&](Value near) {
      Value end = e.min(e.add(near, e.index(kValueKeys)), count);
      auto lineOf = [&](Value key) { return rowOf(e, op.getV(), {batch, group, e.add(start, key)}); };
      branchOnRows(wideValues, [&](bool widened) {
        if (widened)
          e.loop(near, end, 1, [&](Value key) {
            widen(lineOf(key), column, width, wideValues, place(e.sub(key, near), stride, e.index(0)));
          });
        e.loop(e.index(0), rows, 1, [&](Value r) {
          e.steps(width, valueLanes, {}, [&](Value at, Lanes step, ValueRange) {
            Lanes whole{valueLanes};
            Value where = place(r, stride, at);
            Line out = scratchLine(result);
            Value sum = e.loop(near, end, 1, {e.read(out, where, whole)}, [&](Value key, ValueRange carried) {
              Value weight = e.splat(loadScalar(scores, place(r, kKeys, key)), valueLanes);
              Value value = widened ? e.read(scratchLine(wideValues), place(e.sub(key, near), stride, at), whole)
                                    : e.convert(e.read(lineOf(key), e.add(column, at), step), type);
              return SmallVector<Value>{e.addf(carried[0], e.mulf(weight, value))};
            })[0];
            e.write(out, where, sum, whole);
            return SmallVector<Value>();
          });
        });
      });
    });
  }

  /// The columns [column, column + width) of the result.
  void emitColumns(Value column, Value width) {
    e.loop(e.index(0), e.index(kRows * kSumLanes), kSumLanes,
           [&](Value at) { e.write(scratchLine(sums), at, lanes(0), Lanes{kSumLanes}); });
    e.loop(e.index(0), e.index(kRows * stride), kSumLanes,
           [&](Value at) { e.write(scratchLine(result), at, lanes(0), Lanes{kSumLanes}); });
    // The scores still stand in the scratch if one block holds all keys and no exp has replaced them.
    Value several =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, e.sub(lastKey, firstKey), e.index(kKeys));
    Value again = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, column, e.index(0));
    Value gone = arith::OrIOp::create(e.b, e.loc, several, again);
    forEachBlock([&](Value start, Value count) {
      {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.setInsertionPointToStart(scf::IfOp::create(e.b, e.loc, gone, /*withElseRegion=*/false).thenBlock());
        multiplyKeys(start, count);
        e.loop(e.index(0), rows, 1, [&](Value r) { finishScores(r, start, count); });
      }
      exponentiate(count);
      multiplyValues(start, count, column, width);
    });
    e.loop(e.index(0), rows, 1, [&](Value r) {
      auto [query, head] = queryAndHead(r);
      Value sum = e.treeSum(e.read(scratchLine(sums), e.mul(r, e.index(kSumLanes)), Lanes{kSumLanes}));
      // A query that saw nothing has zeros.
      Value nothing = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, sum, e.constant(type, 0));
      sum = arith::SelectOp::create(e.b, e.loc, nothing, e.constant(type, 1), sum);
      Line out = rowOf(e, op.getY(), {batch, head, query});
      e.steps(width, kSumLanes, {}, [&](Value at, Lanes step, ValueRange) {
        Value value = e.read(scratchLine(result), place(r, stride, at), Lanes{kSumLanes});
        value = e.divf(value, e.splat(sum, kSumLanes));
        e.write(out, e.add(column, at), e.convert(value, out.getElementType()), step);
        return SmallVector<Value>();
      });
    });
  }

  void widenQueries() {
    std::optional<int64_t> known = getConstantIntValue(depth);
    if (getElementTypeOrSelf(op.getQ().getType()) == type || !known || *known > kWidenedDepth)
      return;
    wideStride = llvm::alignTo(*known, kSumLanes);
    wideQueries = e.scratch(kRows * wideStride, type);
    wideKeys = e.scratch(4 * wideStride, type);
    wideValues = e.scratch(kValueKeys * stride, type);
    e.loop(e.index(0), rows, 1, [&](Value r) {
      auto [query, head] = queryAndHead(r);
      widen(rowOf(e, op.getQ(), {batch, head, query}), e.index(0), depth, wideQueries,
            place(r, wideStride, e.index(0)));
    });
  }

  void emitTask() {
    scores = e.scratch(kRows * kKeys, type);
    largest = e.scratch(kRows, type);
    sums = e.scratch(kRows * kSumLanes, type);
    std::optional<int64_t> known = getConstantIntValue(columns);
    // Eight registers, or fewer if the columns do not fill them.
    valueLanes = e.vectorBits / 4;
    while (known && valueLanes > 32 && *known % valueLanes != 0)
      valueLanes /= 2;
    stride = known ? std::min(kValueColumns, static_cast<int64_t>(llvm::alignTo(*known, valueLanes))) : kValueColumns;
    result = e.scratch(kRows * stride, type);
    widenQueries();
    // Rows come in order of queries: the first sees the earliest key, the last the latest.
    Value first = visible(queryAndHead(e.index(0)).first).first;
    firstKey = e.roundDown(first, kSumLanes);
    lastKey = visible(queryAndHead(e.sub(rows, e.index(1))).first).second;
    findLargest();
    if (known && *known <= kValueColumns)
      return emitColumns(e.index(0), columns);
    e.loop(e.index(0), columns, kValueColumns,
           [&](Value column) { emitColumns(column, e.min(e.index(kValueColumns), e.sub(columns, column))); });
  }
};
} // namespace

void setun::emitAttention(LoopEmitter &e, nn::AttentionOp op) {
  AttentionEmitter emitter{e, op};
  Value groups = e.size(op.getK(), 1), heads = e.size(op.getQ(), 1), queries = e.size(op.getQ(), 2);
  emitter.keys = e.size(op.getK(), 2);
  emitter.depth = e.size(op.getQ(), 3);
  emitter.columns = e.size(op.getV(), 3);
  emitter.ratio = e.div(heads, groups);
  Value rows = e.mul(queries, emitter.ratio);
  SmallVector<Value> counts{e.size(op.getQ(), 0), groups, e.ceilDiv(rows, kRows)};
  // Each key meets each row of a task, and costs about as much as its columns and an exp; lanes make eight of them one.
  Value perKey = e.add(e.add(emitter.depth, emitter.columns), e.index(32));
  Value work = e.div(e.mul(e.mul(e.min(rows, e.index(kRows)), emitter.keys), perKey), 4);
  e.parallel(e.product(counts), work, [&](Value task) {
    SmallVector<Value> at = e.delinearize(task, counts);
    emitter.batch = at[0];
    emitter.group = at[1];
    emitter.firstRow = e.mul(at[2], e.index(kRows));
    emitter.rows = e.min(e.index(kRows), e.sub(rows, emitter.firstRow));
    emitter.emitTask();
  });
}
