//===- Safetensors.cpp - Headers of .safetensors files -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A file is: u64 n, little-endian; n bytes of JSON, {"NAME": {"dtype": "BF16", "shape": [2, 3],
// "data_offsets": [BEGIN, END]}, ..., "__metadata__": {STRING: STRING}}, padded with blanks; the
// data, to which the offsets refer.

#include "Safetensors.h"

#include "Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun::hf;

constexpr uint64_t kLongestHeader = 32 << 20; // of 100,000 tensors it is 12 MB

/// 0 of a dtype that is not known.
static int64_t getBytes(StringRef dtype) {
  return StringSwitch<int64_t>(dtype)
      .Cases({"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"}, 1)
      .Cases({"U16", "I16", "F16", "BF16"}, 2)
      .Cases({"U32", "I32", "F32"}, 4)
      .Cases({"U64", "I64", "F64", "C64"}, 8)
      .Default(0);
}

static std::optional<std::vector<int64_t>> getSizes(const json::Array *array) {
  if (!array)
    return std::nullopt;
  std::vector<int64_t> sizes;
  for (const json::Value &value : *array) {
    std::optional<int64_t> size = value.getAsInteger();
    if (!size || *size < 0)
      return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

/// Offsets are still those in the data.
static bool parseTensor(StringRef name, const json::Value &value, uint64_t dataSize, const Twine &what, Refusal &refuse,
                        StoredTensor &tensor) {
  auto where = [&] { return (what + ": tensor " + quote(name)).str(); };
  const json::Object *object = value.getAsObject();
  std::optional<StringRef> dtype = object ? object->getString("dtype") : std::nullopt;
  if (!dtype)
    return refuse(where() + " has no dtype");
  std::optional<std::vector<int64_t>> shape = getSizes(object->getArray("shape"));
  if (!shape)
    return refuse(where() + ": its shape is not a list of sizes");
  std::optional<std::vector<int64_t>> range = getSizes(object->getArray("data_offsets"));
  if (!range || range->size() != 2 || range->front() > range->back() || static_cast<uint64_t>(range->back()) > dataSize)
    return refuse(where() + ": its data_offsets are not a range in the file's " + Twine(dataSize) + " bytes of data");
  if (object->size() != 3)
    return refuse(where() + " has keys besides dtype, shape and data_offsets");
  std::optional<int64_t> length = getBytes(*dtype);
  for (int64_t size : *shape)
    length = length ? checkedMul(*length, size) : std::nullopt;
  if (getBytes(*dtype) && length != range->back() - range->front())
    return refuse(where() + ": " + Twine(range->back() - range->front()) + " bytes are not those of its shape as " +
                  *dtype);
  tensor = {name.str(), dtype->str(), std::move(*shape), static_cast<uint64_t>(range->front()),
            static_cast<uint64_t>(range->back() - range->front())};
  return true;
}

std::optional<std::vector<StoredTensor>> setun::hf::parseSafetensors(StringRef bytes, uint64_t fileSize,
                                                                     const Twine &what, Refusal &refuse) {
  if (fileSize < 8 || bytes.size() < 8)
    return refuse(what + ": " + Twine(fileSize) + " bytes are no .safetensors file"), std::nullopt;
  uint64_t length = support::endian::read64le(bytes.data());
  if (length > fileSize - 8 || length > bytes.size() - 8 || length > kLongestHeader)
    return refuse(what + ": its header of " + Twine(length) + " bytes is longer than the file or than " +
                  Twine(kLongestHeader)),
           std::nullopt;
  StringRef header = bytes.substr(8, length);
  if (!header.starts_with("{"))
    return refuse(what + ": its header is not a JSON object"), std::nullopt;
  std::optional<json::Object> object = parseObject(header, what, refuse);
  if (!object)
    return std::nullopt;
  uint64_t begin = 8 + length;
  std::vector<StoredTensor> tensors;
  for (const auto &[name, value] : *object) {
    if (name == "__metadata__")
      continue;
    if (!parseTensor(StringRef(name), value, fileSize - begin, what, refuse, tensors.emplace_back()))
      return std::nullopt;
  }
  sort(tensors, [](const StoredTensor &a, const StoredTensor &b) {
    return std::tie(a.offset, a.length, a.name) < std::tie(b.offset, b.length, b.name);
  });
  uint64_t end = 0;
  for (StoredTensor &tensor : tensors) {
    if (tensor.offset != end)
      return refuse(what + ": tensor " + quote(tensor.name) + " begins at byte " + Twine(tensor.offset) +
                    " of the data, where byte " + Twine(end) +
                    " is next: " + (tensor.offset < end ? "tensors overlap" : "there is a hole")),
             std::nullopt;
    end += tensor.length;
    tensor.offset += begin;
  }
  if (end != fileSize - begin)
    return refuse(what + ": its tensors end at byte " + Twine(end) + " of " + Twine(fileSize - begin) +
                  " bytes of data"),
           std::nullopt;
  return tensors;
}

std::optional<std::vector<StoredTensor>> setun::hf::readSafetensors(StringRef path, Refusal &refuse) {
  sys::fs::file_status status;
  if (std::error_code error = sys::fs::status(path, status))
    return refuse(path + ": " + error.message()), std::nullopt;
  if (status.type() != sys::fs::file_type::regular_file)
    return refuse(path + ": not a regular file"), std::nullopt;
  uint64_t size = status.getSize();
  ErrorOr<std::unique_ptr<MemoryBuffer>> bytes = MemoryBuffer::getFileSlice(path, std::min<uint64_t>(size, 8), 0);
  if (bytes && size >= 8) { // only as much as the header is said to take
    uint64_t length = support::endian::read64le((*bytes)->getBufferStart());
    if (length <= std::min(size - 8, kLongestHeader))
      bytes = MemoryBuffer::getFileSlice(path, 8 + length, 0);
  }
  if (!bytes)
    return refuse(path + ": " + bytes.getError().message()), std::nullopt;
  return parseSafetensors((*bytes)->getBuffer(), size, path, refuse);
}
