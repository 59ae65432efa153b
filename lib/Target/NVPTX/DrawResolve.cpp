//===- DrawResolve.cpp - The one of a list with which a sum passes -----------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// By digits of 8 bits, the leading first: of the logits' bits, from the first in which they differ, and where these are
// equal of the tokens. It ends as soon as one candidate is left. Sums are of whole numbers, so the order in which
// threads add does not matter.
//
//===----------------------------------------------------------------------===//

#include "DrawKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

namespace {

constexpr int64_t kDigits = 256;
static_assert(kDigits == kDrawThreads, "a digit is a thread's");

struct Resolver {
  DrawKernel &k;
  DeviceBuilder &b = k.b;
  function_ref<Value(Value)> list, measure;
  DrawKernel::Predicate passes;
  Value count; // index
  Value counts = k.shared(kDigits, k.i64), sums = k.shared(kDigits, k.i64);

  /// `bits` without the last `drop` (i64, up to 64).
  Value leading(Value bits, Value drop) {
    Value none = b.equals(drop, 0), less = b.select(none, drop, b.sub(drop, k.number(1)));
    Value shifted = arith::ShRUIOp::create(b, bits, less);
    return b.select(none, bits, b.shr(shifted, 1));
  }

  /// The logit's bits as a number that is the smaller the larger the logit.
  Value orderOf(Value token) {
    Value bits = arith::BitcastOp::create(b, k.i64, k.get(k.f64, k.logitOf(k.toIndex(token))));
    Value flips = arith::OrIOp::create(b, b.sra(bits, 63), k.number(std::numeric_limits<int64_t>::min()));
    return arith::XOrIOp::create(b, arith::XOrIOp::create(b, bits, flips), k.number(-1));
  }

  void atomic(Value value, Value buffer, Value at, arith::AtomicRMWKind kind = arith::AtomicRMWKind::addi) {
    memref::AtomicRMWOp::create(b, kind, value, buffer, ValueRange{at});
  }

  void forList(function_ref<void(Value token)> body) {
    b.loop(k.thread, count, kDrawThreads, [&](Value at) { body(list(at)); });
  }

  /// What is left: those of the list with the leading bits, how many, and the sum before them.
  struct Left {
    Value drop, leads, many, before;
  };

  /// Takes digits until one is left or there are no more. `group`: who takes part; `bits`: of what.
  Left narrow(Left so, function_ref<Value(Value token)> group, function_ref<Value(Value token)> bits) {
    Value init[] = {so.drop, so.leads, so.many, so.before};
    SmallVector<Type> types(4, k.i64);
    SmallVector<Location> locations(4, b.getLoc());
    auto loop = scf::WhileOp::create(b, types, init);
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&loop.getBefore(), {}, types, locations);
    ValueRange at = loop.getBefore().getArguments();
    Value goesOn = k.both(k.below(k.number(0), at[0]), k.below(k.number(1), at[2]));
    scf::ConditionOp::create(b, goesOn, at);
    b.createBlock(&loop.getAfter(), {}, types, locations);
    ValueRange now = loop.getAfter().getArguments();
    scf::YieldOp::create(b, takeDigit({now[0], now[1], now[2], now[3]}, group, bits));
    ValueRange done = loop.getResults();
    return {done[0], done[1], done[2], done[3]};
  }

  Values takeDigit(Left so, function_ref<Value(Value)> group, function_ref<Value(Value)> bits) {
    Value next = b.max(b.sub(so.drop, k.number(8)), k.number(0)), width = b.sub(so.drop, next);
    Value mask = b.sub(arith::ShLIOp::create(b, k.number(1), width), k.number(1));
    b.store(k.number(0), counts, k.thread);
    b.store(k.number(0), sums, k.thread);
    b.barrier();
    forList([&](Value token) {
      Value number = bits(token), isIn = b.cmp(arith::CmpIPredicate::eq, leading(number, so.drop), so.leads);
      b.branch(k.both(group(token), isIn), [&] {
        Value digit = k.toIndex(arith::AndIOp::create(b, leading(number, next), mask));
        atomic(k.number(1), counts, digit);
        atomic(measure(token), sums, digit);
      });
    });
    b.barrier();
    Value mine = b.load(sums, k.thread), many = b.load(counts, k.thread);
    Value before = b.add(so.before, k.scan(mine).first);
    Value finds = k.both(passes(b.add(before, mine)), k.negate(passes(before)));
    Values told = k.tell(finds, {k.toNumber(k.thread), many, before}, {k.number(0), k.number(0), so.before});
    Value leads = arith::OrIOp::create(b, arith::ShLIOp::create(b, so.leads, width), told[0]);
    return {next, leads, told[1], told[2]};
  }

  Candidate resolve(Value before) {
    Value differ = k.shared(1, k.i64);
    b.branch(k.onlyFirst(), [&] { b.store(k.number(0), differ, b.index(0)); });
    b.barrier();
    Value example = orderOf(list(b.index(0)));
    forList([&](Value token) {
      atomic(arith::XOrIOp::create(b, orderOf(token), example), differ, b.index(0), arith::AtomicRMWKind::ori);
    });
    b.barrier();
    Value zeros = math::CountLeadingZerosOp::create(b, b.load(differ, b.index(0)));
    Value drop = b.sub(k.number(64), zeros);
    Left logits = narrow(
        {drop, leading(example, drop), k.toNumber(count), before}, [&](Value) { return b.constant(b.getI1Type(), 1); },
        [&](Value token) { return orderOf(token); });
    auto hasLogit = [&](Value token) {
      return b.cmp(arith::CmpIPredicate::eq, leading(orderOf(token), logits.drop), logits.leads);
    };
    Left one =
        narrow({k.number(32), k.number(0), logits.many, logits.before}, hasLogit, [](Value token) { return token; });
    Value told = k.shared(1, k.i64);
    forList([&](Value token) {
      Value isIt = b.cmp(arith::CmpIPredicate::eq, leading(token, one.drop), one.leads);
      b.branch(k.both(hasLogit(token), isIt), [&] { b.store(token, told, b.index(0)); });
    });
    b.barrier();
    Value token = b.load(told, b.index(0));
    return {k.get(k.f64, k.logitOf(k.toIndex(token))), token};
  }
};

} // namespace

Candidate DrawKernel::resolve(function_ref<Value(Value)> list, Value many, Value before,
                              function_ref<Value(Value)> measure, Predicate passes) {
  Values last = b.choose(
      below(number(0), many),
      [&]() -> Values {
        Candidate found = Resolver{*this, b, list, measure, passes, toIndex(many)}.resolve(before);
        return {found.logit, found.token};
      },
      [&]() -> Values {
        return {real(-std::numeric_limits<double>::infinity()), number(std::numeric_limits<int64_t>::max())};
      });
  return {last[0], last[1]};
}
