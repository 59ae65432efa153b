//===- LaneEmitter.cpp - Lanes of buffers and their arithmetic -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/LoopEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace setun;

Type Line::getElementType() const { return cast<MemRefType>(buffer.getType()).getElementType(); }

bool Line::isContiguous() const {
  auto type = cast<MemRefType>(buffer.getType());
  // Vectors of i1 are bits in LLVM but bytes in a buffer.
  return dim && *dim + 1 == type.getRank() && type.isLastDimUnitStride() && !type.getElementType().isInteger(1);
}

/// f16 and bf16. LLVM takes vectors built of them, or masked, through f32 by calls: such vectors are made of their
/// bits.
static bool isNarrow(Type element) { return isa<FloatType>(element) && element.getIntOrFloatBitWidth() == 16; }

static bool hasMaskedAccess(const Line &line) { return line.isContiguous() && !isNarrow(line.getElementType()); }

/// `value` seen as `element`, lane by lane; i1 as the byte that it is in memory.
static Value seenAs(LoopEmitter &e, Value value, Type element) {
  auto shaped = dyn_cast<VectorType>(value.getType());
  Type type = shaped ? Type(shaped.clone(element)) : element, from = getElementTypeOrSelf(value.getType());
  if (from == element)
    return value;
  if (from.isInteger(1))
    return arith::ExtUIOp::create(e.b, e.loc, type, value);
  if (element.isInteger(1))
    return arith::TruncIOp::create(e.b, e.loc, type, value);
  return arith::BitcastOp::create(e.b, e.loc, type, value);
}

/// The type in which lanes of `element` are put together one by one.
static Type pieceType(Type element) {
  if (element.isInteger(1))
    return IntegerType::get(element.getContext(), 8);
  return isNarrow(element) ? IntegerType::get(element.getContext(), 16) : element;
}

Type LoopEmitter::lanesOf(Type element, int64_t width) {
  return width == 1 ? element : VectorType::get({width}, element);
}

Value LoopEmitter::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element) ? cast<TypedAttr>(b.getFloatAttr(element, value))
                                           : cast<TypedAttr>(b.getIntegerAttr(element, static_cast<int64_t>(value)));
  if (auto shaped = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(shaped, attr);
  return arith::ConstantOp::create(b, loc, attr);
}

Value LoopEmitter::splat(Value scalar, int64_t width) {
  if (width == 1)
    return scalar;
  Type element = scalar.getType(), piece = isNarrow(element) ? pieceType(element) : element;
  Value lanes = b.createOrFold<vector::BroadcastOp>(loc, lanesOf(piece, width), seenAs(*this, scalar, piece));
  return seenAs(*this, lanes, element);
}

Value LoopEmitter::laneNumbers(int64_t width) {
  auto numbers = llvm::to_vector(llvm::seq<int32_t>(0, width));
  auto type = VectorType::get({width}, b.getI32Type());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
}

Value LoopEmitter::mask(Lanes lanes) {
  Value count = b.createOrFold<arith::IndexCastOp>(loc, b.getI32Type(), lanes.count);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, laneNumbers(lanes.width), splat(count, lanes.width));
}

Value LoopEmitter::read(const Line &line, Value at, Lanes lanes) {
  SmallVector<Value> indices = line.indices;
  if (!line.dim)
    return splat(memref::LoadOp::create(b, loc, line.buffer, indices), lanes.width);
  indices[*line.dim] = at;
  if (lanes.width == 1)
    return memref::LoadOp::create(b, loc, line.buffer, indices);
  auto type = VectorType::get({lanes.width}, line.getElementType());
  if (line.isContiguous() && !lanes.count)
    return vector::LoadOp::create(b, loc, type, line.buffer, indices);
  if (lanes.count && hasMaskedAccess(line))
    return vector::MaskedLoadOp::create(b, loc, type, line.buffer, indices, mask(lanes), constant(type, 0));
  SmallVector<Value> elements;
  Type piece = pieceType(line.getElementType());
  for (int64_t lane = 0; lane < lanes.width; ++lane) {
    Value step = index(lane);
    if (lanes.count) // Lanes that do not exist read the last that does.
      step = min(step, sub(lanes.count, index(1)));
    indices[*line.dim] = add(at, step);
    elements.push_back(seenAs(*this, memref::LoadOp::create(b, loc, line.buffer, indices), piece));
  }
  Value gathered = vector::FromElementsOp::create(b, loc, type.clone(piece), elements);
  if (lanes.count)
    gathered = arith::SelectOp::create(b, loc, mask(lanes), gathered, constant(gathered.getType(), 0));
  return seenAs(*this, gathered, line.getElementType());
}

