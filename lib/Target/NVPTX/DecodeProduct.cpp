//===- DecodeProduct.cpp - A few tokens, weights read once ---------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One token by dp4a, several by mma.sync. Codes are used as they lie: a word masked by
// 3, 12, 48 or 192 in each byte holds four codes times 1, 4, 16 or 64, which sum apart
// and are shifted down at the end, exactly: a mask and a dp4a for four weights.
// Matrices take the planes of 1 and 4, twice, the second time shifted by four; the
// columns of a product of matrices may stand in any order, so a thread's own words are
// its part of the left matrix. Codes are trits plus one: the sum of the activations is
// taken off once.
//
// A block asks for its first weights, then makes or copies the activations of its
// tokens into shared memory, zeros behind them, then multiplies.
//
//===----------------------------------------------------------------------===//

#include "ActivationStage.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kLineWords = ActivationStage::kLineWords;
constexpr int64_t kStageBytes = 32 << 10;
constexpr int64_t kAhead = 4;        // chunks of a warp that a loop asks for before it needs them
constexpr int64_t kMostAhead = 7;    // the same without a loop
constexpr int64_t kMostSplit = 8;    // that share a block of rows
constexpr int64_t kBlockWarps = 8;   // of a block of several groups
constexpr int64_t kProcessors = 132; // of a typical device
constexpr int64_t kOnes = 0x01010101;

namespace {

/// One kernel.
struct Decode {
  DeviceBuilder &b;
  const DeviceProduct &product;
  const Product &p;
  WarpShare share;
  std::optional<int64_t> warpChunks; // chunks of a warp, where K is known
  int64_t stageChunks;               // of them in shared memory at once
  int64_t stageLines, tokenWords;    // the same of the block
  bool straight;                     // all of them, without a loop
  Type i32;

  Decode(DeviceBuilder &b, const DeviceProduct &product, int64_t tokens);
  void emit(const Threads &t, Value firstColumn, Value firstToken);

private:
  // Sums of a stage: dp4a has four scales of four rows, and the activations' own; mma two scales of two pairs of rows,
  // and the activations', each the four words of a product of matrices. Totals are what remains without scales.
  size_t numSums() const { return share.pairs ? 20 : 17; }
  size_t numTotals() const { return share.pairs ? 8 : 5; }
  void addChunk(Values &sums, ValueRange words, Value at, Value own);
  void addTiles(Values &sums, ValueRange words, Value at);
  Values fold(ValueRange totals, ValueRange sums);
  void put(WarpSums &parts, const Threads &t, const WarpPlace &place, Values totals);

  int64_t strideWords() const { return share.split * share.chunkLines() * kLineWords; } // from chunk to chunk
  Values loadChunk(const WeightRows &rows, Value firstLine, int64_t chunk);
  Values addStraight(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstToken);
  Values addLooped(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstToken);
  void waitForActivations();

  std::optional<ActivationStage> stage;
  Value firstLine; // of the thread's chunks, as i32
  Value firstAt;   // where its activations stand in the stage
  Value firstOwn;  // which of them it adds up
};

} // namespace

/// Warps that share a block of rows: as many as leave each few chunks, so that all of them are asked for at once, and
/// cut the columns with little waste.
static int64_t getSplit(int64_t chunks, int64_t slots) {
  auto share = [&](int64_t split) -> int64_t { return llvm::divideCeil(chunks, split); };
  int64_t most = slots >= kProcessors ? kMostAhead : 3, best = kMostSplit;
  for (int64_t split = kMostSplit; split > 0 && share(split) <= most; --split)
    if (split * share(split) <= best * share(best))
      best = split;
  return best;
}

