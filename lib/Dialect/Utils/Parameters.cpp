//===- Parameters.cpp - The bytes of a parameter -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Parameters.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"

#include <sys/mman.h>

using namespace mlir;
using namespace setun;

FailureOr<ParameterBytes> ParameterBytes::open(ElementsAttr elements, Location loc) {
  ParameterBytes result;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return emitError(loc) << "the data of resource '" << resource.getRawHandle().getKey() << "' is missing";
    result.bytes = blob->getData();
    return result;
  }
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense)
    return emitError(loc) << "unsupported kind of constant data";
  if (!dense.isSplat() && !dense.getElementType().isInteger(1)) {
    result.bytes = dense.getRawData();
    return result;
  }
  result.owned = std::make_unique<std::vector<char>>();
  if (dense.getElementType().isInteger(1)) {
    for (bool value : dense.getValues<bool>())
      result.owned->push_back(value);
  } else {
    for (int64_t i = 0; i < dense.getNumElements(); ++i)
      result.owned->insert(result.owned->end(), dense.getRawData().begin(), dense.getRawData().end());
  }
  result.bytes = *result.owned;
  return result;
}

FailureOr<ParameterBytes> ParameterBytes::open(ml_program::GlobalOp global) {
  if (auto data = global->getAttrOfType<DictionaryAttr>("setun.data")) {
    auto file = data.getAs<StringAttr>("file");
    auto offset = data.getAs<IntegerAttr>("offset"), length = data.getAs<IntegerAttr>("length");
    if (!file || !offset || !length)
      return global.emitError("setun.data needs file, offset and length");
    uint64_t fileSize = 0; // mapping past the end would succeed, and reading there would not
    if (offset.getInt() < 0 || length.getInt() < 0 || llvm::sys::fs::file_size(file.getValue(), fileSize) ||
        fileSize < static_cast<uint64_t>(offset.getInt()) + static_cast<uint64_t>(length.getInt()))
      return global.emitError("cannot read ") << length.getInt() << " bytes at " << offset.getInt() << " of " << file;
    auto mapped = llvm::MemoryBuffer::getFileSlice(file.getValue(), length.getInt(), offset.getInt());
    if (!mapped || static_cast<int64_t>((*mapped)->getBufferSize()) != length.getInt())
      return global.emitError("cannot read ") << length.getInt() << " bytes at " << offset.getInt() << " of " << file;
    ParameterBytes result;
    result.mapping = std::move(*mapped);
    result.bytes = ArrayRef<char>(result.mapping->getBufferStart(), result.mapping->getBufferSize());
    return result;
  }
  if (auto elements = dyn_cast_if_present<ElementsAttr>(global.getValueAttr()))
    return open(elements, global.getLoc());
  return global.emitError("parameter '") << global.getSymName() << "' has no data";
}

void ParameterBytes::release(size_t end) const {
  if (!mapping || mapping->getBufferKind() != llvm::MemoryBuffer::MemoryBuffer_MMap)
    return;
  uintptr_t page = llvm::sys::Process::getPageSizeEstimate(), first = reinterpret_cast<uintptr_t>(bytes.data());
  uintptr_t begin = llvm::alignDown(first, page), past = llvm::alignDown(first + end, page);
  if (begin < past)
    (void)madvise(reinterpret_cast<void *>(begin), past - begin, MADV_DONTNEED);
}
