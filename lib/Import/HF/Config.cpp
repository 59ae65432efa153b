//===- Config.cpp - config.json, checked -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun;
using namespace setun::hf;

// So that sums and products of sizes stay in 64 bits; each size is then held to those of the tensors.
constexpr int64_t kMostSize = (int64_t(1) << 31) - 1;
constexpr int64_t kMostLayers = 1 << 16;
constexpr int64_t kMostPositions = 1 << 24;

static const Family *findFamily(Keys &keys, Refusal &refuse) {
  std::string known;
  for (const Family &family : getFamilies())
    known += (known.empty() ? "" : ", ") + family.architecture.str();
  std::vector<std::string> names = keys.texts("architectures").value_or(std::vector<std::string>());
  std::string type = keys.text("model_type", "");
  if (names.size() > 1) {
    keys.reject("architectures", "one of " + known);
    return nullptr;
  }
  for (const Family &family : getFamilies()) {
    if (names.empty() ? family.modelType != type : family.architecture != names.front())
      continue;
    if (names.empty() || type.empty() || type == family.modelType || (family.alwaysOnline && type == "bitnet"))
      return &family;
    keys.reject("model_type", "'" + family.modelType + "' with " + family.architecture);
    return nullptr;
  }
  if (names.empty())
    keys.reject(type.empty() ? "architectures" : "model_type", known);
  else if (StringRef(names.front()).ends_with("Model"))
    keys.reject("architectures", known + "; this one has no language-model head (an embedding model?)");
  else
    keys.reject("architectures", known);
  return nullptr;
}

static decoder::Activation readActivation(Keys &keys, const Family &family, std::string &name) {
  using decoder::Activation;
  name = keys.text("hidden_act", family.activation);
  std::optional<Activation> activation = StringSwitch<std::optional<Activation>>(name)
                                             .Case("relu2", Activation::Relu2)
                                             .Cases({"silu", "swish"}, Activation::Silu)
                                             .Cases({"gelu_pytorch_tanh", "gelu_new"}, Activation::GeluTanh)
                                             .Case("gelu", Activation::Gelu)
                                             .Case("relu", Activation::Relu)
                                             .Default(std::nullopt);
  if (!activation)
    keys.reject("hidden_act", "relu2, silu, gelu_pytorch_tanh, gelu, relu");
  return activation.value_or(Activation::Silu);
}

/// The window of a family that has one; 0: none. Absent is the configuration classes' default, null is none.
static int64_t readWindow(Keys &keys, const json::Object &object, const Family &family) {
  if (family.window == Family::NoWindow) {
    if (keys.has("sliding_window"))
      keys.reject("sliding_window", "null with " + family.architecture);
    return 0;
  }
  bool isNull = object.get("sliding_window") && !keys.has("sliding_window");
  int64_t window = isNull ? 0 : keys.integer("sliding_window", 1, kMostSize, 4096);
  bool used = family.window == Family::AllLayers || keys.flag("use_sliding_window", false);
  return used ? window : 0;
}

/// Which layers see a window of keys only.
static std::vector<int64_t> readWindows(Keys &keys, const json::Object &object, const Config &config) {
  bool some = config.family->window == Family::SomeLayers;
  int64_t window = readWindow(keys, object, *config.family);
  int64_t first = some ? keys.integer("max_window_layers", 0, kMostSize, 28) : 0;
  std::optional<std::vector<std::string>> types = keys.texts("layer_types");
  if (types && static_cast<int64_t>(types->size()) != config.layers) {
    keys.reject("layer_types", "a list of num_hidden_layers types");
    types.reset();
  }
  std::vector<int64_t> windows;
  for (int64_t i = 0; i < config.layers; ++i) {
    bool slides = some && types ? (*types)[i] == "sliding_attention" : i >= first;
    windows.push_back(slides ? window : 0);
    // The other families take no notice of the types: they have to agree.
    if (types && (*types)[i] != (windows[i] ? "sliding_attention" : "full_attention"))
      keys.reject("layer_types", "full_attention, and sliding_attention where there is a sliding_window");
  }
  return windows;
}

Config setun::hf::readConfig(const json::Object &object, StringRef path, Refusal &refuse) {
  Config config;
  Keys keys(object, path.str(), refuse);
  config.family = findFamily(keys, refuse);
  if (!config.family)
    return config;
  const Family &family = *config.family;
  config.vocabulary = keys.integer("vocab_size", 1, kMostSize);
  config.hidden = keys.integer("hidden_size", 1, kMostSize);
  config.intermediate = keys.integer("intermediate_size", 1, kMostSize);
  config.layers = keys.integer("num_hidden_layers", 1, kMostLayers);
  config.heads = keys.integer("num_attention_heads", 1, kMostSize);
  // Absent is the class's default, null is as many as there are heads.
  bool noKeyHeads = object.get("num_key_value_heads") || !family.keyHeads;
  config.keyHeads = keys.integer("num_key_value_heads", 1, kMostSize, noKeyHeads ? config.heads : family.keyHeads);
  if (config.heads % config.keyHeads)
    keys.reject("num_key_value_heads", "a divisor of num_attention_heads, " + Twine(config.heads));
  if (!keys.has("head_dim") && !family.headSize && config.hidden % config.heads)
    keys.reject("hidden_size", "a multiple of num_attention_heads, " + Twine(config.heads) + ", or a head_dim");
  config.headSize =
      keys.integer("head_dim", 1, kMostSize, family.headSize ? family.headSize : config.hidden / config.heads);
  if (config.headSize % 2)
    keys.reject("head_dim", "even sizes, of which halves are rotated; this is " + Twine(config.headSize));
  config.positions = keys.integer("max_position_embeddings", 1, kMostPositions, family.positions);
  config.epsilon = keys.number("rms_norm_eps", 0, family.epsilon);
  config.activation = readActivation(keys, family, config.activationName);
  config.tied = keys.flag("tie_word_embeddings", false);
  config.attentionBias = family.attentionBias == Family::Inputs ||
                         (family.attentionBias == Family::ByKey && keys.flag("attention_bias", false));
  config.mlpBias = family.mlpBiasKey && keys.flag("mlp_bias", false);
  if (refuse)
    return config; // sizes that others count on
  config.windows = readWindows(keys, object, config);
  config.rope = readRope(keys, path, config, config.ropeName, refuse);
  const json::Object *quantization = keys.group("quantization_config");
  if (quantization && family.alwaysOnline)
    keys.reject("quantization_config", "none with " + family.architecture + ", whose layers quantize by themselves");
  else if (quantization)
    config.quantization = readQuantization(*quantization, path, refuse);
  if (family.alwaysOnline) {
    if (keys.integer("weight_bits", 0, 64, 1) != 1)
      keys.reject("weight_bits", "1");
    if (keys.integer("input_bits", 0, 64, 8) != 8)
      keys.reject("input_bits", "8");
    config.quantization.kind = Quantization::Online;
  }
  keys.rejectUnread(isHarmless, "the keys that docs/huggingface.md lists");
  return config;
}
