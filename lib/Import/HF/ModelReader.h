//===- ModelReader.h - Configuration and tensors to a decoder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_MODELREADER_H
#define SETUN_LIB_IMPORT_HF_MODELREADER_H

#include "Checkpoint.h"
#include "Config.h"

namespace setun::hf {

/// Fills a decoder::Model: every parameter is taken from the checkpoint once, under the name that transformers' module
/// tree gives it, and held to the shape that the configuration says.
class ModelReader {
public:
  ModelReader(const Config &config, Checkpoint &checkpoint, llvm::StringRef folder, Refusal &refuse)
      : config(config), checkpoint(checkpoint), folder(folder), refuse(refuse) {}

  decoder::Model read();

private:
  decoder::Tensor parameter(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, const llvm::Twine &role,
                            const llvm::Twine &why = "the architecture");
  decoder::Norm norm(llvm::StringRef module, int64_t size, double epsilon, const llvm::Twine &role,
                     const llvm::Twine &why = "the architecture");
  decoder::Linear linear(llvm::StringRef module, int64_t rows, int64_t columns, bool bias, llvm::StringRef role);
  void convert(decoder::Linear &linear, llvm::StringRef role);
  void readWeight(decoder::Linear &linear, llvm::StringRef role, bool packed, bool unpacked);
  decoder::Tensor scale(llvm::StringRef module, llvm::StringRef role);
  decoder::Layer layer(int64_t number);
  void readHead(decoder::Model &model);
  void rejectRest();

  const Config &config;
  Checkpoint &checkpoint;
  std::string folder;
  Refusal &refuse;
};

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_MODELREADER_H
