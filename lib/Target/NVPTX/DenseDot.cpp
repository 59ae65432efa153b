//===- DenseDot.cpp - Dense products of few rows --------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each weight is read once for all tokens, 16 bytes a lane, and the next ones are under way while these are multiplied.
// The activations stand in shared memory, widened once. Bytes go through dp4a.
//
//===----------------------------------------------------------------------===//

#include "DenseKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 256, kWarps = kThreads / kWarp, kLoadBytes = 16;

namespace {

struct DotKernel {
  DeviceBuilder &b;
  const DenseProduct &p;
  int64_t tokens, rows; // of a warp at a time: of the left and of the right operand
  int64_t load = 1;     // elements of a load of weights
  bool bytes = false;   // by dp4a
  DenseStage stage;
  Value lane = {};
  SmallVector<Value> ivs, columns = {};

  DotKernel(DeviceBuilder &b, const DenseProduct &p, int64_t tokens)
      : b(b), p(p), tokens(tokens), stage{p, tokens, 0, 1, p.op.sumType} {
    std::optional<int64_t> n = getConstant(p.columns);
    // As many rows a warp as leave warps enough for the device.
    rows = !n || *n >= 16384 ? 4 : *n >= 4096 ? 2 : 1;
    load = p.vectorWidth(true, kLoadBytes * 8 / p.right().getIntOrFloatBitWidth());
    bytes = !p.isFloat() && p.op.sumType.isInteger(32) && p.left().isInteger(8) && p.right().isInteger(8) && load >= 4;
    if (bytes)
      stage.element = p.left();
    stage.load = load;
    stage.size = DenseStage::pickSize(p, tokens, step(), stage.element);
  }

  /// Elements of a row that a warp loads at once.
  int64_t step() const { return kWarp * load; }

  /// Loads chunk `number` of the warp's rows; zeros past their end.
  Values readWeights(Value number) {
    Values weights;
    std::optional<int64_t> known = getConstant(p.depth);
    bool whole = known && *known % step() == 0;
    Value chunks = b.shr(p.depth, llvm::Log2_64(load));
    Value at = whole ? number : b.min(number, b.sub(chunks, b.index(1)));
    at = b.shl(at, llvm::Log2_64(load));
    for (Value column : columns) {
      Value weight = p.readVector(b, true, ivs, column, at, load);
      if (!whole)
        weight = b.select(b.cmp(arith::CmpIPredicate::slt, number, chunks), weight, b.constant(weight.getType(), 0));
      weights.push_back(weight);
    }
    return weights;
  }

  /// The elements of a load, each in the type of sums.
  Values widened(Value weight) {
    Values elements;
    if (load == 1)
      return {p.widen(b, weight, true)};
    if (p.right().isBF16() && p.op.sumType.isF32()) { // its bits are the upper half of an f32's
      Value words = b.bitcast(weight, b.i32s(load / 2));
      for (int64_t i = 0; i < load / 2; ++i)
        for (Value bits : {b.shl(b.word(words, i), 16), b.bitAnd(b.word(words, i), -65536)})
          elements.push_back(arith::BitcastOp::create(b, b.getF32Type(), bits));
      return elements;
    }
    Value wide = p.widen(b, weight, true);
    for (int64_t i = 0; i < load; ++i)
      elements.push_back(vector::ExtractOp::create(b, wide, i));
    return elements;
  }

  /// The `load` staged activations of a token that belong to the lane's chunk.
  Values readStage(int64_t token, Value chunk) {
    Values elements;
    Value first = b.index(token * stage.size);
    if (load < 4) {
      Value at = b.add(first, b.shl(chunk, llvm::Log2_64(load)));
      Value value = load == 1 ? b.load(stage.shared, at) : b.loadAligned(stage.shared, at, b.vec(load, stage.element));
      for (int64_t i = 0; i < load; ++i)
        elements.push_back(load == 1 ? value : vector::ExtractOp::create(b, value, i).getResult());
      return elements;
    }
    for (int64_t quad = 0; quad < stage.quads(); ++quad) {
      Value at = b.add(b.shl(chunk, 2), b.index(token * stage.size + quad * (stage.size / stage.quads())));
      Value value = b.loadAligned(stage.shared, at, b.vec(4, stage.element));
      for (int64_t i = 0; i < 4; ++i)
        elements.push_back(vector::ExtractOp::create(b, value, i));
    }
    return elements;
  }