Decode::Decode(DeviceBuilder &b, const DeviceProduct &product, int64_t tokens)
    : b(b), product(product), p(product.p),
      share{tokens, static_cast<int64_t>(product.companions.size()), /*groups=*/1, /*split=*/4, /*pairs=*/tokens > 1},
      i32(b.getI32Type()) {
  auto columns = getConstant(product.columns), k = getConstant(p.k);
  if (share.pairs && share.companions % 2)
    share.groups = 2;
  if (k) {
    int64_t chunks = llvm::divideCeil(*k, share.chunkLines() * Product::kTile);
    int64_t blocks = columns ? llvm::divideCeil(*columns, Product::kTile) : 4 * kProcessors; // of 16 columns
    share.split = getSplit(chunks, blocks * share.companions / (share.pairs ? 2 : 1));
    // Blocks make their activations themselves: the more rows they have, the better, but no processor must be idle.
    int64_t enough = product.prologue ? kProcessors * 3 / 4 : 2 * kProcessors;
    while (2 * share.warps() <= kBlockWarps && blocks >= enough * 2 * share.groups)
      share.groups *= 2;
  }
  share.split = std::clamp<int64_t>(WarpShare::kMostWarps / share.slots(), 1, share.split);
  if (k)
    warpChunks = llvm::divideCeil(llvm::divideCeil(*k, share.chunkLines() * Product::kTile), share.split);
  int64_t chunkBytes = tokens * strideWords() * 4, most = kStageBytes;
  if (product.prologue) // gives whole tokens
    most = llvm::alignTo(*warpChunks, kAhead) * chunkBytes;
  straight = warpChunks && *warpChunks <= kMostAhead && *warpChunks * chunkBytes <= most;
  if (straight) {
    stageChunks = *warpChunks;
  } else {
    stageChunks = std::max(most / chunkBytes / kAhead * kAhead, kAhead);
    if (warpChunks)
      stageChunks = std::min<int64_t>(stageChunks, llvm::alignTo(*warpChunks, kAhead));
  }
  stageLines = stageChunks * share.split * share.chunkLines();
  tokenWords = stageLines * kLineWords;
  if (share.pairs) // eight lanes read four lines of two tokens: 16 banks from each other
    tokenWords = llvm::alignTo(tokenWords, 32) + 16;
}

/// A warp's chunk of that number after the one whose line, of this thread, is `firstLine`.
Values Decode::loadChunk(const WeightRows &rows, Value firstLine, int64_t chunk) {
  Value line = b.add(firstLine, chunk * share.split * share.chunkLines());
  auto lines = getConstant(p.colTiles);
  bool inside = straight && lines && (chunk + 1) * share.split * share.chunkLines() <= *lines;
  return inside ? rows.load(b, line) : rows.loadClamped(b, line);
}

/// Everything before this may run while the kernel that makes the activations still does. LLVM would rather load
/// weights behind the activations, where they are used.
void Decode::waitForActivations() {
  if (!product.dependent) {
    NVVM::SyncWarpOp::create(b, b.constant(i32, -1));
    return;
  }
  b.waitForKernelInFront();
}

/// Adds a chunk. The four lanes of a line each add up a word of its activations.
void Decode::addChunk(Values &sums, ValueRange words, Value at, Value own) {
  if (share.pairs)
    return addTiles(sums, words, at);
  Value x = b.loadAligned(stage->getBuffer(), at, b.i32s(kLineWords));
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t plane = 0; plane < 4; ++plane) {
      Value codes = b.bitAnd(words[row], static_cast<int32_t>(0x03030303u << (2 * plane)));
      Value &sum = sums[row * 4 + plane];
      sum = b.dp4a(codes, false, b.word(x, plane), true, sum);
    }
  sums[16] = b.dp4a(b.constant(i32, kOnes), true, b.load(stage->getBuffer(), own), true, sums[16]);
}

