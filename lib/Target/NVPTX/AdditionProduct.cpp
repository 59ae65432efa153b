//===- AdditionProduct.cpp - Products of additions alone ------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each code selects x, -x or 0, which is added: any activation type, widened to i32
// or f32, and scales of groups. A warp takes a chunk of 128 columns at a time and
// keeps their activations in shared memory of its own, zeros where they are not of
// its group, so that any K and any group will do.
//
// Float sums have one order for a shape, whatever the number of tokens: a lane's
// columns, lanes by halves, warps. Sums of int8 activations under scales are exact,
// and their groups are added in order.
//
//===----------------------------------------------------------------------===//

#include "ProductRows.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kChunkColumns = 8 * Product::kTile;
constexpr int64_t kWarps = 8;
constexpr int64_t kGroupBytes = 16 << 10; // of scaled sums in shared memory

namespace {

/// One kernel.
struct Addition {
  DeviceBuilder &b;
  const DeviceProduct &product;
  const Product &p;
  WarpShare share;
  bool isFloat;
  Type sumType;

  Addition(DeviceBuilder &b, const DeviceProduct &product, int64_t tokens);
  void emit(const Threads &t, Value firstColumn, Value firstToken);

private:
  /// What a thread reads for a chunk: four words of weights, four activations of each token.
  struct Chunk {
    Values words, activations; // activations [token][4]: of columns lane, lane + 32, ...
  };
  Chunk fetch(const Threads &t, const WeightRows &rows, Value line, Value from, Value to);
  void add(const Threads &t, Values &sums, ValueRange words, ValueRange activations);
  void emitPlain(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstColumn, Value firstToken);
  void emitGroups(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstColumn,
                  Value firstToken);
  void meetWarp();

  Values tokenRows; // where each token starts in x
  Value stage;      // [warp][token][128]
};

} // namespace

Addition::Addition(DeviceBuilder &b, const DeviceProduct &product, int64_t tokens)
    : b(b), product(product), p(product.p), share{tokens, static_cast<int64_t>(product.companions.size()),
                                                  /*groups=*/1, /*split=*/kWarps},
      isFloat(isa<FloatType>(p.activation)), sumType(isFloat ? Type(b.getF32Type()) : b.getI32Type()) {
  if (share.companions > 1)
    share.split = std::clamp<int64_t>(WarpShare::kMostWarps / share.companions, 1, kWarps / 2);
  // One warp for two chunks, or for a group.
  if (auto parts = getConstant(p.scales ? p.groups : b.ceilDiv(p.k, 2 * kChunkColumns)))
    share.split = std::clamp<int64_t>(*parts, 1, share.split);
  while (p.scales && share.threads() < share.outputs())
    ++share.split; // a thread adds up the groups of one output
}

/// The lanes of a warp see what the others stored.
void Addition::meetWarp() { NVVM::SyncWarpOp::create(b, b.constant(b.getI32Type(), -1)); }

/// The chunk whose first line is `line`; activations of columns outside [from, to) are zeros.
Addition::Chunk Addition::fetch(const Threads &t, const WeightRows &rows, Value line, Value from, Value to) {
  Chunk chunk;
  chunk.words = rows.loadClamped(b, b.add(line, b.shr(t.lane, 2)));
  Value first = b.add(b.shl(line, 4), t.lane);
  Value zero = b.constant(sumType, 0);
  for (Value row : tokenRows)
    for (int64_t i = 0; i < 4; ++i) {
      Value column = b.add(first, i * kWarp);
      Value inside = b.createOrFold<arith::AndIOp>(b.cmp(arith::CmpIPredicate::uge, column, from),
                                                   b.cmp(arith::CmpIPredicate::ult, column, to));
      chunk.activations.push_back(b.choose(
          inside,
          [&] {
            Value x = b.load(p.x, b.add(row, column));
            if (!isFloat)
              x = arith::ExtSIOp::create(b, sumType, x);
            else if (p.activation != sumType)
              x = arith::ExtFOp::create(b, sumType, x);
            return Values{x};
          },
          [&] { return Values{zero}; })[0]);
    }
  return chunk;
}

