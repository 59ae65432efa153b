//===- ProductRows.cpp - Rows of packed weights in a warp -----------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProductRows.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kMostBlocksY = 65535; // of a grid

Value nvptx::addNumbers(DeviceBuilder &b, Value a, Value c) {
  return isa<FloatType>(a.getType()) ? Value(arith::AddFOp::create(b, a, c)) : b.add(a, c);
}

void nvptx::takeTurns(DeviceBuilder &b, Value first, Value count, Value step, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, first, count, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

void nvptx::launchRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share,
                       llvm::function_ref<void(const Threads &, Value, Value)> body) {
  Value one = b.index(1), columnGroups = b.ceilDiv(product.columns, share.columns());
  Value tokenGroups = b.ceilDiv(product.p.m, share.tokens);
  Value y = b.max(b.min(tokenGroups, b.index(kMostBlocksY)), one);
  b.launch({b.max(columnGroups, one), y}, share.threads(), [&](const Threads &t) {
    if (share.tokens > 1)
      b.forManyTokens();
    takeTurns(b, t.blockY, tokenGroups, t.blocksY, [&](Value tokens) {
      takeTurns(b, t.block, columnGroups, t.blocks,
                [&](Value columns) { body(t, b.mul(columns, share.columns()), b.mul(tokens, share.tokens)); });
    });
  });
}

WarpPlace::WarpPlace(DeviceBuilder &b, const Threads &t, const WarpShare &share) {
  slot = b.div(t.warp, b.index(share.split));
  slice = b.rem(t.warp, b.index(share.split));
  Value of = b.shr(t.lane, 2), rest = b.bitAnd(t.lane, 3);
  if (share.pairs)
    slot = b.add(b.shl(slot, 1), b.shr(t.lane, 4));
  line = b.createOrFold<arith::IndexCastUIOp>(b.getI32Type(), share.pairs ? rest : of);
  row = b.shl(share.pairs ? b.bitAnd(of, 3) : rest, 2);
}

WeightRows::WeightRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, const WarpPlace &place,
                       Value firstColumn)
    : p(product.p) {
  Value group = b.div(place.slot, b.index(share.companions)), companion = b.rem(place.slot, b.index(share.companions));
  Value offset = b.index(product.companions[0]);
  bool whole = product.companions[0] % 4 == 0; // four rows stand in 16 bytes
  for (int64_t i = 1; i < share.companions; ++i) {
    offset = b.select(b.equals(companion, i), b.index(product.companions[i]), offset);
    whole &= product.companions[i] % 4 == 0;
  }
  Value first = b.add(b.add(b.add(firstColumn, b.shl(group, 4)), offset), place.row);
  Value rows = b.shl(p.rowBlocks, p.blockRowsLog); // with those that fill up the last block
  for (int64_t i = 0; i < (whole ? 1 : 4); ++i) {
    // Past the last row any will do: no epilogue sees it.
    Value row = b.min(b.add(first, i), b.sub(rows, b.index(whole ? 4 : 1)));
    Value within = b.bitAnd(row, p.blockRows - 1);
    Value start = b.add(b.mul(b.shr(row, p.blockRowsLog), p.blockBytes), b.shl(b.shr(within, 4), 6));
    starts.push_back(b.add(start, b.shl(b.bitAnd(within, 15), 2)));
  }
}

Values WeightRows::load(DeviceBuilder &b, Value line) const {
  if (!line.getType().isIndex())
    line = b.createOrFold<arith::IndexCastUIOp>(b.getIndexType(), line);
  Value at = b.shl(line, p.stepBytesLog);
  Values words;
  if (starts.size() == 1) {
    Value all = b.bitcast(b.loadAligned(p.weight, b.add(starts[0], at), b.i8s(16)), b.i32s(4));
    for (int64_t i = 0; i < 4; ++i)
      words.push_back(b.word(all, i));
  } else {
    for (Value start : starts)
      words.push_back(b.word(b.bitcast(b.loadAligned(p.weight, b.add(start, at), b.i8s(4)), b.i32s(1)), 0));
  }
  return words;
}

