//===- Rope.cpp - Rotary embeddings of a configuration -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// transformers 5 keeps all parameters in `rope_parameters`; older files have `rope_theta` and
// `rope_scaling`. Which wins is as in its modeling_rope_utils: an own value in the group, then one of
// the file, then the class's default.

#include "Config.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun;
using namespace setun::hf;

constexpr int64_t kMostPositions = int64_t(1) << 31;

/// The group of parameters: the one of the two spellings that has any; empty if neither.
static const json::Object *findGroup(Keys &keys, std::string &name) {
  const json::Object *scaling = keys.group("rope_scaling"), *parameters = keys.group("rope_parameters");
  bool both = scaling && parameters && !scaling->empty() && !parameters->empty();
  if (both && *scaling != *parameters)
    keys.reject("rope_scaling", "what rope_parameters says, or one of the two");
  name = scaling && !scaling->empty() ? "rope_scaling" : "rope_parameters";
  return name == "rope_scaling" ? scaling : parameters;
}

static void readScaling(Keys &keys, const Config &config, decoder::Rope &rope) {
  using decoder::Rope;
  if (rope.kind == Rope::LinearScaling || rope.kind == Rope::DynamicNtk || rope.kind == Rope::Llama3)
    rope.factor = keys.number("factor", 1);
  if (rope.kind == Rope::Yarn || rope.kind == Rope::LongRope) {
    double ratio = static_cast<double>(config.positions) / rope.originalLength;
    rope.factor = keys.number("factor", 1, ratio);
    if (keys.has("attention_factor"))
      rope.attentionFactor = keys.number("attention_factor", 0);
  }
  if (rope.kind == Rope::DynamicNtk && rope.dimension < 4)
    keys.reject("rope_type", "heads of at least 4 components with 'dynamic'");
  if (rope.kind == Rope::Yarn) {
    // Zero stands for the default, as in transformers.
    rope.betaFast = keys.number("beta_fast", 0, 32);
    rope.betaFast = rope.betaFast == 0 ? 32 : rope.betaFast;
    rope.betaSlow = keys.number("beta_slow", 0, 1);
    rope.betaSlow = rope.betaSlow == 0 ? 1 : rope.betaSlow;
    rope.mscale = keys.number("mscale", 0, 0);
    rope.mscaleAllDim = keys.number("mscale_all_dim", 0, 0);
    rope.truncate = keys.flag("truncate", true);
  }
  if (rope.kind == Rope::Llama3) {
    rope.lowFrequencyFactor = keys.positive("low_freq_factor");
    rope.highFrequencyFactor = keys.positive("high_freq_factor");
    if (rope.highFrequencyFactor <= rope.lowFrequencyFactor)
      keys.reject("high_freq_factor", "a number above low_freq_factor");
  }
  if (rope.kind == Rope::LongRope) {
    rope.shortFactors = keys.positives("short_factor");
    rope.longFactors = keys.positives("long_factor");
    for (auto [key, factors] : {std::pair("short_factor", &rope.shortFactors), {"long_factor", &rope.longFactors}})
      if (static_cast<int64_t>(factors->size()) != rope.dimension / 2)
        keys.reject(key, "a list of " + Twine(rope.dimension / 2) + " numbers, half of a head's size");
  }
}

decoder::Rope setun::hf::readRope(Keys &keys, StringRef path, const Config &config, std::string &name,
                                  Refusal &refuse) {
  decoder::Rope rope;
  rope.dimension = config.headSize;
  rope.originalLength = config.positions;
  rope.theta = keys.positive("rope_theta", config.family->theta);
  // None of the families rotates a part of a head; with 'default' their code does not even look at the key.
  if (keys.number("partial_rotary_factor", 0, 1) != 1)
    keys.reject("partial_rotary_factor", "1 (" + config.family->architecture + " rotates whole heads)");
  std::optional<int64_t> original;
  if (keys.has("original_max_position_embeddings"))
    original = keys.integer("original_max_position_embeddings", 2, kMostPositions);

  std::string groupName;
  static const json::Object none;
  const json::Object *group = findGroup(keys, groupName);
  Keys own(group ? *group : none, (path + ": " + groupName).str(), refuse);
  rope.theta = own.positive("rope_theta", rope.theta);
  if (own.number("partial_rotary_factor", 0, 1) != 1)
    own.reject("partial_rotary_factor", "1 (" + config.family->architecture + " rotates whole heads)");
  std::string old = own.text("type", "default");
  name = own.text("rope_type", old);
  std::optional<decoder::Rope::Kind> kind = StringSwitch<std::optional<decoder::Rope::Kind>>(name)
                                                .Case("default", decoder::Rope::Default)
                                                .Case("linear", decoder::Rope::LinearScaling)
                                                .Case("dynamic", decoder::Rope::DynamicNtk)
                                                .Case("yarn", decoder::Rope::Yarn)
                                                .Case("llama3", decoder::Rope::Llama3)
                                                .Case("longrope", decoder::Rope::LongRope)
                                                .Default(std::nullopt);
  if (!kind)
    own.reject(own.has("rope_type") ? "rope_type" : "type", "default, linear, dynamic, yarn, llama3, longrope");
  rope.kind = kind.value_or(decoder::Rope::Default);
  int64_t ownOriginal = own.integer("original_max_position_embeddings", 2, kMostPositions, config.positions);
  // The dynamic type looks at max_position_embeddings alone.
  if (rope.kind == decoder::Rope::Yarn || rope.kind == decoder::Rope::Llama3 || rope.kind == decoder::Rope::LongRope)
    rope.originalLength = std::max<int64_t>(2, original.value_or(ownOriginal));
  if (rope.kind == decoder::Rope::Default && own.number("factor", 0, 1) != 1)
    own.reject("factor", "a factor together with its rope_type");
  readScaling(own, config, rope);
  if (rope.kind == decoder::Rope::Yarn && rope.theta <= 1) // of which the logarithm divides
    refuse(path + ": key 'rope_theta' is " + show(rope.theta) + "; supported with 'yarn': numbers above 1");
  // transformers passes over parameters of other types.
  static const StringSet<> parameters = {"factor",       "attention_factor", "beta_fast",       "beta_slow",
                                         "short_factor", "long_factor",      "low_freq_factor", "high_freq_factor",
                                         "mscale",       "mscale_all_dim",   "truncate"};
  own.rejectUnread([](StringRef key, const json::Value &) { return parameters.contains(key); },
                   "the parameters of rope_type '" + name + "'");
  return rope;
}