/// With g = lane / 4 and q = lane % 4: matrix rows g and g + 8 are two of the thread's rows, columns 4 q to 4 q + 3 and
/// those 16 further are two planes of line q of the chunk, and token g is a column of the right matrix.
void Decode::addTiles(Values &sums, ValueRange words, Value at) {
  Value x = b.loadAligned(stage->getBuffer(), at, b.i32s(kLineWords)), ones = b.constant(i32, kOnes);
  auto multiply = [&](int64_t first, ArrayRef<Value> codes, int64_t plane) {
    Value activations[] = {b.word(x, 2 * plane), b.word(x, 2 * plane + 1)}; // of planes `plane` and `plane` + 2
    llvm::copy(b.mmaBytes(codes, activations, ValueRange(sums).slice(first, 4)), sums.begin() + first);
  };
  for (int64_t plane = 0; plane < 2; ++plane) {
    Values low, high;
    for (Value word : words) {
      low.push_back(b.bitAnd(word, 0x03030303 << (2 * plane)));
      high.push_back(b.bitAnd(b.shr(word, 4), 0x03030303 << (2 * plane)));
    }
    for (int64_t pair = 0; pair < 2; ++pair)
      multiply(8 * pair + 4 * plane, {low[2 * pair], low[2 * pair + 1], high[2 * pair], high[2 * pair + 1]}, plane);
    multiply(16, {ones, ones, ones, ones}, plane);
  }
}

/// Adds a stage's sums to the totals. A scale of 64 adds at most 2^16 a chunk, and a stage has fewer than 2^10 chunks:
/// nothing overflows before it is shifted.
Values Decode::fold(ValueRange totals, ValueRange sums) {
  Values next(totals);
  if (share.pairs) {
    for (int64_t i = 0; i < 8; ++i) {
      int64_t first = 8 * (i / 4) + i % 4;
      Value sum = b.sub(b.add(sums[first], b.sra(sums[first + 4], 2)), sums[16 + i % 4]);
      next[i] = b.add(next[i], sum);
    }
    return next;
  }
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t plane = 0; plane < 4; ++plane)
      next[row] = b.add(next[row], b.sra(sums[row * 4 + plane], 2 * plane));
  next[4] = b.add(next[4], sums[16]);
  return next;
}

/// Leaves the warp's totals for the block.
void Decode::put(WarpSums &parts, const Threads &t, const WarpPlace &place, Values totals) {
  if (!share.pairs) {
    Value sum = b.reduceLanes(totals.pop_back_val(), 4, [&](Value a, Value c) { return b.add(a, c); });
    for (Value &total : totals)
      total = b.sub(total, sum);
    return parts.put(b, t, place, scatterSums(b, t, totals));
  }
  // Of a pair: row g of tokens 2 q and 2 q + 1, then row g + 8.
  Value token = b.shl(b.bitAnd(t.lane, 3), 1);
  b.branch(b.cmp(arith::CmpIPredicate::ult, token, b.index(share.tokens)), [&] {
    Value part = b.add(b.mul(b.add(b.mul(place.slot, share.split), place.slice), share.tokens), token);
    Value at = b.add(b.shl(part, 4), place.row);
    for (int64_t i = 0; i < 2; ++i) {
      Value rows = vector::FromElementsOp::create(b, b.i32s(4),
                                                  ValueRange{totals[i], totals[2 + i], totals[4 + i], totals[6 + i]});
      b.storeAligned(rows, parts.buffer, b.add(at, i * Product::kTile));
    }
  });
}

Values Decode::addStraight(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstToken) {
  SmallVector<Values> weights;
  for (int64_t chunk = 0; chunk < stageChunks; ++chunk)
    weights.push_back(loadChunk(rows, firstLine, chunk));
  waitForActivations();
  stage->fill(t, firstToken, b.index(0));
  Value zero = b.constant(i32, 0);
  Values sums(numSums(), zero);
  for (int64_t chunk = 0; chunk < stageChunks; ++chunk)
    addChunk(sums, weights[chunk], b.add(firstAt, chunk * strideWords()), b.add(firstOwn, chunk * strideWords()));
  return fold(Values(numTotals(), zero), sums);
}

