//===- LineBuilder.cpp - Floats and strided buffers in kernels ------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LineBuilder.h"

#include "setun/Target/NVPTX/Passes.h"

#include "setun-rt/abi.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

Value LineBuilder::real(Type type, double value) {
  auto scalar = getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, DenseElementsAttr::get(vector, ArrayRef<Attribute>{scalar}));
  return arith::ConstantOp::create(*this, scalar);
}

Value LineBuilder::convert(Value value, Type element) {
  Type from = getElementTypeOrSelf(value.getType()), to = element;
  if (from == to)
    return value;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    to = vector.clone(element);
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(*this, to, value);
  return arith::TruncFOp::create(*this, to, value);
}

Value LineBuilder::pack(ValueRange lanes) {
  return vector::FromElementsOp::create(*this, vec(lanes.size(), lanes.front().getType()), lanes);
}

Value LineBuilder::shuffleFrom(Value value, int64_t lane) {
  Type i32 = getI32Type();
  return gpu::ShuffleOp::create(*this, value, constant(i32, lane), constant(i32, kWarp), gpu::ShuffleMode::IDX)
      .getShuffleResult();
}

void LineBuilder::fence() { LLVM::FenceOp::create(*this, LLVM::AtomicOrdering::acq_rel, "device"); }

Value LineBuilder::takeTicket(Value ticket, Value last) {
  Type pointer = LLVM::LLVMPointerType::get(getContext());
  Value frame = LLVM::CallIntrinsicOp::create(*this, pointer, getStringAttr(kDeviceFrame), ValueRange())->getResult(0);
  Value index = createOrFold<arith::IndexCastUIOp>(getI64Type(), ticket);
  Value at = LLVM::GEPOp::create(*this, pointer, getI8Type(), frame,
                                 LLVM::GEPArg(static_cast<int32_t>(offsetof(setun_device_frame, tickets))));
  at = LLVM::GEPOp::create(*this, pointer, getI32Type(), at, LLVM::GEPArg(index));
  return LLVM::AtomicRMWOp::create(*this, LLVM::AtomicBinOp::uinc_wrap, at, last, LLVM::AtomicOrdering::monotonic,
                                   "device");
}

Value LineBuilder::sizeOf(Value buffer, int64_t dim) { return createOrFold<memref::DimOp>(buffer, dim); }

Values LineBuilder::delinearize(Value linear, ValueRange sizes) {
  Values at(sizes.size());
  for (size_t i = sizes.size(); i-- > 0;) {
    at[i] = i ? rem(linear, sizes[i]) : linear;
    if (i)
      linear = div(linear, sizes[i]);
  }
  return at;
}

Value LineBuilder::product(ValueRange sizes) {
  Value result = index(1);
  for (Value size : sizes)
    result = mul(result, size);
  return result;
}

void LineBuilder::rounds(Value from, Value to, Value step, function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(*this, from, to, step);
  InsertionGuard guard(*this);
  setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

int64_t LineBuilder::vectorOf(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<int64_t> strides;
  int64_t offset, bits = type.getElementTypeBitWidth();
  if (type.getRank() == 0 || failed(type.getStridesAndOffset(strides, offset)) || strides.back() != 1 || bits % 8)
    return 1;
  int64_t lanes = std::max<int64_t>(128 / bits, 1);
  for (int64_t number : ArrayRef(strides).drop_back())
    while (!ShapedType::isDynamic(number) && number % lanes)
      lanes /= 2;
  while (!ShapedType::isDynamic(offset) && offset % lanes)
    lanes /= 2;
  int64_t size = type.getShape().back();
  if (ShapedType::isDynamic(size))
    return 1;
  while (size % lanes)
    lanes /= 2;
  return lanes;
}

Value LineBuilder::isAligned(Value buffer, int64_t lanes) {
  auto type = cast<MemRefType>(buffer.getType());
  Value yes = arith::ConstantOp::create(*this, getBoolAttr(true));
  if (lanes == 1)
    return yes;
  int64_t bytes = lanes * type.getElementTypeBitWidth() / 8;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)))
    return arith::ConstantOp::create(*this, getBoolAttr(false));
  // What is not known must be a multiple: or-ed together, all of it at once.
  auto metadata = memref::ExtractStridedMetadataOp::create(*this, buffer);
  Value places = index(0);
  auto include = [&](Value number) { places = createOrFold<arith::OrIOp>(places, number); };
  if (ShapedType::isDynamic(offset))
    include(metadata.getOffset());
  for (auto [stride, value] : llvm::zip_equal(ArrayRef(strides).drop_back(), metadata.getStrides().drop_back()))
    if (ShapedType::isDynamic(stride))
      include(value);
  Value pointer = memref::ExtractAlignedPointerAsIndexOp::create(*this, buffer);
  return both(equals(bitAnd(places, lanes - 1), 0), equals(bitAnd(pointer, bytes - 1), 0));
}

Value LineBuilder::readLanes(Value buffer, ValueRange at, int64_t lanes, bool aligned) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  if (aligned && lanes > 1)
    return vector::LoadOp::create(*this, vec(lanes, element), buffer, at, /*nontemporal=*/false,
                                  llvm::MaybeAlign(lanes * element.getIntOrFloatBitWidth() / 8));
  Values parts;
  for (int64_t i = 0; i < lanes; ++i) {
    Values place(at);
    place.back() = add(place.back(), i);
    parts.push_back(read(buffer, place));
  }
  return pack(parts);
}

void LineBuilder::writeLanes(Value vector, Value buffer, ValueRange at, bool aligned) {
  auto type = cast<VectorType>(vector.getType());
  if (aligned && type.getNumElements() > 1) {
    vector::StoreOp::create(*this, vector, buffer, at, /*nontemporal=*/false,
                            llvm::MaybeAlign(type.getNumElements() * type.getElementTypeBitWidth() / 8));
    return;
  }
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    Values place(at);
    place.back() = add(place.back(), i);
    write(lane(vector, i), buffer, place);
  }
}
