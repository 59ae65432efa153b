//===- WeightsFile.cpp - Parameters as a .safetensors file -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Format: https://huggingface.co/docs/safetensors, "Format": u64 length, JSON, then data without holes.

#include "setun/Compiler/WeightsFile.h"

#include "setun-rt/abi.h"
#include "setun/Dialect/Utils/Parameters.h"

#include "mlir/IR/DialectResourceBlobManager.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;

static constexpr uint64_t kPage = 4096;
/// Bytes of a parameter that are written at once.
static constexpr uint64_t kPiece = 8 << 20;

static uint64_t offsetOf(ml_program::GlobalOp global) {
  return global->getAttrOfType<IntegerAttr>("setun.offset").getInt();
}

uint64_t setun::getParameterSize(ShapedType type) {
  return static_cast<uint64_t>(type.getNumElements()) * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// The format's name of an element type; packed bytes and whatever it has no name for are U8.
static StringRef dtypeName(Type type) {
  if (type.isF64())
    return "F64";
  if (type.isF32())
    return "F32";
  if (type.isF16())
    return "F16";
  if (type.isBF16())
    return "BF16";
  if (type.isInteger(1))
    return "BOOL";
  if (type.isInteger(16))
    return "I16";
  if (type.isInteger(32))
    return "I32";
  if (type.isInteger(64))
    return "I64";
  return "U8";
}

FailureOr<WeightsFile> WeightsFile::plan(ModuleOp module, std::string text) {
  WeightsFile file;
  file.text = std::move(text);
  for (auto global : module.getOps<ml_program::GlobalOp>())
    if (global->hasAttr("setun.offset"))
      file.globals.push_back(global);
  if (file.empty())
    return file;
  llvm::sort(file.globals, [](auto a, auto b) { return offsetOf(a) < offsetOf(b); });

  llvm::json::Object tensors, encodings;
  auto add = [&](std::string name, StringRef dtype, llvm::json::Array shape, uint64_t begin, uint64_t end) {
    tensors[name] = llvm::json::Object{{"dtype", dtype}, {"shape", std::move(shape)}, {"data_offsets", {begin, end}}};
  };
  auto padTo = [&](size_t index, uint64_t begin) {
    if (begin > file.dataSize)
      add("setun.padding." + std::to_string(index), "U8", llvm::json::Array{begin - file.dataSize}, file.dataSize,
          begin);
  };
  for (auto [index, global] : llvm::enumerate(file.globals)) {
    uint64_t begin = offsetOf(global);
    auto type = cast<ShapedType>(global.getType());
    if (begin < file.dataSize)
      return global.emitError("parameters overlap in the weights file");
    padTo(index, begin);
    file.dataSize = begin + getParameterSize(type);
    StringRef dtype = dtypeName(type.getElementType());
    llvm::json::Array shape(type.getShape());
    if (auto encoding = global->getAttr("setun.encoding")) {
      std::string text;
      llvm::raw_string_ostream(text) << encoding;
      encodings[global.getSymName()] = text;
    } else if (type.getElementType().isInteger(8)) {
      dtype = "I8";
    }
    add(global.getSymName().str(), dtype, std::move(shape), begin, file.dataSize);
  }
  if (!file.text.empty()) {
    uint64_t begin = llvm::alignTo(file.dataSize, SETUN_ALIGNMENT);
    padTo(file.globals.size(), begin);
    file.dataSize = begin + file.text.size();
    add("setun.text", "U8", llvm::json::Array{file.text.size()}, begin, file.dataSize);
  }
  std::string layouts;
  llvm::raw_string_ostream(layouts) << llvm::json::Value(std::move(encodings));
  tensors["__metadata__"] = llvm::json::Object{{"format", "setun"}, {"encodings", layouts}};
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(std::move(tensors));
  json.resize(llvm::alignTo(json.size() + 8, kPage) - 8, ' ');
  file.header.resize(8);
  llvm::support::endian::write64le(file.header.data(), json.size());
  file.header += json;
  return file;
}

uint64_t WeightsFile::getHeaderHash() const {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : header)
    hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

/// Who holds the constant's bytes, if they are a resource.
static AsmDialectResourceHandle getHandle(ml_program::GlobalOp global) {
  auto resource = dyn_cast_if_present<DenseResourceElementsAttr>(global.getValueAttr());
  return resource ? AsmDialectResourceHandle(resource.getRawHandle()) : AsmDialectResourceHandle();
}

LogicalResult WeightsFile::write(raw_ostream &os) const {
  os << header;
  uint64_t position = 0;
  llvm::DenseMap<AsmDialectResourceHandle, unsigned> left;
  for (ml_program::GlobalOp global : globals)
    ++left[getHandle(global)];
  for (ml_program::GlobalOp global : globals) {
    os.write_zeros(offsetOf(global) - position);
    FailureOr<ParameterBytes> bytes = ParameterBytes::open(global);
    if (failed(bytes))
      return failure();
    uint64_t size = getParameterSize(cast<ShapedType>(global.getType()));
    if (bytes->get().size() != size)
      return global.emitError("parameter has ") << bytes->get().size() << " bytes where its type needs " << size;
    for (uint64_t begin = 0; begin < size; begin += kPiece) { // an embedding may be larger than all else together
      os.write(bytes->get().data() + begin, std::min(kPiece, size - begin));
      bytes->release(begin);
    }
    // It was read for the last time. All together they may be larger than memory.
    if (auto value = dyn_cast_if_present<DenseResourceElementsAttr>(global.getValueAttr());
        value && --left[getHandle(global)] == 0)
      value.getRawHandle().getResource()->setBlob(AsmResourceBlob());
    position = offsetOf(global) + size;
  }
  os.write_zeros(getTextOffset() - position);
  os << text;
  return success();
}
