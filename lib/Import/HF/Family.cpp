//===- Family.cpp - Architectures that differ in data alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Family.h"

using namespace setun::hf;

static std::vector<Family> makeFamilies() {
  std::vector<Family> families;

  // Microsoft's BitNet b1.58 2B-4T, and what is trained in its form.
  Family bitNet{"BitNetForCausalLM", "bitnet"};
  bitNet.theta = 500000;
  bitNet.epsilon = 1e-5;
  bitNet.keyHeads = 5;
  bitNet.activation = "relu2";
  bitNet.attentionSubNorm = "attn_sub_norm";
  bitNet.mlpSubNorm = "ffn_sub_norm";
  bitNet.attentionBias = Family::ByKey;
  families.push_back(bitNet);

  // 1bitLLM's reproduction (code of its own in its folder; the configuration class is a copy of Llama's).
  Family reproduction{"BitnetForCausalLM", "llama"};
  reproduction.attentionSubNorm = "inner_attn_ln";
  reproduction.mlpSubNorm = "ffn_layernorm";
  reproduction.attentionBias = Family::ByKey;
  reproduction.alwaysOnline = true;
  families.push_back(reproduction);

  // HF1BitLLM, Falcon3-1.58bit, Falcon-E with a quantization_config; TriLM without.
  Family llama{"LlamaForCausalLM", "llama"};
  llama.attentionBias = Family::ByKey;
  llama.mlpBiasKey = true;
  families.push_back(llama);

  Family mistral{"MistralForCausalLM", "mistral"};
  mistral.positions = 4096 * 32;
  mistral.keyHeads = 8;
  mistral.window = Family::AllLayers;
  families.push_back(mistral);

  Family qwen2{"Qwen2ForCausalLM", "qwen2"};
  qwen2.positions = 32768;
  qwen2.keyHeads = 32;
  qwen2.attentionBias = Family::Inputs;
  qwen2.window = Family::SomeLayers;
  families.push_back(qwen2);

  // Ternary-Bonsai: ternary by groups of 128, which folding finds by value.
  Family qwen3 = qwen2;
  qwen3.architecture = "Qwen3ForCausalLM";
  qwen3.modelType = "qwen3";
  qwen3.headSize = 128;
  qwen3.headNorms = true;
  qwen3.attentionBias = Family::ByKey;
  families.push_back(qwen3);
  return families;
}

llvm::ArrayRef<Family> setun::hf::getFamilies() {
  static const std::vector<Family> families = makeFamilies();
  return families;
}
