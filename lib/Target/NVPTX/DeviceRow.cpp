//===- DeviceRow.cpp - A row in the hands of a team of threads ------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread takes every so-many-th chunk of four elements: loads of a warp stand side by side, and so do the words of
// int8 that it writes. What does not exist is read at the last place that does, and becomes zero: no branch stands
// between loads.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/RowKernels.h"

#include "setun/Conversion/LoopEmitter.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// Chunks that a thread keeps in registers.
constexpr int64_t kKeptChunks = 16;
constexpr int64_t kWidth = 4;

Value RowTeam::reduce(DeviceBuilder &b, Value value, function_ref<Value(Value, Value)> combine) const {
  value = b.reduceLanes(value, kWarp, combine);
  if (size == kWarp)
    return value;
  int64_t warps = size / kWarp;
  Value partial = b.shared(warps, value.getType());
  b.branch(b.equals(lane, 0), [&] { b.store(value, partial, warp); });
  b.barrier();
  value = b.load(partial, b.index(0));
  for (int64_t i = 1; i < warps; ++i)
    value = combine(value, b.load(partial, b.index(i)));
  return value;
}

bool nvptx::hasAlignedRows(MemRefType type, int64_t width) {
  int64_t rank = type.getRank(), offset;
  SmallVector<int64_t> strides;
  if (rank == 0 || type.getElementType().isInteger(1) || failed(type.getStridesAndOffset(strides, offset)) ||
      strides.back() != 1)
    return false;
  int64_t last = type.getDimSize(rank - 1);
  if (type.getLayout().isIdentity()) // strides are products of sizes, the last of them in each
    return rank == 1 || (!ShapedType::isDynamic(last) && last % width == 0);
  auto divides = [&](int64_t number) { return !ShapedType::isDynamic(number) && number % width == 0; };
  for (int64_t dim = 0; dim + 1 < rank; ++dim)
    if (type.getDimSize(dim) != 1 && !divides(strides[dim]))
      return false;
  return divides(offset);
}

RowSource RowSource::of(DeviceBuilder &b, Value buffer, ArrayRef<Value> leading) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t last = type.getDimSize(type.getRank() - 1);
  SmallVector<Value> indices(leading);
  indices.push_back(nullptr);
  auto read = [buffer, indices](DeviceBuilder &b, Value at, int64_t width) {
    SmallVector<Value> place = indices;
    place.back() = at;
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    LoopEmitter e(b, b.getLoc());
    if (width == 1)
      return e.convert(memref::LoadOp::create(b, buffer, place), b.getF32Type());
    llvm::MaybeAlign alignment(width * element.getIntOrFloatBitWidth() / 8);
    Value value =
        vector::LoadOp::create(b, b.vec(width, element), buffer, place, /*nontemporal=*/false, alignment);
    return e.convert(value, b.getF32Type());
  };
  return {read, !ShapedType::isDynamic(last) && last % kWidth == 0 && hasAlignedRows(type, kWidth)};
}

DeviceRow::DeviceRow(DeviceBuilder &b, const RowTeam &team, RowSource source, Value k)
    : b(b), team(team), source(std::move(source)), k(k), chunks(b.ceilDiv(k, kWidth)) {
  std::optional<int64_t> known = getConstant(k);
  whole = known && *known % kWidth == 0;
  if (!known || *known == 0 || *known > kKeptChunks * kWidth * team.size)
    return;
  isKept = true;
  int64_t count = llvm::divideCeil(*known, kWidth);
  for (int64_t first = 0; first < count; first += team.size) {
    Chunk chunk = chunkAt(b.add(team.member, first), first + team.size > count);
    kept.emplace_back(chunk, read(this->source, chunk));
  }
}

DeviceRow::Chunk DeviceRow::chunkAt(Value number, bool mayBePast) {
  Value exists = mayBePast ? b.cmp(arith::CmpIPredicate::slt, number, chunks) : Value();
  return {number, b.shl(number, 2), exists};
}

Value DeviceRow::mask(const Chunk &chunk) {
  if (whole)
    return nullptr;
  Values exist;
  for (int64_t i = 0; i < kWidth; ++i)
    exist.push_back(b.cmp(arith::CmpIPredicate::slt, b.add(chunk.at, i), k));
  return vector::FromElementsOp::create(b, b.vec(kWidth, b.getI1Type()), exist);
}

