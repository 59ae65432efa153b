//===- Config.h - config.json, checked -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_CONFIG_H
#define SETUN_LIB_IMPORT_HF_CONFIG_H

#include "Family.h"
#include "Keys.h"

#include "setun/Import/Decoder.h"

namespace setun::hf {

/// `quantization_config` of quant_method bitnet: which linear layers are converted, and into what.
struct Quantization {
  enum Kind {
    None,
    BitLinear, ///< packed; the product is divided by weight_scale
    Offline,   ///< AutoBitLinear: packed or unpacked; the product and the bias are multiplied by weight_scale
    Online     ///< AutoBitLinear: masters, quantized by their own mean
  } kind = None;
  bool norm = false; ///< use_rms_norm: each converted layer has a norm of its own
  double normEpsilon = 1e-6;
  std::optional<std::vector<std::string>> unconverted; ///< modules_to_not_convert; absent: the head alone

  /// Whether transformers converts the linear layer `module` ("model.layers.0.mlp.up_proj").
  bool converts(llvm::StringRef module, Refusal &refuse) const;
};

struct Config {
  const Family *family = nullptr;
  int64_t vocabulary = 0, hidden = 0, intermediate = 0, layers = 0, heads = 0, keyHeads = 0, headSize = 0;
  int64_t positions = 0;
  double epsilon = 0;
  decoder::Activation activation = decoder::Activation::Silu;
  std::string activationName;
  bool tied = false, attentionBias = false, mlpBias = false;
  decoder::Rope rope;
  std::string ropeName;
  std::vector<int64_t> windows; ///< of each layer; 0: none
  Quantization quantization;
};

/// Checks config.json's object. Every key is understood, known to be harmless, or refused by name.
Config readConfig(const llvm::json::Object &object, llvm::StringRef path, Refusal &refuse);

/// The rotary embedding (Rope.cpp): rope_theta, rope_scaling, and rope_parameters as transformers 5 spells them.
decoder::Rope readRope(Keys &keys, llvm::StringRef path, const Config &config, std::string &name, Refusal &refuse);

/// Quantization.cpp.
Quantization readQuantization(const llvm::json::Object &object, llvm::StringRef path, Refusal &refuse);

/// Whether a key that no family reads changes nothing (HarmlessKeys.cpp).
bool isHarmless(llvm::StringRef key, const llvm::json::Value &value);

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_CONFIG_H
