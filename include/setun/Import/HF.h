//===- HF.h - Hugging Face checkpoint folders to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_IMPORT_HF_H
#define SETUN_IMPORT_HF_H

#include "setun/Import/Decoder.h"

namespace setun {

struct HfImportOptions {
  int64_t context = 2048; ///< positions that sessions will ask for, at least (rotary tables)
  int64_t batch = 1;      ///< sequences that a run takes, all at one position
};

/// Whether `path` is a folder with a config.json.
bool isHfFolder(llvm::StringRef path);

/// Reads a checkpoint folder (config.json, *.safetensors) and writes it in the input contract (docs/contracts.md). What
/// cannot be served exactly is refused: then the result is null and there is exactly one error diagnostic, which names
/// the file, the key or tensor and what is supported.
mlir::OwningOpRef<mlir::ModuleOp> importHf(llvm::StringRef folder, const HfImportOptions &options,
                                           mlir::MLIRContext *context);

/// A tensor of a checkpoint folder.
struct HfTensor {
  std::string name, dtype; ///< dtype as safetensors spells it: "BF16"
  std::vector<int64_t> shape;
  std::string file; ///< in the folder
  uint64_t offset = 0, length = 0;
  std::string role;    ///< its place in the model: "layer 3: attention q"
  std::string product; ///< name of the linear layer whose weight it is, as products are named; else empty
  decoder::WeightForm form = decoder::WeightForm::Plain; ///< of such a weight
  std::optional<double> scale;                           ///< of such a weight: its weight_scale
  bool divides = false;                                  ///< by `scale`, not multiplied
};

/// What a folder holds, as far as it can be told without computing anything.
struct HfFolder {
  decoder::Model model;
  std::string summary; ///< one line about the architecture
  std::vector<HfTensor> tensors;
};

/// Reads a folder's description: what importHf does before it looks at values and builds. The same refusals but for
/// weights that are no numbers.
llvm::FailureOr<HfFolder> readHf(llvm::StringRef folder, mlir::Location location);

} // namespace setun

#endif // SETUN_IMPORT_HF_H