Value DeviceRow::read(const RowSource &from, const Chunk &chunk) {
  VectorType type = b.vec(kWidth, b.getF32Type());
  if (whole && from.vectors) {
    Value at = chunk.exists ? b.min(chunk.at, b.sub(k, b.index(kWidth))) : chunk.at;
    Value value = from.read(b, at, kWidth);
    return chunk.exists ? b.select(chunk.exists, value, b.constant(type, 0)) : value;
  }
  Values elements;
  Value last = b.sub(k, b.index(1)), zero = b.constant(b.getF32Type(), 0);
  for (int64_t i = 0; i < kWidth; ++i) {
    Value at = b.add(chunk.at, i);
    Value element = from.read(b, b.min(at, last), 1);
    elements.push_back(b.select(b.cmp(arith::CmpIPredicate::slt, at, k), element, zero));
  }
  return vector::FromElementsOp::create(b, type, elements);
}

void DeviceRow::transform(std::function<Value(const Chunk &, Value)> change) {
  for (auto &[chunk, value] : kept)
    value = change(chunk, value);
  if (!isKept)
    changes.push_back(std::move(change));
}

void DeviceRow::walk(ValueRange init, function_ref<Values(const Chunk &, Value, ValueRange)> body, Values &result) {
  result = Values(init);
  for (auto &[chunk, value] : kept)
    result = body(chunk, value, result);
  if (isKept)
    return;
  result = b.loop(team.member, chunks, team.size, init, [&](Value number, ValueRange carried) {
    Chunk chunk = chunkAt(number, false);
    Value value = read(source, chunk);
    for (auto &change : changes)
      value = change(chunk, value);
    return body(chunk, value, carried);
  });
}

Value DeviceRow::fold(Value init, function_ref<Value(const Chunk &, Value, Value)> step,
                      function_ref<Value(Value, Value)> combine) {
  VectorType type = b.vec(kWidth, init.getType());
  Value start = vector::BroadcastOp::create(b, type, init);
  Values result;
  walk(start, [&](const Chunk &chunk, Value value, ValueRange carried) {
    Value next = step(chunk, value, carried[0]);
    if (Value exist = mask(chunk))
      next = b.select(exist, next, carried[0]);
    else if (chunk.exists)
      next = b.select(chunk.exists, next, carried[0]);
    return Values{next};
  }, result);
  auto part = [&](int64_t i) -> Value { return vector::ExtractOp::create(b, result[0], i); };
  return team.reduce(b, combine(combine(part(0), part(1)), combine(part(2), part(3))), combine);
}

Value DeviceRow::sum(function_ref<Value(const Chunk &, Value)> term) {
  auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, x, y); };
  return fold(
      b.constant(b.getF32Type(), 0),
      [&](const Chunk &chunk, Value value, Value sum) { return add(sum, term(chunk, value)); }, add);
}

void DeviceRow::forEach(function_ref<void(const Chunk &, Value)> body) {
  Values none;
  walk({}, [&](const Chunk &chunk, Value value, ValueRange) { return body(chunk, value), Values(); }, none);
}

void DeviceRow::store(Value buffer, ArrayRef<Value> leading, const Chunk &chunk, Value elements) {
  auto type = cast<MemRefType>(buffer.getType());
  LoopEmitter e(b, b.getLoc());
  Value narrow = e.convert(elements, type.getElementType());
  SmallVector<Value> place(leading);
  place.push_back(chunk.at);
  if (whole && hasAlignedRows(type, kWidth)) {
    llvm::MaybeAlign alignment(kWidth * type.getElementTypeBitWidth() / 8);
    auto write = [&] { vector::StoreOp::create(b, narrow, buffer, place, /*nontemporal=*/false, alignment); };
    return chunk.exists ? b.branch(chunk.exists, write) : write();
  }
  for (int64_t i = 0; i < kWidth; ++i) {
    Value at = b.add(chunk.at, i);
    b.branch(b.cmp(arith::CmpIPredicate::slt, at, k), [&] {
      place.back() = at;
      memref::StoreOp::create(b, vector::ExtractOp::create(b, narrow, i), buffer, place);
    });
  }
}