void LoopEmitter::write(const Line &line, Value at, Value value, Lanes lanes) {
  SmallVector<Value> indices = line.indices;
  if (line.dim)
    indices[*line.dim] = at;
  if (lanes.width == 1) {
    memref::StoreOp::create(b, loc, value, line.buffer, indices);
    return;
  }
  if (line.isContiguous() && !lanes.count) {
    vector::StoreOp::create(b, loc, value, line.buffer, indices);
    return;
  }
  if (lanes.count && hasMaskedAccess(line)) {
    vector::MaskedStoreOp::create(b, loc, line.buffer, indices, mask(lanes), value);
    return;
  }
  // Lanes that go one by one do so through memory: LLVM would take single lanes of f16 and bf16 through f32.
  Type piece = pieceType(line.getElementType());
  Line pieces{scratch(lanes.width, piece), {index(0)}, 0};
  write(pieces, index(0), seenAs(*this, value, piece), Lanes{lanes.width});
  loop(index(0), lanes.count ? lanes.count : index(lanes.width), 1, [&](Value lane) {
    indices[*line.dim] = add(at, lane);
    Value element = seenAs(*this, read(pieces, lane, Lanes{}), line.getElementType());
    memref::StoreOp::create(b, loc, element, line.buffer, indices);
  });
}

void LoopEmitter::prefetch(const Line &line, Value at) {
  if (!line.isContiguous())
    return;
  SmallVector<Value> indices = line.indices;
  indices[*line.dim] = at;
  memref::PrefetchOp::create(b, loc, line.buffer, indices, /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
}

Type LoopEmitter::sumType(Type element) {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32 ? Float32Type::get(element.getContext())
                                                                         : element;
}

Value LoopEmitter::convert(Value value, Type element) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == element)
    return value;
  auto shaped = dyn_cast<VectorType>(value.getType());
  Type to = shaped ? shaped.clone(element) : element;
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, loc, to, value);
  if (from.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth())
    return arith::TruncFOp::create(b, loc, to, value);
  return convert(convert(value, b.getF32Type()), element); // f16 <-> bf16
}

Value LoopEmitter::addf(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value LoopEmitter::mulf(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value LoopEmitter::divf(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }

Value LoopEmitter::addAny(Value x, Value y) {
  return isa<FloatType>(getElementTypeOrSelf(x)) ? addf(x, y) : arith::AddIOp::create(b, loc, x, y).getResult();
}

Value LoopEmitter::mulAny(Value x, Value y) {
  return isa<FloatType>(getElementTypeOrSelf(x)) ? mulf(x, y) : arith::MulIOp::create(b, loc, x, y).getResult();
}

Value LoopEmitter::tree(Value lanes, function_ref<Value(Value, Value)> combine) {
  for (int64_t half = cast<VectorType>(lanes.getType()).getDimSize(0) / 2; half > 0; half /= 2) {
    auto low = llvm::to_vector(llvm::seq<int64_t>(0, half)), high = llvm::to_vector(llvm::seq<int64_t>(half, 2 * half));
    Value x = vector::ShuffleOp::create(b, loc, lanes, lanes, low);
    Value y = vector::ShuffleOp::create(b, loc, lanes, lanes, high);
    lanes = combine(x, y);
  }
  return vector::ExtractOp::create(b, loc, lanes, 0);
}

Value LoopEmitter::treeSum(Value lanes) {
  return tree(lanes, [&](Value x, Value y) { return addAny(x, y); });
}

Value LoopEmitter::treeSums(ArrayRef<Value> vectors) {
  SmallVector<Value> live(vectors);
  // Each live vector holds segments of `length` lanes, one for each vector that it came from.
  for (int64_t length = cast<VectorType>(live[0].getType()).getDimSize(0); length > 1; length /= 2) {
    SmallVector<Value> next;
    for (size_t i = 0; i < live.size(); i += 2) {
      Value x = live[i], y = live[std::min(i + 1, live.size() - 1)];
      int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0), sources = live.size() > 1 ? 2 : 1;
      SmallVector<int64_t> low, high;
      for (int64_t start = 0; start < lanes * sources; start += length)
        for (int64_t lane = 0; lane < length / 2; ++lane) {
          low.push_back(start + lane);
          high.push_back(start + length / 2 + lane);
        }
      next.push_back(
          addAny(vector::ShuffleOp::create(b, loc, x, y, low), vector::ShuffleOp::create(b, loc, x, y, high)));
    }
    live = next;
  }
  return live[0];
}
