//===- DrawKernels.cpp - Words of the kernels that draw ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DrawKernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

DrawKernel::DrawKernel(DeviceBuilder &b, gpu::GPUFuncOp kernel)
    : b(b), kernel(kernel), i64(b.getI64Type()), f64(b.getF64Type()), options(kernel.getArgument(0)),
      logits(kernel.getArgument(1)), size(kernel.getArgument(2)), memory(kernel.getArgument(3)),
      result(kernel.getArgument(4)) {
  thread = gpu::ThreadIdOp::create(b, gpu::Dimension::x);
  block = gpu::BlockIdOp::create(b, gpu::Dimension::x);
  Value count = toIndex(size);
  Value span = b.mul(b.ceilDiv(b.ceilDiv(count, kDrawChunk), kDrawChunk), kDrawChunk);
  begin = b.min(b.mul(block, span), count);
  end = b.min(b.add(begin, span), count);
}

//===-- Numbers -----------------------------------------------------------===//

Value DrawKernel::real(double value) { return arith::ConstantOp::create(b, b.getF64FloatAttr(value)); }

Value DrawKernel::toIndex(Value value) { return arith::IndexCastOp::create(b, b.getIndexType(), value); }

Value DrawKernel::toNumber(Value value) {
  if (value.getType().isIndex())
    return arith::IndexCastOp::create(b, i64, value);
  return arith::ExtUIOp::create(b, i64, value);
}

Value DrawKernel::both(Value x, Value y) { return b.createOrFold<arith::AndIOp>(x, y); }
Value DrawKernel::either(Value x, Value y) { return b.createOrFold<arith::OrIOp>(x, y); }
Value DrawKernel::negate(Value x) { return b.createOrFold<arith::XOrIOp>(x, b.constant(b.getI1Type(), 1)); }

Value DrawKernel::compare(arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, predicate, x, y);
}