  Values accumulate(ArrayRef<Value> weights, Value chunk, ValueRange sums) {
    Values next(sums);
    SmallVector<Values> wide;
    for (Value weight : weights)
      wide.push_back(bytes ? Values{b.bitcast(weight, b.i32s(load / 4))} : widened(weight));
    for (int64_t token = 0; token < tokens; ++token) {
      if (bytes) {
        Value at = b.add(b.shl(chunk, llvm::Log2_64(load)), token * stage.size);
        Value x = b.bitcast(b.loadAligned(stage.shared, at, b.i8s(load)), b.i32s(load / 4));
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t i = 0; i < load / 4; ++i)
            next[row * tokens + token] = b.dp4a(b.word(x, i), !p.op.a.isUnsigned, b.word(wide[row][0], i),
                                                !p.op.b.isUnsigned, next[row * tokens + token]);
        continue;
      }
      Values x = readStage(token, chunk);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < load; ++i)
          next[row * tokens + token] = p.multiplyAdd(b, x[i], wide[row][i], next[row * tokens + token]);
    }
    return next;
  }

  /// Sums [rows][tokens] of the lanes: lane l gets the whole of sum number l / (32 / count).
  Value reduce(Values sums) {
    LoopEmitter e(b, b.getLoc());
    int64_t mask = kWarp / 2;
    for (; sums.size() > 1; mask /= 2) {
      size_t half = sums.size() / 2;
      Value upper = b.cmp(arith::CmpIPredicate::ne, b.bitAnd(lane, mask), b.index(0));
      Values next;
      for (size_t i = 0; i < half; ++i) {
        Value mine = b.select(upper, sums[i + half], sums[i]), other = b.select(upper, sums[i], sums[i + half]);
        next.push_back(e.addAny(mine, b.shuffleXor(other, mask)));
      }
      sums = next;
    }
    return b.reduceLanes(sums[0], 2 * mask, [&](Value x, Value y) { return e.addAny(x, y); });
  }

  /// One group of tokens: all of k, stage by stage, then the results.
  void emitTokens(const Threads &t, Value m, Value n) {
    Value zero = b.constant(p.op.sumType, 0);
    Values sums(rows * tokens, zero);
    sums = b.loop(b.index(0), p.depth, stage.size, sums, [&](Value k, ValueRange carried) {
      Value left = b.min(b.sub(p.depth, k), b.index(stage.size)), steps = b.ceilDiv(left, step());
      Value chunk = b.add(b.shr(k, llvm::Log2_64(load)), lane);
      Values state = readWeights(chunk);
      b.barrier();
      stage.fill(b, t, kThreads, ivs, m, k, b.mul(steps, step()));
      b.barrier();
      state.append(carried.begin(), carried.end());
      auto next = [&](ValueRange state, Value at) {
        return accumulate(Values(state.take_front(rows)), b.add(b.shl(at, 5), lane), state.drop_front(rows));
      };
      state = b.loop(b.index(1), steps, 1, state, [&](Value i, ValueRange before) {
        Values after = readWeights(b.add(chunk, b.shl(i, 5)));
        after.append(next(before, b.sub(i, b.index(1))));
        return after;
      });
      return next(state, b.sub(steps, b.index(1)));
    });
    int64_t count = rows * tokens, lanes = kWarp / count;
    Value sum = reduce(sums), number = b.shr(lane, llvm::Log2_64(lanes));
    Value token = b.add(m, b.bitAnd(number, tokens - 1)), column = b.add(n, b.shr(number, llvm::Log2_64(tokens)));
    auto below = [&](Value x, Value y) { return b.cmp(arith::CmpIPredicate::slt, x, y); };
    Value writes = b.equals(b.bitAnd(lane, lanes - 1), 0);
    writes = b.createOrFold<arith::AndIOp>(writes, below(token, p.rows));
    writes = b.createOrFold<arith::AndIOp>(writes, below(column, p.columns));
    b.branch(writes, [&] { p.add(b, ivs, token, column, sum); });
  }

  void emit() {
    Value blocks = b.max(b.ceilDiv(p.columns, kWarps * rows), b.index(1));
    b.launch({blocks, b.index(1), p.blocksZ(b)}, kThreads, [&](const Threads &t) {
      if (tokens > 1)
        b.forManyTokens();
      stage.allocate(b);
      lane = t.lane;
      Value n = b.mul(b.add(b.shl(t.block, llvm::Log2_64(kWarps)), t.warp), rows);
      auto batch = [&](SmallVector<Value> at) {
        ivs = at;
        columns.clear();
        for (int64_t row = 0; row < rows; ++row)
          columns.push_back(b.min(b.add(n, row), b.sub(p.columns, b.index(1))));
        b.loop(b.index(0), p.rows, tokens, [&](Value m) { emitTokens(t, m, n); });
      };
      // Without columns there is a block all the same.
      Value first = b.mul(t.block, kWarps * rows);
      b.branch(b.cmp(arith::CmpIPredicate::slt, first, p.columns), [&] { p.forEachBatch(b, t, batch); });
    });
  }
};

} // namespace

void nvptx::emitDenseDot(DeviceBuilder &b, const DenseProduct &product, int64_t tokens) {
  DotKernel(b, product, tokens).emit();
}
