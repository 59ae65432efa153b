//===- DrawSteps.cpp - From logits to a token, kernel by kernel --------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   setun_draw_largest   biases and penalties; each block's largest logit
//   setun_draw_weigh     the weights; without top-k and top-p, each block's sum
//   setun_draw_rank      top-k: in which step of the distance from the largest the k-th stands, and who else does
//   setun_draw_share     the k-th itself; top-p: in which step the sum reaches p, and who stands there
//   setun_draw_sum       the last that may be drawn; each block's sum up to it
//   setun_draw_pick      the token
//
// Everything that is added is a whole number: the order, and so the grid and atomics, does not matter.
//
//===----------------------------------------------------------------------===//

#include "DrawKernels.h"

#include "setun/Conversion/LoopEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <limits>

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

#define OPTION(type, name) option(type, offsetof(setun_draw_options, name))
#define MEMORY(name, ...) ofMemory(offsetof(setun_draw_memory, name), ##__VA_ARGS__)

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kNoToken = std::numeric_limits<int64_t>::max();

//===-- setun_draw_largest ------------------------------------------------===//

/// A bias is its token's first for one thread, which adds all of that token.
void DrawKernel::addBiases() {
  Value many = toIndex(OPTION(i64, num_biases)), biases = pointerOption(offsetof(setun_draw_options, biases));
  auto tokenOf = [&](Value at) { return get(i64, address(biases, 0, b.mul(at, 2), i64)); };
  b.branch(below(b.index(0), many), [&] {
    b.barrier();
    b.loop(thread, many, kDrawThreads, [&](Value from) {
      Value token = tokenOf(from), at = toIndex(token);
      Value before = tokenOf(b.max(b.sub(from, b.index(1)), b.index(0)));
      Value isFirst = either(b.equals(from, 0), b.cmp(arith::CmpIPredicate::ne, before, token));
      Value isHere = both(b.cmp(arith::CmpIPredicate::sge, at, begin), b.cmp(arith::CmpIPredicate::slt, at, end));
      b.branch(both(isFirst, isHere), [&] {
        Values sum = b.loop(from, many, 1, {get(f64, logitOf(at))}, [&](Value other, ValueRange so) -> Values {
          Value bias = get(f64, address(biases, 8, b.mul(other, 2), i64)), none = real(-kInfinity);
          Value same = b.cmp(arith::CmpIPredicate::eq, tokenOf(other), token);
          Value changed = b.select(compare(arith::CmpFPredicate::OEQ, bias, none), none, addf(so[0], bias));
          Value changes = both(same, compare(arith::CmpFPredicate::OGT, so[0], none));
          return {b.select(changes, changed, so[0])};
        });
        set(sum[0], logitOf(at));
      });
    });
    b.barrier();
  });
}

/// Each token is counted by the block whose it is.
void DrawKernel::countHistory() {
  Value many = toIndex(OPTION(i64, num_tokens)), tokens = pointerOption(offsetof(setun_draw_options, tokens));
  Value counted = toIndex(OPTION(i64, counted));
  Type i32 = b.getI32Type();
  b.loop(thread, many, kDrawThreads, [&](Value from) {
    Value at = toIndex(get(i64, address(tokens, 0, from, i64)));
    Value isHere = both(b.cmp(arith::CmpIPredicate::sge, at, begin), b.cmp(arith::CmpIPredicate::slt, at, end));
    b.branch(isHere, [&] {
      Value counts = b.cmp(arith::CmpIPredicate::sge, from, counted);
      atomicAdd(countOf(at), b.select(counts, b.constant(i32, 2), b.constant(i32, 0)));
      atomicAdd(countOf(at), b.constant(i32, 1), /*isOr=*/true);
    });
  });
  b.barrier();
}

Value DrawKernel::punish(Value logit, Value at) {
  Value count = toNumber(get(b.getI32Type(), countOf(at)));
  Values result = b.choose(
      b.equals(count, 0), [&]() -> Values { return {logit}; },
      [&]() -> Values {
        Value r = OPTION(f64, repetition), isAbove = compare(arith::CmpFPredicate::OGT, logit, real(0));
        Value changed = b.select(isAbove, arith::DivFOp::create(b, logit, r), mulf(logit, r));
        Value times = arith::SIToFPOp::create(b, f64, b.shr(count, 1));
        Value less = subf(subf(changed, mulf(times, OPTION(f64, frequency))), OPTION(f64, presence));
        return {b.select(below(number(1), count), less, changed)};
      });
  return result[0];
}

