//===- ActivationStage.cpp - Activations of few tokens in shared memory ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ActivationStage.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kAtOnce = 4; // loads of a thread before the first is needed

ActivationStage::ActivationStage(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, int64_t lines,
                                 int64_t tokenWords)
    : b(b), product(product), p(product.p), share(share), lines(lines), tokenWords(tokenWords),
      buffer(b.shared(share.tokens * tokenWords, b.getI32Type())) {}

/// A line's words as they are kept.
Value ActivationStage::order(Value words) { return share.pairs ? b.shuffle(words, words, {0, 2, 1, 3}) : words; }

/// Where a token of the block starts in x.
Value ActivationStage::startOf(Value token, Value firstToken) {
  return b.mul(b.min(b.add(firstToken, token), b.sub(p.m, b.index(1))), p.xStride);
}

/// The token and the line of a unit of work, where a token has `count` lines.
std::pair<Value, Value> ActivationStage::split(Value unit, Value count) {
  if (share.tokens == 1)
    return {b.index(0), unit};
  return {b.div(unit, count), b.rem(unit, count)};
}

/// Whether 16 bytes can be read at once at each line of each token.
Value ActivationStage::isAligned(Value firstToken) {
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, p.x);
  Value start = b.add(base, memref::ExtractStridedMetadataOp::create(b, p.x).getOffset());
  start = share.tokens == 1 ? b.add(start, startOf(b.index(0), firstToken))
                            : b.createOrFold<arith::OrIOp>(start, p.xStride);
  return b.equals(b.bitAnd(start, 15), 0);
}

/// Copies `count` lines of each token, all of them inside of its columns and aligned.
void ActivationStage::copyLines(const Threads &t, Value firstToken, Value firstLine, Value count) {
  Value units = b.mul(count, share.tokens), last = b.sub(units, b.index(1));
  auto copy = [&](Value first, int64_t number) {
    Values bytes, places;
    for (int64_t i = 0; i < number; ++i) {
      // Threads without work repeat the last unit's.
      auto [token, line] = split(b.min(b.add(first, i * share.threads()), last), count);
      Value at = b.add(startOf(token, firstToken), b.shl(b.add(firstLine, line), 4));
      bytes.push_back(b.loadAligned(p.x, at, b.i8s(Product::kTile)));
      places.push_back(b.add(b.mul(token, tokenWords), b.shl(line, 2)));
    }
    for (auto [value, at] : llvm::zip_equal(bytes, places))
      b.storeAligned(order(b.bitcast(value, b.i32s(kLineWords))), buffer, at);
  };
  auto known = getConstant(units);
  int64_t rounds = known ? llvm::divideCeil(*known, share.threads()) : kAtOnce + 1;
  if (rounds <= kAtOnce)
    return copy(t.thread, rounds);
  takeTurns(b, t.thread, units, b.index(kAtOnce * share.threads()), [&](Value first) { copy(first, kAtOnce); });
}

/// A line that is not aligned, or of which only some columns are inside of K: byte by byte.
void ActivationStage::storeRagged(Value row, Value column, Value at) {
  b.loop(b.index(0), b.index(kLineWords), 1, [&](Value i) {
    Value word = b.constant(b.getI32Type(), 0);
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value from = b.add(b.add(column, b.shl(i, 2)), byte);
      Value x = b.choose(
          b.cmp(arith::CmpIPredicate::ult, from, p.k), [&] { return Values{b.load(p.x, b.add(row, from))}; },
          [&] { return Values{b.constant(b.getI8Type(), 0)}; })[0];
      x = b.shl(arith::ExtUIOp::create(b, b.getI32Type(), x), 8 * byte);
      word = b.createOrFold<arith::OrIOp>(word, x);
    }
    Value place = share.pairs ? b.add(b.shl(b.bitAnd(i, 1), 1), b.shr(i, 1)) : i;
    b.store(word, buffer, b.add(at, place));
  });
}

/// The stage's lines from `from` on, in whatever way: what columns are left, and zeros; `behind` the last whole line.
void ActivationStage::fillUp(const Threads &t, Value firstToken, Value firstLine, Value from, bool behind) {
  Value count = b.sub(b.index(lines), from);
  auto k = getConstant(p.k);
  takeTurns(b, t.thread, b.mul(count, share.tokens), b.index(share.threads()), [&](Value unit) {
    auto [token, further] = split(unit, count);
    Value line = b.add(from, further), column = b.shl(b.add(firstLine, line), 4);
    Value at = b.add(b.mul(token, tokenWords), b.shl(line, 2)), start = startOf(token, firstToken);
    bool empty = behind && k && *k % Product::kTile == 0;
    Value ragged = empty ? b.constant(b.getI1Type(), 0) : b.cmp(arith::CmpIPredicate::ult, column, p.k);
    b.branch(
        ragged, [&] { storeRagged(start, column, at); },
        [&] { b.storeAligned(b.constant(b.i32s(kLineWords), 0), buffer, at); });
  });
}

void ActivationStage::fill(const Threads &t, Value firstToken, Value firstLine) {
  if (product.prologue) {
    // It fills whole lines of K; the others of the stage are left.
    int64_t filled = llvm::divideCeil(*getConstant(p.k), Product::kTile) * kLineWords, words = lines * kLineWords;
    if (filled < words)
      takeTurns(b, b.add(t.thread, filled), b.index(words), b.index(share.threads()),
                [&](Value at) { b.store(b.constant(b.getI32Type(), 0), buffer, at); });
    product.prologue->quantize(b, t, firstToken, buffer);
    return;
  }
  Value whole = b.max(b.min(b.sub(b.shr(p.k, 4), firstLine), b.index(lines)), b.index(0));
  auto copyAll = [&] {
    copyLines(t, firstToken, firstLine, whole);
    if (getConstant(whole) != lines)
      fillUp(t, firstToken, firstLine, whole, /*behind=*/true);
  };
  auto anyhow = [&] { fillUp(t, firstToken, firstLine, b.index(0), /*behind=*/false); };
  if (getConstant(whole) == 0)
    anyhow();
  else
    b.branch(isAligned(firstToken), copyAll, anyhow);
  b.barrier();
}
