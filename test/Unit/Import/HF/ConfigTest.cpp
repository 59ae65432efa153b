//===- ConfigTest.cpp - config.json, checked -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "Json.h"

#include "gtest/gtest.h"

using namespace setun;
using namespace setun::hf;

namespace {

/// A good configuration; `more` replaces and adds keys ("k":null takes one away in effect).
llvm::json::Object make(llvm::StringRef architecture, llvm::StringRef more = "") {
  Refusal refuse;
  std::string text = (R"({"architectures":[")" + architecture +
                      R"("],"vocab_size":333,"hidden_size":96,"intermediate_size":200,"num_hidden_layers":3,
                      "num_attention_heads":6,"num_key_value_heads":2,"rms_norm_eps":1e-5})")
                         .str();
  auto object = parseObject(text, "base", refuse);
  auto changes = parseObject(("{" + more + "}").str(), "more", refuse);
  EXPECT_EQ(refuse.str(), "");
  for (auto &[key, value] : *changes)
    (*object)[key] = std::move(value);
  return std::move(*object);
}

Config read(llvm::StringRef architecture, llvm::StringRef more = "") {
  Refusal refuse;
  Config config = readConfig(make(architecture, more), "c", refuse);
  EXPECT_EQ(refuse.str(), "") << more.str();
  return config;
}

std::string reason(llvm::StringRef more, llvm::StringRef architecture = "LlamaForCausalLM") {
  Refusal refuse;
  readConfig(make(architecture, more), "c", refuse);
  return refuse.str();
}