void DrawKernel::emitLargest(Type element) {
  b.branch(b.equals(block, 0), [&] {
    for (int64_t i = 0; i < kOwned; ++i) {
      Value at = b.add(thread, i * kDrawThreads);
      set(number(0), MEMORY(counts, at));
      set(number(0), MEMORY(weights, at));
    }
    b.branch(onlyFirst(), [&] {
      for (int64_t list = 0; list < 2; ++list)
        set(number(0), ofMemory(offsetof(setun_draw_memory, listed) + 8 * list));
      set(real(-kInfinity), MEMORY(last));
      set(number(kNoToken), MEMORY(last_token));
    });
  });
  forSpan([&](Value at) {
    Value narrow = get(element, address(logits, 0, at, element));
    Value logit = LoopEmitter(b, b.getLoc()).convert(narrow, b.getF32Type());
    Value isNumber = compare(arith::CmpFPredicate::ORD, logit, logit);
    set(b.select(isNumber, arith::ExtFOp::create(b, f64, logit), real(-kInfinity)), logitOf(at));
  });
  addBiases();
  Value hasHistory = b.cmp(arith::CmpIPredicate::ne, OPTION(i64, has_history), number(0));
  b.branch(hasHistory, [&] { countHistory(); });
  Values best =
      b.loop(b.add(begin, thread), end, kDrawThreads, {real(-kInfinity), number(kNoToken)},
             [&](Value at, ValueRange so) -> Values {
               Value logit = get(f64, logitOf(at));
               logit = b.choose(
                   hasHistory, [&]() -> Values { return {punish(logit, at)}; }, [&]() -> Values { return {logit}; })[0];
               logit = addf(logit, real(0)); // no zero of another sign: their bits are compared
               set(logit, logitOf(at));
               Candidate next = first({so[0], so[1]}, {logit, toNumber(at)});
               return {next.logit, next.token};
             });
  Candidate ofBlock = firstOfBlock({best[0], best[1]});
  b.branch(onlyFirst(), [&] {
    set(ofBlock.logit, MEMORY(largest, block));
    set(ofBlock.token, MEMORY(token, block));
  });
}

//===-- setun_draw_weigh --------------------------------------------------===//

/// Whether top-k or top-p may cut something off.
static Value cuts(DrawKernel &k) {
  Value ranks = k.below(k.option(k.i64, offsetof(setun_draw_options, top_k)), k.size);
  Value share = k.option(k.f64, offsetof(setun_draw_options, top_p));
  return k.either(ranks, k.compare(arith::CmpFPredicate::OLT, share, k.real(1)));
}

static Value isFinite(DrawKernel &k, Value logit) {
  Value above = k.compare(arith::CmpFPredicate::OGT, logit, k.real(-kInfinity));
  return k.both(above, k.compare(arith::CmpFPredicate::OLT, logit, k.real(kInfinity)));
}

void DrawKernel::emitWeigh() {
  Value best = largest().logit, cut = cuts(*this), least = OPTION(f64, least);
  b.branch(isFinite(*this, best), [&] {
    Values mine = b.loop(b.add(begin, thread), end, kDrawThreads, {number(0)}, [&](Value at, ValueRange so) -> Values {
      Value x = distance(get(f64, logitOf(at)), best), in = weighs(x);
      Values found = b.choose(
          in,
          [&]() -> Values {
            Value whole = mulf(exponential(x), OPTION(f64, one)), weight = arith::FPToSIOp::create(b, i64, whole);
            b.branch(cut, [&] {
              Value at = toIndex(step(x));
              atomicAdd(MEMORY(counts, at), number(1));
              atomicAdd(MEMORY(weights, at), weight);
            });
            Value stays = compare(arith::CmpFPredicate::OGE, x, least);
            return {weight, b.select(stays, weight, number(0))};
          },
          [&]() -> Values { return {number(0), number(0)}; });
      set(found[0], weightOf(at));
      return {b.add(so[0], found[1])};
    });
    Value ofBlock = sum(mine[0]);
    b.branch(onlyFirst(), [&] { set(ofBlock, MEMORY(sums, block)); });
  });
}