Value DrawKernel::mulf(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value DrawKernel::addf(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value DrawKernel::subf(Value x, Value y) { return arith::SubFOp::create(b, x, y); }

//===-- The device's memory -----------------------------------------------===//

Value DrawKernel::address(Value base, int64_t bytes, Value at, Type element) {
  if (bytes)
    base = LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
  if (at)
    base = LLVM::GEPOp::create(b, base.getType(), element, base, ValueRange{toNumber(at)});
  return base;
}

Value DrawKernel::get(Type type, Value pointer) { return LLVM::LoadOp::create(b, type, pointer); }
void DrawKernel::set(Value value, Value pointer) { LLVM::StoreOp::create(b, value, pointer); }

void DrawKernel::atomicAdd(Value pointer, Value value, bool isOr) {
  LLVM::AtomicRMWOp::create(b, isOr ? LLVM::AtomicBinOp::_or : LLVM::AtomicBinOp::add, pointer, value,
                            LLVM::AtomicOrdering::monotonic, "device");
}

Value DrawKernel::pointerOption(int64_t offset) {
  return LLVM::IntToPtrOp::create(b, memory.getType(), option(i64, offset));
}

Value DrawKernel::ofMemory(int64_t offset, Value at) { return address(memory, offset, at, i64); }

Value DrawKernel::ofTokens(int64_t bytesBefore, Value at, Type element) {
  Value base = address(memory, sizeof(setun_draw_memory));
  Value bytes = arith::MulIOp::create(b, size, number(bytesBefore));
  base = LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ValueRange{bytes});
  return address(base, 0, at, element);
}

//===-- Lanes and blocks --------------------------------------------------===//

Value DrawKernel::shared(int64_t count, Type element) {
  auto space = gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
  return kernel.addWorkgroupAttribution(MemRefType::get({count}, element, MemRefLayoutAttrInterface(), space),
                                        b.getLoc());
}

Value DrawKernel::shuffle(Value value, int64_t distance, bool isXor) {
  Type i32 = b.getI32Type();
  if (value.getType() == f64)
    return arith::BitcastOp::create(b, f64, shuffle(arith::BitcastOp::create(b, i64, value), distance, isXor));
  auto half = [&](Value bits) -> Value {
    Value word = arith::TruncIOp::create(b, i32, bits);
    word = gpu::ShuffleOp::create(b, word, b.constant(i32, distance), b.constant(i32, kWarp),
                                  isXor ? gpu::ShuffleMode::XOR : gpu::ShuffleMode::UP)
               .getShuffleResult();
    return arith::ExtUIOp::create(b, i64, word);
  };
  Value low = half(value), high = half(b.shr(value, 32));
  return arith::OrIOp::create(b, low, b.shl(high, 32));
}

std::pair<Value, Value> DrawKernel::scan(Value mine) {
  constexpr int64_t kWarps = kDrawThreads / kWarp;
  Value sums = shared(kWarps, i64);
  Value lane = b.bitAnd(thread, kWarp - 1), warp = b.shr(thread, 5), upTo = mine;
  for (int64_t distance = 1; distance < kWarp; distance *= 2) {
    Value other = shuffle(upTo, distance, /*isXor=*/false);
    Value has = b.cmp(arith::CmpIPredicate::uge, lane, b.index(distance));
    upTo = b.add(upTo, b.select(has, other, number(0)));
  }
  b.branch(b.equals(lane, kWarp - 1), [&] { b.store(upTo, sums, warp); });
  b.barrier();
  Value before = b.sub(upTo, mine), all = number(0);
  for (int64_t i = 0; i < kWarps; ++i) {
    Value sum = b.load(sums, b.index(i));
    before = b.add(before, b.select(below(b.index(i), warp), sum, number(0)));
    all = b.add(all, sum);
  }
  b.barrier();
  return {before, all};
}

Candidate DrawKernel::first(Candidate x, Candidate y) {
  Value takes = negate(reaches(x.logit, x.token, y));
  return {b.select(takes, y.logit, x.logit), b.select(takes, y.token, x.token)};
}

Candidate DrawKernel::firstOfBlock(Candidate mine) {
  constexpr int64_t kWarps = kDrawThreads / kWarp;
  Value bestLogits = shared(kWarps, f64), bestTokens = shared(kWarps, i64);
  Value lane = b.bitAnd(thread, kWarp - 1), warp = b.shr(thread, 5);
  for (int64_t mask = kWarp / 2; mask > 0; mask /= 2)
    mine = first(mine, {shuffle(mine.logit, mask, /*isXor=*/true), shuffle(mine.token, mask, /*isXor=*/true)});
  b.branch(b.equals(lane, 0), [&] {
    b.store(mine.logit, bestLogits, warp);
    b.store(mine.token, bestTokens, warp);
  });
  b.barrier();
  Candidate best{b.load(bestLogits, b.index(0)), b.load(bestTokens, b.index(0))};
  for (int64_t i = 1; i < kWarps; ++i)
    best = first(best, {b.load(bestLogits, b.index(i)), b.load(bestTokens, b.index(i))});
  b.barrier();
  return best;
}

Values DrawKernel::tell(Value finds, ValueRange found, ValueRange otherwise) {
  Value told = shared(found.size(), i64);
  auto write = [&](ValueRange values) {
    for (auto [i, value] : llvm::enumerate(values))
      b.store(value, told, b.index(i));
  };
  b.branch(onlyFirst(), [&] { write(otherwise); });
  b.barrier();
  b.branch(finds, [&] { write(found); });
  b.barrier();
  Values result;
  for (size_t i = 0; i < found.size(); ++i)
    result.push_back(b.load(told, b.index(i)));
  b.barrier();
  return result;
}

Crossing DrawKernel::cross(ArrayRef<Value> owned, Value before, Predicate passes, Value otherwise) {
  Value mine = owned[0];
  for (Value value : owned.drop_front())
    mine = b.add(mine, value);
  Value sum = b.add(before, scan(mine).first), none = b.constant(b.getI1Type(), 0), passed = passes(sum);
  Value finds = none, place = number(0), found = number(0);
  for (auto [i, value] : llvm::enumerate(owned)) {
    Value next = b.add(sum, value), passesNow = passes(next), here = both(passesNow, negate(passed));
    finds = either(finds, here);
    place = b.select(here, number(i), place);
    found = b.select(here, sum, found);
    sum = next;
    passed = passesNow;
  }
  place = b.add(b.mul(toNumber(thread), number(owned.size())), place);
  Values told = tell(finds, {place, found}, {otherwise, number(0)});
  return {told[0], told[1]};
}

Values DrawKernel::own(Value from, function_ref<Value(Value at)> value) {
  Values result;
  Value mine = b.add(from, b.mul(thread, kOwned));
  for (int64_t i = 0; i < kOwned; ++i)
    result.push_back(value(b.add(mine, i)));
  return result;
}

//===-- Draws -------------------------------------------------------------===//

Candidate DrawKernel::largest() {
  // As many as there are spans.
  Value chunks = b.ceilDiv(toIndex(size), kDrawChunk), ofSpan = b.ceilDiv(chunks, kDrawChunk);
  Value blocks = b.div(b.sub(b.add(chunks, ofSpan), b.index(1)), ofSpan);
  Candidate best{real(-std::numeric_limits<double>::infinity()), number(std::numeric_limits<int64_t>::max())};
  Values all = b.loop(thread, blocks, kDrawThreads, {best.logit, best.token}, [&](Value at, ValueRange so) -> Values {
    Candidate next = first({so[0], so[1]}, {get(f64, ofMemory(offsetof(setun_draw_memory, largest), at)),
                                            get(i64, ofMemory(offsetof(setun_draw_memory, token), at))});
    return {next.logit, next.token};
  });
  return firstOfBlock({all[0], all[1]});
}

Value DrawKernel::distance(Value logit, Value best) {
  return mulf(subf(logit, best), option(f64, offsetof(setun_draw_options, inverse)));
}

Value DrawKernel::weighs(Value distance) {
  return compare(arith::CmpFPredicate::OGE, distance, option(f64, offsetof(setun_draw_options, cut)));
}

/// As setun_exponential has it.
Value DrawKernel::exponential(Value x) {
  Value n = arith::FPToSIOp::create(b, i64, subf(mulf(x, real(SETUN_DRAW_LOG2E)), real(0.5)));
  Value whole = arith::SIToFPOp::create(b, f64, n), sum = real(1);
  Value r = subf(subf(x, mulf(whole, real(SETUN_DRAW_LN2_HIGH))), mulf(whole, real(SETUN_DRAW_LN2_LOW)));
  for (int i = 0; i < SETUN_DRAW_TERMS; ++i)
    sum = addf(real(1), mulf(sum, mulf(r, real(1.0 / (SETUN_DRAW_TERMS - i)))));
  return mulf(sum, arith::BitcastOp::create(b, f64, b.shl(b.add(n, 1023), 52)));
}

Value DrawKernel::step(Value distance) {
  Value step = arith::FPToSIOp::create(b, i64, mulf(distance, option(f64, offsetof(setun_draw_options, step))));
  return b.min(step, number(kDrawChunk - 1));
}

Value DrawKernel::reaches(Value logit, Value token, Candidate last) {
  Value above = compare(arith::CmpFPredicate::OGT, logit, last.logit);
  Value equal = compare(arith::CmpFPredicate::OEQ, logit, last.logit);
  return either(above, both(equal, b.cmp(arith::CmpIPredicate::sle, token, last.token)));
}

void DrawKernel::forSpan(function_ref<void(Value at)> body) { b.loop(b.add(begin, thread), end, kDrawThreads, body); }

void DrawKernel::gather(int64_t list, Value best, Value wanted, function_ref<Value(Value, Value)> also) {
  Value count = ofMemory(offsetof(setun_draw_memory, listed) + 8 * list);
  forSpan([&](Value at) {
    Value logit = get(f64, logitOf(at)), x = distance(logit, best), in = weighs(x);
    Value here = b.cmp(arith::CmpIPredicate::eq, step(b.select(in, x, real(0))), wanted);
    b.branch(both(both(in, here), also(logit, toNumber(at))), [&] {
      Value place = LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, count, number(1),
                                              LLVM::AtomicOrdering::monotonic, "device");
      set(arith::IndexCastOp::create(b, b.getI32Type(), at), listOf(number(list), toIndex(place)));
    });
  });
}
