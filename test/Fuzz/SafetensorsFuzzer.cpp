//===- SafetensorsFuzzer.cpp - Headers of .safetensors files from strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Input: a file, or the beginning of one that is longer (the first byte says by how much).

#include "Safetensors.h"

#include <cstdlib>

using namespace setun::hf;

/// What is accepted must keep its promises.
static void check(const std::vector<StoredTensor> &tensors, uint64_t fileSize) {
  uint64_t end = tensors.empty() ? fileSize : tensors.front().offset;
  for (const StoredTensor &tensor : tensors) {
    if (tensor.offset != end || tensor.length > fileSize || tensor.offset > fileSize - tensor.length)
      abort();
    end += tensor.length;
    for (int64_t size : tensor.shape)
      if (size < 0)
        abort();
  }
  if (end != fileSize)
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size)
    return 0;
  llvm::StringRef bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
  uint64_t fileSize = bytes.size() + (data[0] < 8 ? 0 : uint64_t(1) << data[0] % 62);
  Refusal refuse;
  std::optional<std::vector<StoredTensor>> tensors = parseSafetensors(bytes, fileSize, "f", refuse);
  if (tensors.has_value() == static_cast<bool>(refuse))
    abort();
  if (tensors)
    check(*tensors, fileSize);
  return 0;
}