//===-- setun_draw_rank, setun_draw_share ---------------------------------===//

/// By each block for itself; the first one tells the kernels behind.
static void note(DrawKernel &k, int64_t list, Crossing found) {
  k.b.branch(k.both(k.b.equals(k.block, 0), k.onlyFirst()), [&] {
    k.set(found.place, k.ofMemory(offsetof(setun_draw_memory, step) + 8 * list));
    k.set(found.before, k.ofMemory(offsetof(setun_draw_memory, before) + 8 * list));
  });
}

void DrawKernel::emitRank() {
  Value best = largest().logit, most = OPTION(i64, top_k);
  b.branch(isFinite(*this, best), [&] {
    Values owned = own(b.index(0), [&](Value at) { return get(i64, MEMORY(counts, at)); });
    Crossing found = cross(
        owned, number(0), [&](Value sum) { return b.cmp(arith::CmpIPredicate::uge, sum, most); }, number(kDrawChunk));
    note(*this, 0, found);
    gather(0, best, found.place, [&](Value, Value) { return b.constant(b.getI1Type(), 1); });
  });
}

static Candidate resolveRank(DrawKernel &k) {
  Value before = k.get(k.i64, k.ofMemory(offsetof(setun_draw_memory, before)));
  Value many = k.get(k.i64, k.ofMemory(offsetof(setun_draw_memory, listed))), list = k.number(0);
  Value most = k.option(k.i64, offsetof(setun_draw_options, top_k));
  return k.resolve([&](Value at) { return k.getListed(list, at); }, many, before, [&](Value) { return k.number(1); },
                   [&](Value sum) { return k.b.cmp(arith::CmpIPredicate::uge, sum, most); });
}

void DrawKernel::emitShare() {
  Value best = largest().logit, none = number(kDrawChunk);
  Value ranks = below(OPTION(i64, top_k), size);
  b.branch(isFinite(*this, best), [&] {
    // The k-th, the step where it stands, and what weighs of that step.
    Values kth = b.choose(
        ranks,
        [&]() -> Values {
          Candidate last = resolveRank(*this);
          Value many = get(i64, MEMORY(listed));
          Values part =
              b.loop(thread, toIndex(many), kDrawThreads, {number(0)}, [&](Value at, ValueRange so) -> Values {
                Value token = getListed(number(0), at), place = toIndex(token);
                Value in = reaches(get(f64, logitOf(place)), token, last);
                return {b.add(so[0], b.select(in, get(i64, weightOf(place)), number(0)))};
              });
          return {last.logit, last.token, get(i64, MEMORY(step)), sum(part[0])};
        },
        [&]() -> Values { return {real(-kInfinity), number(kNoToken), none, number(0)}; });
    Candidate last{kth[0], kth[1]};
    Values owned = own(b.index(0), [&](Value at) {
      Value here = toNumber(at), weight = get(i64, MEMORY(weights, at));
      Value ofLast = b.select(b.cmp(arith::CmpIPredicate::eq, here, kth[2]), kth[3], number(0));
      return b.select(below(here, kth[2]), weight, ofLast);
    });
    Value mine = owned[0];
    for (int64_t i = 1; i < kOwned; ++i)
      mine = b.add(mine, owned[i]);
    Value target = mulf(OPTION(f64, top_p), arith::SIToFPOp::create(b, f64, sum(mine)));
    Crossing found = cross(
        owned, number(0),
        [&](Value sum) { return compare(arith::CmpFPredicate::OGE, arith::SIToFPOp::create(b, f64, sum), target); },
        none);
    note(*this, 1, found);
    b.branch(both(b.equals(block, 0), onlyFirst()), [&] { set(target, MEMORY(target)); });
    gather(1, best, found.place, [&](Value logit, Value token) { return reaches(logit, token, last); });
  });
}

//===-- setun_draw_sum, setun_draw_pick -----------------------------------===//

