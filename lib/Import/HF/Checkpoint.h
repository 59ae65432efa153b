//===- Checkpoint.h - The tensors of a folder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_CHECKPOINT_H
#define SETUN_LIB_IMPORT_HF_CHECKPOINT_H

#include "Safetensors.h"

#include "setun/Import/Decoder.h"
#include "setun/Import/HF.h"

#include "llvm/ADT/StringMap.h"

namespace setun::hf {

/// The tensors of model.safetensors, or of the files that model.safetensors.index.json names. Each is taken once by
/// the part of the model that it belongs to; what nobody took is not part of the architecture.
class Checkpoint {
public:
  /// Null if there is a reason to refuse.
  static std::optional<Checkpoint> read(llvm::StringRef folder, Refusal &refuse);

  /// Takes a tensor for `role`; an empty one, and a refusal, if there is none of that name. `why` says in diagnostics
  /// what asks for it.
  decoder::Tensor take(llvm::StringRef name, const llvm::Twine &role, Refusal &refuse,
                       const llvm::Twine &why = "the architecture");
  /// The entry of a name, or null. Nothing is taken.
  const HfTensor *find(llvm::StringRef name) const;
  HfTensor *find(llvm::StringRef name);
  /// Its bytes, of which there are at most `limit`.
  std::optional<std::string> readBytes(const HfTensor &tensor, uint64_t limit, Refusal &refuse) const;
  /// Whether two tensors hold the same bytes.
  bool equal(const HfTensor &a, const HfTensor &b, Refusal &refuse) const;

  std::vector<HfTensor> &getTensors() { return tensors; }
  /// All of them in the order in which they were taken; what nobody took comes last.
  std::vector<HfTensor> takeTensors();

private:
  explicit Checkpoint(llvm::StringRef folder) : folder(folder) {}
  bool add(llvm::StringRef file, Refusal &refuse);
  bool readShards(llvm::StringRef index, Refusal &refuse);

  std::string folder;
  std::vector<HfTensor> tensors;
  llvm::StringMap<size_t> indices;
  std::vector<size_t> taken; // indices, some perhaps twice
};

/// Refuses floats that are no numbers (Finite.cpp). All floats are read once.
bool checkFinite(llvm::StringRef folder, llvm::ArrayRef<HfTensor> tensors, Refusal &refuse);

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_CHECKPOINT_H
