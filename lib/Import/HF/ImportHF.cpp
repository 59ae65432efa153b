//===- ImportHF.cpp - Hugging Face checkpoint folders to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/HF.h"

#include "Json.h"
#include "ModelReader.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace setun;
using namespace setun::hf;

constexpr uint64_t kLongestConfig = 1 << 20;

bool setun::isHfFolder(StringRef path) { return llvm::sys::fs::exists(path + "/config.json"); }

static std::string summarize(const Config &config) {
  static constexpr StringRef kinds[] = {"not quantized", "bitlinear, packed", "autobitlinear, offline",
                                        "online from masters"};
  return llvm::formatv(
      "{0}: {1} layers, hidden {2}, MLP {3} ({4}), {5} heads of {6}, {7} of keys, vocabulary {8}, {9} positions, rope "
      "{10} (theta {11}), head {12}, linear layers {13}",
      config.family->architecture, config.layers, config.hidden, config.intermediate, config.activationName,
      config.heads, config.headSize, config.keyHeads, config.vocabulary, config.positions, config.ropeName,
      show(config.rope.theta), config.tied ? "tied" : "of its own", kinds[config.quantization.kind]);
}

static std::optional<HfFolder> read(StringRef folder, Refusal &refuse) {
  std::string path = (folder + "/config.json").str();
  std::optional<llvm::json::Object> object = readObject(path, kLongestConfig, refuse);
  if (!object)
    return std::nullopt;
  if (llvm::sys::fs::exists(folder + "/modules.json"))
    return refuse((folder + "/modules.json").str() +
                  ": an embedding model of sentence-transformers; supported: language models"),
           std::nullopt;
  Config config = readConfig(*object, path, refuse);
  if (refuse)
    return std::nullopt;
  std::optional<Checkpoint> checkpoint = Checkpoint::read(folder, refuse);
  if (!checkpoint)
    return std::nullopt;
  HfFolder result;
  result.model = ModelReader(config, *checkpoint, folder, refuse).read();
  result.summary = summarize(config);
  result.tensors = checkpoint->takeTensors();
  return refuse ? std::nullopt : std::optional(std::move(result));
}

FailureOr<HfFolder> setun::readHf(StringRef folder, Location location) {
  Refusal refuse;
  std::optional<HfFolder> result = read(folder.size() > 1 ? folder.rtrim('/') : folder, refuse);
  if (!result)
    return emitError(location) << refuse.str();
  return std::move(*result);
}

OwningOpRef<ModuleOp> setun::importHf(StringRef folder, const HfImportOptions &options, MLIRContext *context) {
  // Reasons name the file; a location of the folder besides would say it twice.
  FailureOr<HfFolder> read = readHf(folder, UnknownLoc::get(context));
  Refusal refuse;
  if (failed(read))
    return nullptr;
  if (!checkFinite(folder, read->tensors, refuse))
    return emitError(UnknownLoc::get(context)) << refuse.str(), nullptr;
  return decoder::buildDecoder(read->model, {options.context, options.batch},
                               NameLoc::get(StringAttr::get(context, folder)));
}