Values Decode::addLooped(const Threads &t, const WarpPlace &place, const WeightRows &rows, Value firstToken) {
  const int64_t chunkLines = share.split * share.chunkLines();
  auto ask = [&](Value chunk, Values &values) { // for kAhead chunks
    Value line = b.createOrFold<arith::IndexCastUIOp>(i32, b.mul(chunk, chunkLines));
    for (int64_t i = 0; i < kAhead; ++i)
      values.append(loadChunk(rows, b.add(line, firstLine), i));
  };
  Value chunks = b.ceilDiv(b.ceilDiv(p.colTiles, share.chunkLines()), share.split), zero = b.constant(i32, 0);
  Values carried(numTotals(), zero); // then weights
  ask(b.index(0), carried);
  waitForActivations();
  carried = b.loop(b.index(0), chunks, stageChunks, carried, [&](Value firstChunk, ValueRange outer) {
    if (!warpChunks || *warpChunks > stageChunks)
      b.barrier(); // all have read what the stage held
    stage->fill(t, firstToken, b.mul(firstChunk, chunkLines));
    Values inner(numSums(), zero);
    inner.append(outer.begin() + numTotals(), outer.end());
    Value count = b.min(b.sub(chunks, firstChunk), b.index(stageChunks));
    inner = b.loop(b.index(0), count, kAhead, inner, [&](Value chunk, ValueRange now) {
      Values next(now.take_front(numSums())), weights(now.drop_front(numSums())), asked;
      ask(b.add(b.add(firstChunk, chunk), kAhead), asked);
      Value further = b.mul(chunk, strideWords());
      for (int64_t i = 0; i < kAhead; ++i) {
        Value at = b.add(b.add(firstAt, further), i * strideWords());
        Value own = b.add(b.add(firstOwn, further), i * strideWords());
        addChunk(next, ArrayRef(weights).slice(4 * i, 4), at, own);
      }
      next.append(asked);
      return next;
    });
    Values next = fold(outer.take_front(numTotals()), ArrayRef(inner).take_front(numSums()));
    next.append(inner.begin() + numSums(), inner.end());
    return next;
  });
  carried.truncate(numTotals());
  return carried;
}

void Decode::emit(const Threads &t, Value firstColumn, Value firstToken) {
  WarpPlace place(b, t, share);
  WeightRows rows(b, product, share, place, firstColumn);
  stage.emplace(b, product, share, stageLines, tokenWords);
  WarpSums parts(b, share, i32);
  Value sliceLine = b.mul(place.slice, share.chunkLines());
  firstLine = b.add(b.createOrFold<arith::IndexCastUIOp>(i32, sliceLine), place.line);
  Value lane = share.pairs ? b.bitAnd(t.lane, 3) : b.shr(t.lane, 2);
  firstAt = b.shl(b.add(sliceLine, lane), 2);
  firstOwn = b.add(firstAt, b.bitAnd(t.lane, 3));
  if (share.pairs) // lanes of columns without a token repeat others
    firstAt = b.add(firstAt, b.mul(b.bitAnd(b.shr(t.lane, 2), share.tokens - 1), tokenWords));
  Values totals = straight ? addStraight(t, place, rows, firstToken) : addLooped(t, place, rows, firstToken);
  put(parts, t, place, totals);
  b.barrier();
  finishRows(b, product, parts, t, firstColumn, firstToken);
  if (product.prologue)
    b.barrier(); // the next round's prologue may write what this one's epilogue reads
}

static void emitVariants(DeviceBuilder &b, const DeviceProduct &product, ArrayRef<int64_t> tokens) {
  auto emit = [&] {
    Decode decode(b, product, tokens.front());
    launchRows(b, product, decode.share,
               [&](const Threads &t, Value firstColumn, Value firstToken) { decode.emit(t, firstColumn, firstToken); });
  };
  if (tokens.size() == 1)
    return emit();
  b.branch(b.cmp(arith::CmpIPredicate::ule, product.p.m, b.index(tokens.front())), emit,
           [&] { emitVariants(b, product, tokens.drop_front()); });
}

bool nvptx::takesPrologue(const Product &p) {
  auto k = getConstant(p.k);
  return k && *k <= kStageBytes;
}

void nvptx::emitDecodeProduct(DeviceBuilder &b, const DeviceProduct &product) {
  static constexpr int64_t kVariants[] = {1, 2, 4, kDecodeTokens};
  emitVariants(b, product, ArrayRef(kVariants).take_front(product.prologue ? 1 : std::size(kVariants)));
}