TEST(Config, SizesAndDefaults) {
  Config config = read("LlamaForCausalLM");
  EXPECT_EQ(config.headSize, 16);
  EXPECT_EQ(config.positions, 2048);
  EXPECT_EQ(config.rope.dimension, 16);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_FALSE(config.tied);
  EXPECT_EQ(config.windows, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(read("LlamaForCausalLM", R"("num_key_value_heads":null)").keyHeads, 6);
  EXPECT_EQ(read("LlamaForCausalLM", R"("head_dim":100)").headSize, 100);
  Config bitNet = read("BitNetForCausalLM", R"("rms_norm_eps":null)");
  EXPECT_EQ(bitNet.rope.theta, 500000);
  EXPECT_EQ(bitNet.epsilon, 1e-5);
  EXPECT_EQ(bitNet.activation, decoder::Activation::Relu2);
  EXPECT_EQ(read("Qwen3ForCausalLM").headSize, 128);
  EXPECT_TRUE(read("Qwen2ForCausalLM").attentionBias);
}

TEST(Config, KeysOfRealFiles) {
  read("BitNetForCausalLM",
       R"("auto_map":{"AutoConfig":"configuration_bitnet.BitNetConfig"},"bos_token_id":128000,"eos_token_id":128001,
       "hidden_act":"relu2","initializer_range":0.02,"max_position_embeddings":4096,"model_type":"bitnet",
       "rope_theta":500000.0,"tie_word_embeddings":true,"torch_dtype":"bfloat16","use_cache":true,
       "quantization_config":{"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"offline"})");
  read("LlamaForCausalLM",
       R"("_name_or_path":"x","attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,"eos_token_id":[2,3],
       "is_bitnet_config":true,"mlp_bias":false,"model_type":"llama","pretraining_tp":1,"rope_scaling":null,
       "quantization_config":{"modules_to_not_convert":null,"quant_method":"bitnet"},"transformers_version":"4.44.0")");
}

TEST(Config, Architectures) {
  EXPECT_EQ(reason(R"("model_type":"qwen3")"),
            "c: key 'model_type' is \"qwen3\"; supported: 'llama' with LlamaForCausalLM");
  EXPECT_NE(reason(R"("model_type":"bitnet")").find("key 'model_type' is \"bitnet\""), std::string::npos);
  EXPECT_EQ(reason(R"("model_type":"bitnet")", "BitnetForCausalLM"), "");
  EXPECT_NE(reason("", "MixtralForCausalLM")
                .find("c: key 'architectures' is [\"MixtralForCausalLM\"]; supported: "
                      "BitNetForCausalLM, BitnetForCausalLM, LlamaForCausalLM"),
            std::string::npos);
  EXPECT_NE(reason("", "Qwen3Model").find("no language-model head"), std::string::npos);
  EXPECT_NE(reason(R"("architectures":null)").find("key 'architectures' is null"), std::string::npos);
  EXPECT_NE(reason(R"("architectures":null,"model_type":"gpt2")").find("key 'model_type' is \"gpt2\""),
            std::string::npos);
  EXPECT_EQ(reason(R"("architectures":null,"model_type":"mistral")"), "");
}

TEST(Config, SizesOutOfRange) {
  for (const char *key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "max_position_embeddings"})
    for (const char *value : {"0", "-1", "-9223372036854775808", "9223372036854775807", "1e300", "1.5", "\"96\"", "[]",
                              "true", "18446744073709551615"})
      EXPECT_NE(reason("\"" + std::string(key) + "\":" + value).find("c: key '" + std::string(key) + "' is "),
                std::string::npos)
          << key << " " << value;
  EXPECT_EQ(reason(R"("hidden_size":null)"), "c: key 'hidden_size' is missing");
  EXPECT_EQ(reason(R"("num_key_value_heads":4)"),
            "c: key 'num_key_value_heads' is 4; supported: a divisor of num_attention_heads, 6");
  EXPECT_NE(reason(R"("hidden_size":97)").find("c: key 'hidden_size' is 97; supported: a multiple of"),
            std::string::npos);
  EXPECT_NE(reason(R"("head_dim":15)").find("c: key 'head_dim' is 15; supported: even sizes"), std::string::npos);
  EXPECT_NE(reason(R"("rms_norm_eps":-1)").find("c: key 'rms_norm_eps' is -1; supported: a number of at least 0"),
            std::string::npos);
}

TEST(Config, KeysThatNobodyKnows) {
  EXPECT_EQ(reason(R"("zz":1,"num_experts_per_tok":2)"),
            "c: unknown key 'num_experts_per_tok' with value 2; supported: the keys that docs/huggingface.md lists");
  EXPECT_EQ(reason(R"("num_experts":0,"clip_qkv":null,"rope_interleaved":false,"pruned_heads":{})"), "");
  EXPECT_NE(reason(R"("rope_interleaved":true)").find("unknown key 'rope_interleaved'"), std::string::npos);
  EXPECT_NE(reason(R"("attention_bias":true)", "MistralForCausalLM").find("unknown key 'attention_bias'"),
            std::string::npos);
  EXPECT_NE(reason(R"("hidden_act":"tanh")").find("c: key 'hidden_act' is \"tanh\"; supported: relu2, silu"),
            std::string::npos);
}

TEST(Config, RopeInBothSpellings) {
  for (const char *text : {R"("rope_theta":5e5,"rope_scaling":{"type":"linear","factor":4})",
                           R"("rope_parameters":{"rope_theta":500000,"rope_type":"linear","factor":4.0})"}) {
    Config config = read("LlamaForCausalLM", text);
    EXPECT_EQ(config.rope.kind, decoder::Rope::LinearScaling);
    EXPECT_EQ(config.rope.theta, 5e5);
    EXPECT_EQ(config.rope.factor, 4);
  }
  EXPECT_NE(reason(R"("rope_scaling":{"type":"linear","factor":4},"rope_parameters":{"rope_type":"default"})")
                .find("key 'rope_scaling'"),
            std::string::npos);
}

TEST(Config, RopeTypes) {
  Config llama3 = read("LlamaForCausalLM",
                       R"("max_position_embeddings":1024,"rope_scaling":{"rope_type":"llama3","factor":8,
                       "low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":128})");
  EXPECT_EQ(llama3.rope.kind, decoder::Rope::Llama3);
  EXPECT_EQ(llama3.rope.originalLength, 128);
  Config dynamic = read("LlamaForCausalLM", R"("max_position_embeddings":64,"rope_scaling":{"type":"dynamic","factor":2,
                        "original_max_position_embeddings":32})");
  EXPECT_EQ(dynamic.rope.originalLength, 64); // of which transformers takes no notice here
  Config yarn = read("LlamaForCausalLM", R"("max_position_embeddings":128,"original_max_position_embeddings":16,
                     "rope_scaling":{"type":"yarn","factor":null,"beta_fast":null,"beta_slow":0})");
  EXPECT_EQ(yarn.rope.factor, 8);
  EXPECT_EQ(yarn.rope.betaFast, 32);
  EXPECT_EQ(yarn.rope.betaSlow, 1);
  EXPECT_FALSE(yarn.rope.attentionFactor);
  Config longrope = read("LlamaForCausalLM", R"("max_position_embeddings":128,"rope_scaling":{"type":"longrope",
                         "short_factor":[1,1,1,1,1,1,1,1],"long_factor":[1,2,3,4,5,6,7,8],
                         "original_max_position_embeddings":32})");
  EXPECT_EQ(longrope.rope.factor, 4);
  EXPECT_EQ(longrope.rope.longFactors.back(), 8);
}

