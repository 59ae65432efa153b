//===- LoopEmitter.cpp - Loops and index arithmetic -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/LoopEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace setun;

Value LoopEmitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
Value LoopEmitter::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(loc, x, y); }
Value LoopEmitter::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(loc, x, y); }
Value LoopEmitter::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); }
Value LoopEmitter::div(Value x, int64_t y) { return div(x, index(y)); }
Value LoopEmitter::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(loc, x, y); }
Value LoopEmitter::rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(loc, x, y); }
Value LoopEmitter::min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(loc, x, y); }
Value LoopEmitter::max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(loc, x, y); }
Value LoopEmitter::roundDown(Value x, int64_t y) { return mul(div(x, y), index(y)); }
Value LoopEmitter::ceilDiv(Value x, int64_t y) { return div(add(x, index(y - 1)), y); }
Value LoopEmitter::size(Value buffer, int64_t dim) { return b.createOrFold<memref::DimOp>(loc, buffer, dim); }

Value LoopEmitter::product(ValueRange sizes) {
  Value all = index(1);
  for (Value size : sizes)
    all = mul(all, size);
  return all;
}

SmallVector<Value> LoopEmitter::delinearize(Value linear, ValueRange sizes) {
  SmallVector<Value> indices(sizes.size());
  for (int64_t i = sizes.size() - 1; i >= 0; --i) {
    if (getConstantIntValue(sizes[i]) == 1) {
      indices[i] = index(0);
      continue;
    }
    bool outermost = llvm::all_of(sizes.take_front(i), [](Value s) { return getConstantIntValue(s) == 1; });
    indices[i] = outermost ? linear : rem(linear, sizes[i]);
    if (!outermost)
      linear = div(linear, sizes[i]);
    else
      linear = index(0);
  }
  return indices;
}

void LoopEmitter::loop(Value from, Value to, int64_t step, function_ref<void(Value)> body) {
  loop(from, to, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value> LoopEmitter::loop(Value from, Value to, int64_t step, ValueRange init,
                                     function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  std::optional<int64_t> lower = getConstantIntValue(from), upper = getConstantIntValue(to);
  if (lower && upper && *lower >= *upper)
    return SmallVector<Value>(init);
  if (lower && upper && *upper <= *lower + step)
    return body(from, init);
  auto loop = scf::ForOp::create(b, loc, from, to, index(step), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty()) // Without carried values the loop already has its terminator.
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void LoopEmitter::parallel(Value count, Value work, function_ref<void(Value)> body) {
  auto forall = [&](Value steps, int64_t grain, function_ref<void(Value)> inner) {
    auto loop = scf::ForallOp::create(b, loc, ArrayRef<OpFoldResult>{steps}, ValueRange{}, std::nullopt);
    loop->setAttr(kGrainAttr, b.getI64IntegerAttr(grain));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    inner(loop.getInductionVar(0));
  };
  if (std::optional<int64_t> known = getConstantIntValue(work)) {
    int64_t grain = std::max<int64_t>(1, kTaskWork / std::max<int64_t>(1, *known));
    std::optional<int64_t> trips = getConstantIntValue(count);
    return trips && *trips <= grain ? loop(index(0), count, 1, body) : forall(count, grain, body);
  }
  Value chunk = max(div(index(kTaskWork), max(work, index(1))), index(1));
  Value tasks = div(add(count, sub(chunk, index(1))), chunk);
  forall(tasks, 1, [&](Value task) {
    Value from = mul(task, chunk);
    loop(from, min(add(from, chunk), count), 1, body);
  });
}

void LoopEmitter::branch(arith::CmpIPredicate predicate, Value x, Value y, function_ref<void(bool)> body) {
  Value condition = b.createOrFold<arith::CmpIOp>(loc, predicate, x, y);
  if (std::optional<int64_t> known = getConstantIntValue(condition))
    return body(*known);
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body(true);
  b.setInsertionPointToStart(branch.elseBlock());
  body(false);
}

SmallVector<Value> LoopEmitter::steps(Value size, int64_t width, ValueRange init,
                                      function_ref<SmallVector<Value>(Value, Lanes, ValueRange)> body) {
  Value whole = roundDown(size, width);
  SmallVector<Value> values =
      loop(index(0), whole, width, init, [&](Value at, ValueRange carried) { return body(at, Lanes{width}, carried); });
  std::optional<int64_t> known = getConstantIntValue(size);
  if (width == 1 || (known && *known % width == 0))
    return values;
  Value count = sub(size, whole);
  if (known)
    return body(whole, Lanes{width, count}, values);
  Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, count, index(0));
  auto branch = scf::IfOp::create(b, loc, TypeRange(ValueRange(values)), any, /*withElseRegion=*/!values.empty());
  OpBuilder::InsertionGuard guard(b);
  if (values.empty()) {
    b.setInsertionPointToStart(branch.thenBlock());
    body(whole, Lanes{width, count}, values);
    return values;
  }
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, loc, body(whole, Lanes{width, count}, values));
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, values);
  return SmallVector<Value>(branch.getResults());
}

Value LoopEmitter::scratch(int64_t size, Type element) {
  OpBuilder::InsertionGuard guard(b);
  Operation *parent = b.getInsertionBlock()->getParentOp();
  while (!isa<scf::ForallOp, FunctionOpInterface>(parent))
    parent = parent->getParentOp();
  b.setInsertionPointToStart(&parent->getRegion(0).front());
  auto type = MemRefType::get({size}, element);
  return memref::AllocaOp::create(b, loc, type, b.getI64IntegerAttr(64));
}
