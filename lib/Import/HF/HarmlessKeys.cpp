//===- HarmlessKeys.cpp - Keys that change nothing in a model's results -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun::hf;

/// Keys of training, of generation (which has its own options here), of bookkeeping and of other libraries.
static bool isBookkeeping(StringRef key) {
  static const StringSet<> keys = {"_attn_implementation",
                                   "_attn_implementation_autoset",
                                   "_commit_hash",
                                   "_flash_attn_2_enabled",
                                   "_name_or_path",
                                   "attention_dropout",
                                   "attention_probs_dropout_prob",
                                   "attn_dropout",
                                   "attn_implementation",
                                   "attn_pdrop",
                                   "auto_map",
                                   "bad_words_ids",
                                   "base_model_pp_plan",
                                   "base_model_tp_plan",
                                   "begin_suppress_tokens",
                                   "bos_token_id",
                                   "chunk_size_feed_forward",
                                   "classifier_dropout",
                                   "cls_token_id",
                                   "decoder_start_token_id",
                                   "diversity_penalty",
                                   "do_sample",
                                   "dropout",
                                   "dtype",
                                   "early_stopping",
                                   "embd_pdrop",
                                   "encoder_no_repeat_ngram_size",
                                   "eos_token_id",
                                   "exponential_decay_length_penalty",
                                   "finetuning_task",
                                   "forced_bos_token_id",
                                   "forced_eos_token_id",
                                   "gradient_checkpointing",
                                   "hidden_dropout",
                                   "hidden_dropout_prob",
                                   "id2label",
                                   "initializer_factor",
                                   "initializer_range",
                                   "is_bitnet_config",
                                   "is_llama_config",
                                   "keys_to_ignore_at_inference",
                                   "label2id",
                                   "length_penalty",
                                   "mask_token_id",
                                   "max_length",
                                   "min_length",
                                   "name_or_path",
                                   "no_repeat_ngram_size",
                                   "num_beam_groups",
                                   "num_beams",
                                   "num_labels",
                                   "num_return_sequences",
                                   "output_attentions",
                                   "output_hidden_states",
                                   "output_scores",
                                   "pad_token_id",
                                   "prefix",
                                   "pretraining_tp",
                                   "problem_type",
                                   "remove_invalid_values",
                                   "repetition_penalty",
                                   "resid_pdrop",
                                   "return_dict",
                                   "return_dict_in_generate",
                                   "sep_token_id",
                                   "suppress_tokens",
                                   "task_specific_params",
                                   "temperature",
                                   "tf_legacy_loss",
                                   "tie_last_hidden_states",
                                   "tokenizer_class",
                                   "top_k",
                                   "top_p",
                                   "torch_dtype",
                                   "torchscript",
                                   "transformers.js_config",
                                   "transformers_version",
                                   "typical_p",
                                   "unk_token_id",
                                   "unsloth_fixed",
                                   "unsloth_version",
                                   "use_bfloat16",
                                   "use_cache",
                                   "use_flash_attn",
                                   "use_flash_attention"};
  return keys.contains(key);
}

/// Switches of other architectures, which may stand in a file as long as they are off.
static bool isSwitch(StringRef key) {
  static const StringSet<> keys = {"add_cross_attention",
                                   "alibi",
                                   "attention_bias",
                                   "attn_logit_softcapping",
                                   "clip_qkv",
                                   "final_logit_softcapping",
                                   "is_decoder",
                                   "is_encoder_decoder",
                                   "mlp_bias",
                                   "num_experts",
                                   "num_local_experts",
                                   "pruned_heads",
                                   "qk_layernorm",
                                   "rope_interleaved",
                                   "scale_embedding",
                                   "tie_encoder_decoder",
                                   "use_bidirectional_attention",
                                   "use_mrope",
                                   "use_qk_norm",
                                   "use_sliding_window"};
  return keys.contains(key);
}

static bool isOff(const json::Value &value) {
  if (std::optional<bool> flag = value.getAsBoolean())
    return !*flag;
  if (std::optional<double> number = value.getAsNumber())
    return *number == 0;
  if (const json::Array *array = value.getAsArray())
    return array->empty();
  const json::Object *object = value.getAsObject();
  return object && object->empty();
}

bool setun::hf::isHarmless(StringRef key, const json::Value &value) {
  return isBookkeeping(key) || (isSwitch(key) && isOff(value));
}