Values WeightRows::loadClamped(DeviceBuilder &b, Value line) const {
  Value last = b.sub(p.colTiles, b.index(1));
  return load(
      b, b.min(line, line.getType().isIndex() ? last : b.createOrFold<arith::IndexCastUIOp>(line.getType(), last)));
}

Values nvptx::scatterSums(DeviceBuilder &b, const Threads &t, Values values) {
  for (int64_t mask = 16; mask >= 4; mask /= 2) {
    if (values.size() == 1) {
      values[0] = addNumbers(b, values[0], b.shuffleXor(values[0], mask));
      continue;
    }
    // Half of the lanes keep the upper half of the values and give away the lower.
    Value upper = b.cmp(arith::CmpIPredicate::ne, b.bitAnd(t.lane, mask), b.index(0));
    size_t half = values.size() / 2;
    Values kept;
    for (size_t i = 0; i < half; ++i) {
      Value given = b.select(upper, values[i], values[i + half]), own = b.select(upper, values[i + half], values[i]);
      kept.push_back(addNumbers(b, own, b.shuffleXor(given, mask)));
    }
    values = kept;
  }
  return values;
}

WarpSums::WarpSums(DeviceBuilder &b, const WarpShare &share, Type type)
    : share(share), buffer(b.shared(share.slots() * share.split * share.tokens * Product::kTile, type)) {}

void WarpSums::put(DeviceBuilder &b, const Threads &t, const WarpPlace &place, ValueRange sums) {
  // Number i is token i / 4, row 4 (lane % 4) + i % 4.
  int64_t count = sums.size();
  bool single = share.tokens * 4 < 8; // two lanes have each
  Value number = single ? b.shr(t.lane, 3) : b.mul(b.shr(t.lane, 2), count);
  Value at = b.add(b.mul(t.warp, share.tokens * Product::kTile), b.shl(b.shr(number, 2), 4));
  at = b.add(at, b.add(place.row, b.bitAnd(number, 3)));
  auto write = [&] {
    if (count == 1)
      return b.store(sums[0], buffer, at);
    auto type = b.vec(count, sums[0].getType());
    b.storeAligned(vector::FromElementsOp::create(b, type, sums), buffer, at);
  };
  if (single)
    b.branch(b.equals(b.bitAnd(t.lane, 4), 0), write);
  else
    write();
}

void nvptx::finishRows(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, const Threads &t,
                       Value firstColumn, Value firstToken,
                       llvm::function_ref<Value(int64_t, Value, Value, Value)> get) {
  auto finish = [&](Value output) {
    Value column = b.rem(output, b.index(share.columns())), token = b.div(output, b.index(share.columns()));
    Value m = b.add(firstToken, token), n = b.add(firstColumn, column);
    Value inside = b.createOrFold<arith::AndIOp>(b.cmp(arith::CmpIPredicate::ult, m, product.p.m),
                                                 b.cmp(arith::CmpIPredicate::ult, n, product.columns));
    b.branch(inside, [&] {
      Value slot = b.mul(b.shr(column, 4), share.companions), row = b.bitAnd(column, 15);
      Values sums;
      for (int64_t i = 0; i < share.companions; ++i)
        sums.push_back(get(i, b.add(slot, i), token, row));
      product.epilogue(b, m, n, sums);
    });
  };
  Value outputs = b.index(share.outputs());
  if (share.outputs() <= share.threads())
    b.branch(b.cmp(arith::CmpIPredicate::ult, t.thread, outputs), [&] { finish(t.thread); });
  else
    takeTurns(b, t.thread, outputs, b.index(share.threads()), finish);
}

void nvptx::finishRows(DeviceBuilder &b, const DeviceProduct &product, const WarpSums &sums, const Threads &t,
                       Value firstColumn, Value firstToken) {
  const WarpShare &share = sums.share;
  finishRows(b, product, share, t, firstColumn, firstToken, [&](int64_t, Value slot, Value token, Value row) {
    int64_t warpSize = share.tokens * Product::kTile;
    Value at = b.add(b.mul(slot, share.split * warpSize), b.add(b.shl(token, 4), row)), sum;
    for (int64_t i = 0; i < share.split; ++i) {
      Value part = b.load(sums.buffer, b.add(at, i * warpSize));
      sum = sum ? addNumbers(b, sum, part) : part;
    }
    return sum;
  });
}