TEST(Config, RopeRefused) {
  auto scaling = [](const std::string &text) { return reason("\"rope_scaling\":{" + text + "}"); };
  EXPECT_EQ(scaling(R"("type":"su","factor":2)"),
            "c: rope_scaling: key 'type' is \"su\"; supported: default, linear, dynamic, yarn, llama3, longrope");
  EXPECT_EQ(scaling(R"("type":"linear")"), "c: rope_scaling: key 'factor' is missing");
  EXPECT_EQ(scaling(R"("type":"linear","factor":-2)"),
            "c: rope_scaling: key 'factor' is -2; supported: a number of at least 1");
  EXPECT_NE(scaling(R"("factor":2)").find("key 'factor' is 2; supported: a factor together with its rope_type"),
            std::string::npos);
  EXPECT_NE(scaling(R"("type":"linear","factor":2,"mrope_section":[1,2])").find("unknown key 'mrope_section'"),
            std::string::npos);
  EXPECT_NE(scaling(R"("type":"llama3","factor":2,"low_freq_factor":4,"high_freq_factor":4)").find("high_freq_factor"),
            std::string::npos);
  EXPECT_NE(scaling(R"("type":"longrope","short_factor":[1],"long_factor":[1])").find("'short_factor' is [1]"),
            std::string::npos);
  EXPECT_NE(scaling(R"("type":"longrope","short_factor":[0],"long_factor":[1])").find("numbers above 0"),
            std::string::npos);
  EXPECT_NE(reason(R"("partial_rotary_factor":0.5)").find("key 'partial_rotary_factor' is 0.5"), std::string::npos);
  EXPECT_NE(reason(R"("rope_theta":0)").find("key 'rope_theta' is 0; supported: a number above 0"), std::string::npos);
  EXPECT_EQ(reason(R"("rope_theta":1,"rope_scaling":{"type":"yarn","factor":2})"),
            "c: key 'rope_theta' is 1; supported with 'yarn': numbers above 1");
  EXPECT_NE(reason(R"("rope_scaling":[])").find("key 'rope_scaling' is []; supported: an object"), std::string::npos);
}

