//===- TensorData.cpp - The bytes of an ONNX tensor, checked -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Everything here is untrusted: sizes are multiplied with overflow checks and
// compared with the bytes there are, and an external file must lie inside the
// model's folder. No element of a large tensor is read.
//
//===----------------------------------------------------------------------===//

#include "TensorData.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

static bool readDims(const TensorProto &proto, TensorData &data, std::string &reason) {
  data.dtype = proto.data_type();
  unsigned bits = storedBits(data.dtype);
  if (!bits) {
    reason = ("element type " + dtypeName(data.dtype) + " (" + Twine(data.dtype) + ") is not supported").str();
    return false;
  }
  int64_t count = 1;
  for (int64_t dim : proto.dims()) {
    if (dim < 0) {
      reason = "has a negative size, " + std::to_string(dim);
      return false;
    }
    data.dims.push_back(dim);
    if (llvm::MulOverflow(count, dim, count) || count > (int64_t(1) << 48)) {
      reason = "is too large: its sizes overflow";
      return false;
    }
  }
  data.numElements = count;
  data.numBytes = (count * bits + 7) / 8;
  return true;
}

static bool readExternal(const TensorProto &proto, StringRef folder, TensorData &data, std::string &reason) {
  StringRef location;
  int64_t length = data.numBytes;
  for (const auto &entry : proto.external_data()) {
    StringRef value = entry.value();
    bool bad = false;
    if (entry.key() == "location")
      location = value;
    else if (entry.key() == "offset")
      bad = value.getAsInteger(10, data.offset) || data.offset < 0;
    else if (entry.key() == "length")
      bad = value.getAsInteger(10, length) || length < 0;
    if (bad) {
      reason = "external data: '" + value.str() + "' is no valid " + entry.key();
      return false;
    }
  }
  if (location.empty() || location.contains('\0')) {
    reason = "external data without a location";
    return false;
  }
  auto leaves = [&] {
    reason = "external data '" + location.str() + "' leaves the model's folder";
    return false;
  };
  if (llvm::sys::path::is_absolute(location) ||
      llvm::any_of(llvm::make_range(llvm::sys::path::begin(location), llvm::sys::path::end(location)),
                   [](StringRef part) { return part == ".."; }))
    return leaves();
  SmallString<256> path(folder), real, realFolder;
  llvm::sys::path::append(path, location);
  if (llvm::sys::fs::real_path(path, real) || !llvm::sys::fs::is_regular_file(real)) {
    reason = "external data file '" + path.str().str() + "' does not exist or is not a file";
    return false;
  }
  if (llvm::sys::fs::real_path(folder, realFolder))
    return leaves();
  if (!realFolder.ends_with("/"))
    realFolder += "/";
  if (!StringRef(real).starts_with(realFolder))
    return leaves();
  uint64_t fileSize = 0;
  if (llvm::sys::fs::file_size(real, fileSize)) {
    reason = "the size of '" + path.str().str() + "' can't be read";
    return false;
  }
  if (length != data.numBytes) {
    reason =
        "external data holds " + std::to_string(length) + " bytes, the shape needs " + std::to_string(data.numBytes);
    return false;
  }
  if (uint64_t(data.offset) > fileSize || uint64_t(length) > fileSize - data.offset) {
    reason = "external data at offset " + std::to_string(data.offset) + " with " + std::to_string(length) +
             " bytes goes past the end of '" + path.str().str() + "' (" + std::to_string(fileSize) + " bytes)";
    return false;
  }
  data.file = real.str().str();
  return true;
}

bool setun::onnx::bringIn(TensorData &data, std::string &reason) {
  auto slice = llvm::MemoryBuffer::getFileSlice(data.file, data.numBytes, data.offset);
  if (!slice) {
    reason = "external data file '" + data.file + "' cannot be read: " + slice.getError().message();
    return false;
  }
  data.bytes = (*slice)->getBuffer().str();
  data.file.clear();
  return true;
}

/// Typed fields hold one element an entry; each entry keeps its low `size` bytes. Packed types hold one byte an entry.
template <typename Field> static bool readTyped(const Field &field, TensorData &data, std::string &reason) {
  int64_t size = std::max(8u, storedBits(data.dtype)) / 8, count = data.isPacked() ? data.numBytes : data.numElements;
  if (field.size() != count) {
    reason = "holds " + std::to_string(field.size()) + " values, the shape needs " + std::to_string(count);
    return false;
  }
  data.bytes.reserve(count * size);
  for (auto value : field)
    data.bytes.append(reinterpret_cast<const char *>(&value), std::min<size_t>(size, sizeof(value)));
  return true;
}

bool setun::onnx::readTensor(TensorProto &proto, StringRef folder, TensorData &data, std::string &reason,
                             bool hasBytes) {
  if (!readDims(proto, data, reason))
    return false;
  if (proto.has_segment()) {
    reason = "is stored in segments, which is not supported";
    return false;
  }
  if (proto.data_location() == TensorProto::EXTERNAL)
    return readExternal(proto, folder, data, reason);
  if (!hasBytes)
    return true;
  if (proto.has_raw_data()) {
    if (int64_t(proto.raw_data().size()) != data.numBytes) {
      reason = "holds " + std::to_string(proto.raw_data().size()) + " bytes, the shape needs " +
               std::to_string(data.numBytes);
      return false;
    }
    data.bytes = std::move(*proto.mutable_raw_data());
    return true;
  }
  switch (data.dtype) {
  case TensorProto::FLOAT:
    return readTyped(proto.float_data(), data, reason);
  case TensorProto::DOUBLE:
    return readTyped(proto.double_data(), data, reason);
  case TensorProto::INT64:
    return readTyped(proto.int64_data(), data, reason);
  case TensorProto::UINT32:
  case TensorProto::UINT64:
    return readTyped(proto.uint64_data(), data, reason);
  default:
    return readTyped(proto.int32_data(), data, reason);
  }
}

/// One byte an element, sign-extended for the signed types.
static std::string unpack(const TensorData &data) {
  unsigned bits = storedBits(data.dtype), perByte = 8 / bits;
  std::string result(data.numElements, '\0');
  for (int64_t i = 0; i < data.numElements; ++i) {
    uint8_t code = uint8_t(data.bytes[i / perByte]) >> (i % perByte * bits) & ((1u << bits) - 1);
    result[i] = isUnsigned(data.dtype) ? char(code) : char(int8_t(code << (8 - bits)) >> (8 - bits));
  }
  return result;
}

DenseElementsAttr setun::onnx::makeDense(const TensorData &data, MLIRContext *context) {
  auto type = RankedTensorType::get(data.dims, elementType(data.dtype, context));
  if (data.numElements == 0)
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (data.dtype == TensorProto::BOOL) {
    SmallVector<bool> values(llvm::map_range(data.bytes, [](char c) { return c != 0; }));
    return DenseElementsAttr::get(type, values);
  }
  std::string bytes = data.isPacked() ? unpack(data) : data.bytes;
  return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(bytes.data(), bytes.size()));
}

ElementsAttr setun::onnx::makeResource(TensorData &data, StringRef name, MLIRContext *context) {
  if (data.dtype == TensorProto::BOOL)
    return makeDense(data, context);
  SmallVector<int64_t> dims = data.dims;
  if (data.isPacked())
    dims = {data.numBytes};
  auto type = RankedTensorType::get(dims, elementType(data.dtype, context));
  auto *owned = new std::string(std::move(data.bytes));
  AsmResourceBlob blob(
      ArrayRef<char>(owned->data(), owned->size()), alignof(std::max_align_t),
      [owned](void *, size_t, size_t) { delete owned; }, /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}
