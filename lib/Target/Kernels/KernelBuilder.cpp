//===- KernelBuilder.cpp - Terse building of loops and vectors -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/KernelBuilder.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace setun;

std::optional<int64_t> setun::getConstant(Value value) {
  APInt constant;
  if (value && matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

Value KernelBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }

Value KernelBuilder::constant(Type type, int64_t value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr scalar =
      isa<FloatType>(element)
          ? TypedAttr(getFloatAttr(element, static_cast<double>(value)))
          : TypedAttr(element.isIndex()
                          ? getIndexAttr(value)
                          : IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), value, true, true)));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, DenseElementsAttr::get(vector, ArrayRef<Attribute>{scalar}));
  return arith::ConstantOp::create(*this, scalar);
}

void KernelBuilder::store(Value value, Value buffer, Value at) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(*this, value, buffer, ValueRange{at});
  else
    memref::StoreOp::create(*this, value, buffer, ValueRange{at});
}

void KernelBuilder::prefetch(Value buffer, Value at, int64_t locality) {
  memref::PrefetchOp::create(*this, buffer, ValueRange{at}, /*isWrite=*/false, locality, /*isDataCache=*/true);
}

Value KernelBuilder::broadcastDword(Value bytes, Value at, int64_t lanes) {
  Value dword = bitcast(load(bytes, at, i8s(4)), i32s(1));
  return bitcast(broadcast(vector::ExtractOp::create(*this, dword, 0), i32s(lanes / 4)), i8s(lanes));
}

Values KernelBuilder::loop(Value from, Value to, int64_t step, ValueRange init,
                           function_ref<Values(Value, ValueRange)> body) {
  auto first = getConstant(from), last = getConstant(to);
  if (first && last && *first >= *last)
    return Values(init);
  if (first && last && *first + step >= *last)
    return body(from, init);
  auto loop = scf::ForOp::create(*this, from, to, index(step), init);
  OpBuilder::InsertionGuard guard(*this);
  // An empty body was made where nothing is carried, with its terminator.
  if (init.empty())
    setInsertionPoint(loop.getBody()->getTerminator());
  else
    setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(*this, next);
  return Values(loop.getResults());
}

void KernelBuilder::loop(Value from, Value to, int64_t step, function_ref<void(Value)> body) {
  loop(from, to, step, ValueRange{}, [&](Value iv, ValueRange) {
    body(iv);
    return Values();
  });
}

void KernelBuilder::forall(Value count, int64_t grain, function_ref<void(Value)> body) {
  auto loop =
      scf::ForallOp::create(*this, ArrayRef<OpFoldResult>{getAsOpFoldResult(count)}, ValueRange{}, std::nullopt);
  loop->setAttr("setun.grain", getI64IntegerAttr(grain));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar(0));
}

Values KernelBuilder::choose(Value condition, function_ref<Values()> then, function_ref<Values()> otherwise) {
  if (auto known = getConstant(condition))
    return *known ? then() : otherwise();
  // The types of the results are those of the first side: build it, then give the op its results.
  OpBuilder::InsertionGuard guard(*this);
  auto draft = scf::IfOp::create(*this, TypeRange{}, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  setInsertionPointToStart(&draft.getThenRegion().front());
  Values yes = then();
  scf::YieldOp::create(*this, yes);
  setInsertionPointToStart(&draft.getElseRegion().front());
  Values no = otherwise();
  scf::YieldOp::create(*this, no);
  setInsertionPoint(draft);
  auto result = scf::IfOp::create(*this, ValueRange(yes).getTypes(), condition, false, false);
  result.getThenRegion().takeBody(draft.getThenRegion());
  result.getElseRegion().takeBody(draft.getElseRegion());
  draft.erase();
  return Values(result.getResults());
}

void KernelBuilder::branch(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  choose(condition, [&] { return then(), Values(); }, [&] { return otherwise(), Values(); });
}

void KernelBuilder::branch(Value condition, function_ref<void()> then) {
  if (auto known = getConstant(condition)) {
    if (*known)
      then();
    return;
  }
  auto guarded = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(guarded.thenBlock()->getTerminator());
  then();
}

Value KernelBuilder::scratch(int64_t count, Type element) {
  return memref::AllocaOp::create(*this, MemRefType::get({count}, element), getI64IntegerAttr(64));
}

Value KernelBuilder::dynamicView(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto layout = StridedLayoutAttr::get(getContext(), ShapedType::kDynamic, {1});
  return createOrFold<memref::CastOp>(MemRefType::get({ShapedType::kDynamic}, type.getElementType(), layout), buffer);
}
