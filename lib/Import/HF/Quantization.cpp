//===- Quantization.cpp - quantization_config of BitNet checkpoints -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#define PCRE2_CODE_UNIT_WIDTH 8
#include "Config.h"

#include <pcre2.h>

using namespace llvm;
using namespace setun::hf;

Quantization setun::hf::readQuantization(const json::Object &object, StringRef path, Refusal &refuse) {
  Quantization result;
  Keys keys(object, (path + ": quantization_config").str(), refuse);
  if (keys.text("quant_method", "") != "bitnet") {
    keys.reject("quant_method", "bitnet");
    return result;
  }
  std::string linear = keys.text("linear_class", "bitlinear");
  if (linear != "bitlinear" && linear != "autobitlinear")
    keys.reject("linear_class", "bitlinear, autobitlinear");
  std::string mode = keys.text("quantization_mode", "offline");
  if (mode != "offline" && mode != "online")
    keys.reject("quantization_mode", "offline, online");
  // As in transformers: the mode is AutoBitLinear's; a BitLinear is always packed.
  result.kind = linear == "bitlinear" ? Quantization::BitLinear
                : mode == "online"    ? Quantization::Online
                                      : Quantization::Offline;
  result.norm = keys.flag("use_rms_norm", false);
  result.normEpsilon = keys.number("rms_norm_eps", 0, 1e-6);
  result.unconverted = keys.texts("modules_to_not_convert");
  // Switches that are off, and `bits`, which some writers add: the packing has two.
  auto isHarmless = [](StringRef key, const json::Value &value) {
    return value.getAsBoolean() == false || (key == "bits" && value.getAsInteger() == 2);
  };
  keys.rejectUnread(isHarmless, "quant_method, linear_class, quantization_mode, use_rms_norm, rms_norm_eps, "
                                "modules_to_not_convert");
  return result;
}

/// Python's `re.match(rf"(?:{pattern})(?:(?<=\.)|(?=\.|$))", module)`.
static bool matches(StringRef pattern, StringRef module, Refusal &refuse) {
  std::string text = ("(?:" + pattern + ")(?:(?<=\\.)|(?=\\.|$))").str();
  int code;
  PCRE2_SIZE where;
  pcre2_code *regex = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_ANCHORED | PCRE2_UTF,
                                    &code, &where, nullptr);
  if (!regex)
    return refuse("quantization_config: key 'modules_to_not_convert': " + quote(pattern) +
                  " is not a regular expression");
  pcre2_match_context *context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(context, 100000); // a pattern may ask for exponential time
  pcre2_match_data *data = pcre2_match_data_create_from_pattern(regex, nullptr);
  int found = pcre2_match(regex, reinterpret_cast<PCRE2_SPTR>(module.data()), module.size(), 0, 0, data, context);
  pcre2_match_data_free(data);
  pcre2_match_context_free(context);
  pcre2_code_free(regex);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH)
    return refuse("quantization_config: key 'modules_to_not_convert': " + quote(pattern) + " takes too long to match");
  return found >= 0;
}

bool Quantization::converts(StringRef module, Refusal &refuse) const {
  if (kind == None)
    return false;
  if (!unconverted) // transformers spares the head and what is tied to it
    return module != "lm_head";
  for (const std::string &pattern : *unconverted)
    if (module.ends_with(pattern) || matches(pattern, module, refuse))
      return false;
  return true;
}