void DrawKernel::emitSum() {
  Value best = largest().logit, least = OPTION(f64, least);
  b.branch(isFinite(*this, best), [&] {
    // The list of top-p, of which top-k has left out its own already, or else that of top-k.
    Value shares = compare(arith::CmpFPredicate::OLT, OPTION(f64, top_p), real(1));
    Value list = b.select(shares, number(1), number(0)), most = OPTION(i64, top_k), target = get(f64, MEMORY(target));
    Candidate last =
        resolve([&](Value at) { return getListed(list, at); }, get(i64, MEMORY(listed, toIndex(list))),
                get(i64, MEMORY(before, toIndex(list))),
                [&](Value token) { return b.select(shares, get(i64, weightOf(toIndex(token))), number(1)); },
                [&](Value sum) {
                  Value weighs = compare(arith::CmpFPredicate::OGE, arith::SIToFPOp::create(b, f64, sum), target);
                  return b.select(shares, weighs, b.cmp(arith::CmpIPredicate::uge, sum, most));
                });
    b.branch(both(b.equals(block, 0), onlyFirst()), [&] {
      set(last.logit, MEMORY(last));
      set(last.token, MEMORY(last_token));
    });
    Values mine = b.loop(b.add(begin, thread), end, kDrawThreads, {number(0)}, [&](Value at, ValueRange so) -> Values {
      Value logit = get(f64, logitOf(at)), weight = get(i64, weightOf(at));
      Value in =
          both(reaches(logit, toNumber(at), last), compare(arith::CmpFPredicate::OGE, distance(logit, best), least));
      return {b.add(so[0], b.select(in, weight, number(0)))};
    });
    Value ofBlock = sum(mine[0]);
    b.branch(onlyFirst(), [&] { set(ofBlock, MEMORY(sums, block)); });
  });
}

void DrawKernel::emitPick() {
  Candidate best = largest();
  Value isThere = compare(arith::CmpFPredicate::OGT, best.logit, real(-kInfinity));
  Value draws = both(isFinite(*this, best.logit), b.cmp(arith::CmpIPredicate::ne, OPTION(i64, draws), number(0)));
  auto answer = [&](Value token) { b.branch(onlyFirst(), [&] { set(token, result); }); };
  b.branch(
      draws,
      [&] {
        Value count = toIndex(size), chunksOfSpan = b.ceilDiv(b.ceilDiv(count, kDrawChunk), kDrawChunk);
        Value span = b.mul(chunksOfSpan, kDrawChunk), blocks = b.div(b.sub(b.add(count, span), b.index(1)), span);
        Values owned = own(b.index(0), [&](Value at) {
          return b.choose(
              below(at, blocks), [&]() -> Values { return {get(i64, MEMORY(sums, at))}; },
              [&]() -> Values { return {number(0)}; })[0];
        });
        Value mine = owned[0];
        for (int64_t i = 1; i < kOwned; ++i)
          mine = b.add(mine, owned[i]);
        // random * mass / 2^64, cut.
        Value point = arith::MulUIExtendedOp::create(b, OPTION(i64, random), sum(mine)).getHigh();
        auto passes = [&](Value sum) { return below(point, sum); };
        Crossing block = cross(owned, number(0), passes, number(0));
        Candidate last{get(f64, MEMORY(last)), get(i64, MEMORY(last_token))};
        Value least = OPTION(f64, least), from = b.mul(toIndex(block.place), span);
        Value none = number(-1);
        Values found = b.loop(from, b.min(b.add(from, span), count), kDrawChunk, {block.before, none},
                              [&](Value chunk, ValueRange so) -> Values {
                                Values weights = own(chunk, [&](Value at) {
                                  Value exists = below(at, count), place = b.select(exists, at, b.index(0));
                                  Value logit = get(f64, logitOf(place));
                                  Value in =
                                      both(reaches(logit, toNumber(place), last),
                                           compare(arith::CmpFPredicate::OGE, distance(logit, best.logit), least));
                                  return b.select(both(exists, in), get(i64, weightOf(place)), number(0));
                                });
                                Crossing here = cross(weights, so[0], passes, none);
                                Value all = weights[0];
                                for (int64_t i = 1; i < kOwned; ++i)
                                  all = b.add(all, weights[i]);
                                Value isHere = b.cmp(arith::CmpIPredicate::ne, here.place, none);
                                Value token = b.add(here.place, toNumber(chunk));
                                return {b.add(so[0], sum(all)), b.select(isHere, token, so[1])};
                              });
        answer(arith::OrIOp::create(b, found[1], number(SETUN_DRAW_DREW)));
      },
      [&] { answer(b.select(isThere, best.token, number(-1))); });
}
