//===- Safetensors.h - Headers of .safetensors files -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_SAFETENSORS_H
#define SETUN_LIB_IMPORT_HF_SAFETENSORS_H

#include "Refusal.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace setun::hf {

/// A tensor as the header of a .safetensors file describes it.
struct StoredTensor {
  std::string name, dtype; ///< dtype as the file spells it: "BF16"
  std::vector<int64_t> shape;
  uint64_t offset = 0, length = 0; ///< bytes in the file
};

/// Parses the header of a file of `fileSize` bytes whose first bytes (at least the header's) are `bytes`. The tensors
/// come in the order of their bytes; they fill the data without holes or overlaps, and the length of each is what its
/// shape and dtype say (of dtypes that we know: others may stand in a file, and cannot be used).
std::optional<std::vector<StoredTensor>> parseSafetensors(llvm::StringRef bytes, uint64_t fileSize,
                                                          const llvm::Twine &what, Refusal &refuse);

/// The same of a file, of which only the header is read.
std::optional<std::vector<StoredTensor>> readSafetensors(llvm::StringRef path, Refusal &refuse);

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_SAFETENSORS_H
