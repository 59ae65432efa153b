//===- Finite.cpp - Weights that are no numbers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// One NaN in a master makes its whole matrix NaN, and every answer of the model. The file is read
// a piece at a time, so that no more of it is resident than that.

#include "Checkpoint.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun;
using namespace setun::hf;

constexpr uint64_t kPiece = 16 << 20;

/// Whether any of `bytes`, as elements of type Bits, has all bits of `exponent`: a NaN or an infinity.
template <typename Bits> static bool anyHas(StringRef bytes, Bits exponent) {
  bool found = false; // without a way out of the loop it is done in vectors
  for (size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits bits;
    memcpy(&bits, bytes.data() + i, sizeof(Bits));
    found |= (bits & exponent) == exponent;
  }
  return found;
}

static bool hasNoNumber(StringRef bytes, StringRef dtype) {
  if (dtype == "F32")
    return anyHas<uint32_t>(bytes, 0x7f800000);
  return anyHas<uint16_t>(bytes, dtype == "F16" ? 0x7c00 : 0x7f80);
}

bool setun::hf::checkFinite(StringRef folder, ArrayRef<HfTensor> tensors, Refusal &refuse) {
  for (const HfTensor &tensor : tensors) {
    if (!is_contained({"F32", "F16", "BF16"}, tensor.dtype))
      continue;
    std::string path = (folder + "/" + tensor.file).str();
    for (uint64_t done = 0; done < tensor.length; done += kPiece) {
      uint64_t size = std::min(kPiece, tensor.length - done);
      auto bytes = MemoryBuffer::getFileSlice(path, size, tensor.offset + done);
      if (!bytes)
        return refuse(path + ": " + bytes.getError().message());
      StringRef piece = (*bytes)->getBuffer();
      if (!hasNoNumber(piece, tensor.dtype))
        continue;
      size_t width = tensor.dtype == "F32" ? 4 : 2, i = 0;
      while (!hasNoNumber(piece.substr(i, width), tensor.dtype))
        i += width;
      return refuse(path + ": tensor " + quote(tensor.name) + ": its element " + Twine((done + i) / width) +
                    " is a NaN or an infinity");
    }
  }
  return true;
}