/// Adds a chunk to sums [token][row].
void Addition::add(const Threads &t, Values &sums, ValueRange words, ValueRange activations) {
  Value warpStage = b.mul(t.warp, share.tokens * kChunkColumns), mine = b.add(warpStage, t.lane);
  for (auto [i, x] : llvm::enumerate(activations))
    b.store(x, stage, b.add(mine, (i / 4) * kChunkColumns + (i % 4) * kWarp));
  meetWarp();
  Value at = b.add(warpStage, b.shl(b.shr(t.lane, 2), 4)), zero = b.constant(sumType, 0);
  for (int64_t plane = 0; plane < 4; ++plane) {
    Values plus, minus; // [token][4 columns]
    for (int64_t token = 0; token < share.tokens; ++token) {
      Value four = b.loadAligned(stage, b.add(at, token * kChunkColumns + 4 * plane), b.vec(4, sumType));
      for (int64_t i = 0; i < 4; ++i) {
        plus.push_back(b.word(four, i));
        minus.push_back(isFloat ? Value(arith::NegFOp::create(b, plus.back())) : b.sub(zero, plus.back()));
      }
    }
    for (int64_t row = 0; row < 4; ++row)
      for (int64_t i = 0; i < 4; ++i) {
        int64_t shift = 8 * i + 2 * plane;
        auto codeIs = [&](int64_t code) {
          return b.equals(b.bitAnd(words[row], static_cast<int32_t>(3u << shift)),
                          static_cast<int32_t>(static_cast<uint32_t>(code) << shift));
        };
        Value isPlus = codeIs(2), isMinus = codeIs(0);
        for (int64_t token = 0; token < share.tokens; ++token) {
          int64_t x = token * 4 + i;
          Value term = b.select(isPlus, plus[x], b.select(isMinus, minus[x], zero));
          Value &sum = sums[token * 4 + row];
          sum = addNumbers(b, sum, term);
        }
      }
  }
  meetWarp();
}

/// All columns in one sum.
void Addition::emitPlain(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstColumn,
                         Value firstToken) {
  const size_t count = share.tokens * 4;
  WarpSums parts(b, share, sumType);
  Value none = b.index(0), lines = b.mul(place.slice, share.chunkLines());
  Chunk first = fetch(t, rows, lines, none, p.k);
  Values carried(count, b.constant(sumType, 0));
  carried.append(first.words);
  carried.append(first.activations);
  int64_t step = share.split * share.chunkLines();
  carried = b.loop(lines, p.colTiles, step, carried, [&](Value line, ValueRange now) {
    Chunk next = fetch(t, rows, b.add(line, step), none, p.k); // of the last, zeros
    Values result(now.take_front(count));
    add(t, result, now.slice(count, 4), now.drop_front(count + 4));
    result.append(next.words);
    result.append(next.activations);
    return result;
  });
  carried.resize(count);
  parts.put(b, t, place, scatterSums(b, t, carried));
  b.barrier();
  finishRows(b, product, parts, t, firstColumn, firstToken);
}