TEST(Config, Windows) {
  EXPECT_EQ(read("MistralForCausalLM").windows, (std::vector<int64_t>{4096, 4096, 4096}));
  EXPECT_EQ(read("MistralForCausalLM", R"("sliding_window":null)").windows, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(read("Qwen3ForCausalLM", R"("sliding_window":8)").windows, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(read("Qwen3ForCausalLM", R"("sliding_window":8,"use_sliding_window":true,"max_window_layers":1)").windows,
            (std::vector<int64_t>{0, 8, 8}));
  EXPECT_EQ(read("Qwen2ForCausalLM", R"("sliding_window":8,"use_sliding_window":true,
                 "layer_types":["sliding_attention","full_attention","sliding_attention"])")
                .windows,
            (std::vector<int64_t>{8, 0, 8}));
  EXPECT_NE(reason(R"("layer_types":["sliding_attention","full_attention","full_attention"])", "Qwen2ForCausalLM")
                .find("key 'layer_types'"),
            std::string::npos);
  EXPECT_NE(reason(R"("layer_types":["full_attention"])", "Qwen2ForCausalLM").find("num_hidden_layers"),
            std::string::npos);
  EXPECT_EQ(
      reason(R"("layer_types":["sliding_attention","sliding_attention","sliding_attention"])", "MistralForCausalLM"),
      "");
  EXPECT_NE(reason(R"("layer_types":["sliding_attention","full_attention","sliding_attention"])", "MistralForCausalLM")
                .find("key 'layer_types'"),
            std::string::npos);
  EXPECT_EQ(reason(R"("layer_types":["full_attention","full_attention","full_attention"])"), "");
  EXPECT_NE(reason(R"("layer_types":["full_attention","full_attention","linear_attention"])").find("'layer_types'"),
            std::string::npos);
  EXPECT_EQ(reason(R"("sliding_window":8)"), "c: key 'sliding_window' is 8; supported: null with LlamaForCausalLM");
  EXPECT_NE(reason(R"("sliding_window":0)", "MistralForCausalLM").find("an integer from 1"), std::string::npos);
}

TEST(Config, Quantization) {
  auto quantization = [](const std::string &more) {
    return read("LlamaForCausalLM", R"("quantization_config":{"quant_method":"bitnet")" + more + "}").quantization;
  };
  EXPECT_EQ(quantization("").kind, Quantization::BitLinear);
  EXPECT_EQ(quantization(R"(,"bits":2)").kind, Quantization::BitLinear);
  EXPECT_EQ(quantization(R"(,"quantization_mode":"online")").kind, Quantization::BitLinear);
  EXPECT_EQ(quantization(R"(,"linear_class":"autobitlinear")").kind, Quantization::Offline);
  EXPECT_EQ(quantization(R"(,"linear_class":"autobitlinear","quantization_mode":"online")").kind, Quantization::Online);
  EXPECT_EQ(read("BitnetForCausalLM", R"("weight_bits":1,"input_bits":8)").quantization.kind, Quantization::Online);
  EXPECT_NE(reason(R"("input_bits":4)", "BitnetForCausalLM").find("key 'input_bits' is 4; supported: 8"),
            std::string::npos);
  EXPECT_EQ(reason(R"("quantization_config":{"quant_method":"gptq","bits":4})"),
            "c: quantization_config: key 'quant_method' is \"gptq\"; supported: bitnet");
  EXPECT_NE(reason(R"("quantization_config":{"quant_method":"bitnet","group_size":128})").find("'group_size'"),
            std::string::npos);
  EXPECT_NE(reason(R"("quantization_config":{"quant_method":"bitnet","linear_class":"x"})").find("'linear_class'"),
            std::string::npos);
}

/// As transformers.quantizers.quantizers_utils.should_convert_module says.
TEST(Config, ModulesThatAreNotConverted) {
  Refusal refuse;
  Quantization quantization;
  quantization.kind = Quantization::BitLinear;
  EXPECT_FALSE(quantization.converts("lm_head", refuse));
  EXPECT_TRUE(quantization.converts("model.layers.1.mlp.up_proj", refuse));
  auto converts = [&](const char *pattern, const char *module) {
    quantization.unconverted = {pattern};
    return quantization.converts(module, refuse);
  };
  quantization.unconverted.emplace();
  EXPECT_TRUE(quantization.converts("lm_head", refuse));
  EXPECT_FALSE(converts("model.layers.1", "model.layers.1.mlp.up_proj"));
  EXPECT_TRUE(converts("model.layers.1", "model.layers.11.mlp.up_proj"));
  EXPECT_FALSE(converts("model.layers.*", "model.layers.11.mlp.up_proj"));
  EXPECT_FALSE(converts("up_proj", "model.layers.11.mlp.up_proj"));
  EXPECT_TRUE(converts("mlp.up_proj.weight", "model.layers.11.mlp.up_proj"));
  EXPECT_TRUE(converts("layers.11", "model.layers.11.mlp.up_proj"));
  EXPECT_FALSE(converts("model.layers.(0|11).mlp", "model.layers.11.mlp.up_proj"));
  EXPECT_EQ(refuse.str(), "");
  converts("(", "model.layers.11.mlp.up_proj");
  EXPECT_NE(refuse.str().find("'(' is not a regular expression"), std::string::npos);
}

} // namespace