/// Groups in turn, each with scales of its own; those that shared memory holds, then the next.
void Addition::emitGroups(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstColumn,
                          Value firstToken) {
  const int64_t values = share.slots() * share.tokens * Product::kTile, held = kGroupBytes / (values * 4);
  Type f32 = b.getF32Type();
  Value buffer = b.shared(held * values, f32), zero = b.constant(f32, 0); // [group][slot][token][row]
  Value groupColumns = b.div(p.k, p.groups), lastRow = b.sub(p.n, b.index(1));
  Value group = b.div(place.slot, b.index(share.companions)), companion = b.rem(place.slot, b.index(share.companions));
  Value offset = b.index(product.companions[0]);
  for (int64_t i = 1; i < share.companions; ++i)
    offset = b.select(b.equals(companion, i), b.index(product.companions[i]), offset);
  // After scatterSums a lane has these of a group.
  int64_t owned = std::max<int64_t>(share.tokens * 4 / 8, 1);
  Value number = share.tokens == 1 ? b.shr(t.lane, 3) : b.mul(b.shr(t.lane, 2), owned);
  Value rowOf = b.add(place.row, b.bitAnd(number, 3)), tokenOf = b.shr(number, 2);
  Value firstRow = b.add(b.add(firstColumn, b.shl(group, 4)), b.add(offset, rowOf));
  Value out = b.add(b.shl(b.add(b.mul(place.slot, share.tokens), tokenOf), 4), rowOf);

  Values totals(share.companions, zero); // of the thread's output
  totals = b.loop(b.index(0), p.groups, held, totals, [&](Value first, ValueRange before) {
    Value count = b.min(b.sub(p.groups, first), b.index(held));
    takeTurns(b, place.slice, count, b.index(share.split), [&](Value which) {
      Value from = b.mul(b.add(first, which), groupColumns), to = b.add(from, groupColumns);
      Value line = b.shr(from, 4), lines = b.ceilDiv(to, Product::kTile);
      Values sums(share.tokens * 4, b.constant(sumType, 0));
      auto chunks = scf::ForOp::create(b, line, lines, b.index(share.chunkLines()), sums);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(chunks.getBody());
        Chunk chunk = fetch(t, rows, chunks.getInductionVar(), from, to);
        Values next(chunks.getRegionIterArgs());
        add(t, next, chunk.words, chunk.activations);
        scf::YieldOp::create(b, next);
      }
      Values scaled = scatterSums(b, t, Values(chunks.getResults()));
      Value at = b.add(b.mul(which, values), out);
      for (auto [i, sum] : llvm::enumerate(scaled)) {
        Value row = b.min(b.add(firstRow, i), lastRow);
        Value scale = b.load(p.scales, b.add(b.mul(row, p.scalesStride), b.add(first, which)));
        Value number = isFloat ? sum : Value(arith::SIToFPOp::create(b, f32, sum));
        b.store(arith::MulFOp::create(b, number, scale), buffer, b.add(at, i));
      }
    });
    b.barrier();
    // A thread adds up its output, if it has one.
    Value column = b.rem(t.thread, b.index(share.columns())), token = b.div(t.thread, b.index(share.columns()));
    Value slot = b.mul(b.shr(column, 4), share.companions);
    Value mine = b.add(b.shl(b.add(b.mul(slot, share.tokens), token), 4), b.bitAnd(column, 15));
    Value works = b.cmp(arith::CmpIPredicate::ult, t.thread, b.index(share.outputs()));
    Values after = b.choose(
        works,
        [&] {
          return b.loop(b.index(0), count, 1, Values(before), [&](Value which, ValueRange now) {
            Values next;
            Value at = b.add(b.mul(which, values), mine);
            for (int64_t i = 0; i < share.companions; ++i)
              next.push_back(addNumbers(b, now[i], b.load(buffer, b.add(at, i * share.tokens * Product::kTile))));
            return next;
          });
        },
        [&] { return Values(before); });
    b.barrier();
    return after;
  });
  finishRows(b, product, share, t, firstColumn, firstToken,
             [&](int64_t companion, Value, Value, Value) { return totals[companion]; });
}

void Addition::emit(const Threads &t, Value firstColumn, Value firstToken) {
  WarpPlace place(b, t, share);
  WeightRows rows(b, product, share, place, firstColumn);
  stage = b.shared(share.warps() * share.tokens * kChunkColumns, sumType);
  for (int64_t token = 0; token < share.tokens; ++token) {
    Value m = b.min(b.add(firstToken, token), b.sub(p.m, b.index(1)));
    tokenRows.push_back(b.mul(m, p.xStride));
  }
  if (p.scales)
    emitGroups(t, place, rows, firstColumn, firstToken);
  else
    emitPlain(t, place, rows, firstColumn, firstToken);
  b.barrier(); // all have read the sums of this round
}

static void emitVariants(DeviceBuilder &b, const DeviceProduct &product, ArrayRef<int64_t> tokens) {
  auto emit = [&] {
    Addition addition(b, product, tokens.front());
    launchRows(b, product, addition.share, [&](const Threads &t, Value firstColumn, Value firstToken) {
      addition.emit(t, firstColumn, firstToken);
    });
  };
  if (tokens.size() == 1)
    return emit();
  b.branch(b.cmp(arith::CmpIPredicate::ule, product.p.m, b.index(tokens.front())), emit,
           [&] { emitVariants(b, product, tokens.drop_front()); });
}

void nvptx::emitAdditionProduct(DeviceBuilder &b, const DeviceProduct &product) {
  static constexpr int64_t kVariants[] = {1, 2, 4};
  // Under scales, four tokens would take more registers than there are.
  emitVariants(b, product, ArrayRef(kVariants).take_front(product.p.scales ? 2 : 3));
}
