//===- ModelReader.cpp - Configuration and tensors to a decoder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelReader.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace llvm;
using namespace setun;
using namespace setun::hf;
using decoder::Element;

static std::string showShape(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : enumerate(shape.take_front(8)))
    text += (i ? ", " : "") + std::to_string(size);
  return text + (shape.size() > 8 ? ", ...]" : "]");
}

static bool isFloat(Element element) {
  return element == Element::F32 || element == Element::F16 || element == Element::BF16;
}

decoder::Tensor ModelReader::parameter(StringRef name, ArrayRef<int64_t> shape, const Twine &role, const Twine &why) {
  decoder::Tensor tensor = checkpoint.take(name, role, refuse, why);
  if (refuse)
    return tensor;
  if (ArrayRef(tensor.shape) != shape)
    refuse(folder + ": tensor " + quote(name) + " has shape " + showShape(tensor.shape) +
           ", and config.json asks for " + showShape(shape));
  else if (!isFloat(tensor.element))
    refuse(folder + ": tensor " + quote(name) + " has dtype " + checkpoint.find(name)->dtype +
           "; supported here: F32, F16, BF16");
  return tensor;
}

decoder::Norm ModelReader::norm(StringRef module, int64_t size, double epsilon, const Twine &role, const Twine &why) {
  decoder::Norm norm;
  norm.name = module.str();
  norm.weight = parameter((module + ".weight").str(), size, role, why);
  norm.epsilon = static_cast<float>(epsilon);
  return norm;
}

/// The value of a floating-point number of `bytes`.
static double decode(StringRef bytes, Element element) {
  const fltSemantics &semantics = element == Element::F32   ? APFloat::IEEEsingle()
                                  : element == Element::F16 ? APFloat::IEEEhalf()
                                                            : APFloat::BFloat();
  uint64_t bits = bytes.size() == 4 ? support::endian::read32le(bytes.data()) : support::endian::read16le(bytes.data());
  APFloat value(semantics, APInt(8 * bytes.size(), bits));
  bool lost;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

decoder::Tensor ModelReader::scale(StringRef module, StringRef role) {
  std::string name = (module + ".weight_scale").str();
  decoder::Tensor tensor =
      checkpoint.take(name, role + ": scale", refuse, "quantization_config in config.json (offline)");
  if (refuse)
    return tensor;
  size_t size = tensor.element == Element::F32 ? 4 : 2;
  if (!isFloat(tensor.element) || tensor.shape.size() > 1 || tensor.length != size) {
    refuse(folder + ": tensor " + quote(name) + " is " + checkpoint.find(name)->dtype + " " + showShape(tensor.shape) +
           "; supported: one F32, F16 or BF16");
    return tensor;
  }
  std::optional<std::string> bytes = checkpoint.readBytes(*checkpoint.find(name), size, refuse);
  if (bytes && bytes->size() == size) {
    double value = decode(*bytes, tensor.element);
    if (!std::isfinite(value) || value == 0)
      refuse(folder + ": tensor " + quote(name) + " is " + show(value) + ", which is no scale");
    HfTensor *weight = checkpoint.find((module + ".weight").str());
    weight->scale = value;
    weight->divides = config.quantization.kind == Quantization::BitLinear;
  }
  return tensor;
}

/// The weight of a converted layer. Packed ones are bytes, of four rows each; unpacked ones are floats.
void ModelReader::readWeight(decoder::Linear &linear, StringRef role, bool packed, bool unpacked) {
  std::string name = linear.name + ".weight";
  linear.weight = checkpoint.take(name, role, refuse);
  if (refuse)
    return;
  int64_t blocks = divideCeil(linear.rows, 4);
  std::vector<int64_t> packedShape = {blocks, linear.columns}, shape = {linear.rows, linear.columns};
  if (packed && linear.weight.element == Element::U8 && linear.weight.shape == packedShape)
    linear.form = decoder::WeightForm::Packed;
  else if (!unpacked || !isFloat(linear.weight.element) || linear.weight.shape != shape)
    refuse(folder + ": tensor " + quote(name) + " is " + checkpoint.find(name)->dtype + " " +
           showShape(linear.weight.shape) + "; config.json asks for " +
           (packed ? "U8 " + showShape(packedShape) + " (four rows packed)" : std::string()) +
           (packed && unpacked ? " or " : "") + (unpacked ? "F32, F16 or BF16 " + showShape(shape) : std::string()));
}

/// What transformers makes of a linear layer under quantization_config.
void ModelReader::convert(decoder::Linear &linear, StringRef role) {
  const Quantization &quantization = config.quantization;
  linear.quantizeInput = true;
  if (quantization.norm)
    linear.norm = norm(linear.name + ".rms_norm", linear.columns, quantization.normEpsilon, role + ": norm",
                       "use_rms_norm in config.json");
  if (quantization.kind == Quantization::Online) {
    readWeight(linear, role, /*packed=*/false, /*unpacked=*/true);
    linear.form = decoder::WeightForm::Online;
    return;
  }
  bool isBitLinear = quantization.kind == Quantization::BitLinear;
  readWeight(linear, role, /*packed=*/true, /*unpacked=*/!isBitLinear);
  if (refuse)
    return;
  linear.scale = scale(linear.name, role);
  linear.scaling = isBitLinear ? decoder::Linear::Divide : decoder::Linear::Multiply;
  linear.biasBeforeScale = !isBitLinear;
}

decoder::Linear ModelReader::linear(StringRef module, int64_t rows, int64_t columns, bool bias, StringRef role) {
  decoder::Linear linear;
  linear.name = module.str();
  linear.rows = rows;
  linear.columns = columns;
  if (refuse)
    return linear;
  if (config.quantization.converts(module, refuse))
    convert(linear, role);
  else
    linear.weight = parameter(linear.name + ".weight", {rows, columns}, role);
  if (bias)
    linear.bias = parameter(linear.name + ".bias", rows, role + ": bias");
  if (HfTensor *entry = checkpoint.find(linear.name + ".weight")) {
    entry->product = linear.name;
    entry->form = linear.form;
  }
  return linear;
}

decoder::Layer ModelReader::layer(int64_t number) {
  const Family &family = *config.family;
  std::string module = "model.layers." + std::to_string(number), role = "layer " + std::to_string(number);
  int64_t heads = config.heads * config.headSize, keyHeads = config.keyHeads * config.headSize;
  decoder::Layer layer;
  layer.beforeAttention =
      norm(module + ".input_layernorm", config.hidden, config.epsilon, role + ": norm before attention");
  layer.beforeMlp =
      norm(module + ".post_attention_layernorm", config.hidden, config.epsilon, role + ": norm before MLP");

  decoder::Attention &attention = layer.attention;
  attention.name = module + ".self_attn";
  attention.heads = config.heads;
  attention.keyHeads = config.keyHeads;
  attention.headSize = config.headSize;
  attention.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.headSize)));
  attention.window = config.windows[number];
  bool bias = config.attentionBias;
  attention.q = linear(attention.name + ".q_proj", heads, config.hidden, bias, role + ": attention q");
  attention.k = linear(attention.name + ".k_proj", keyHeads, config.hidden, bias, role + ": attention k");
  attention.v = linear(attention.name + ".v_proj", keyHeads, config.hidden, bias, role + ": attention v");
  attention.o = linear(attention.name + ".o_proj", config.hidden, heads, bias && family.attentionBias == Family::ByKey,
                       role + ": attention output");
  if (family.headNorms) {
    attention.qNorm = norm(attention.name + ".q_norm", config.headSize, config.epsilon, role + ": norm of q's heads");
    attention.kNorm = norm(attention.name + ".k_norm", config.headSize, config.epsilon, role + ": norm of k's heads");
  }
  if (!family.attentionSubNorm.empty())
    attention.subNorm = norm((attention.name + "." + family.attentionSubNorm).str(), heads, config.epsilon,
                             role + ": norm before attention output");

  decoder::Mlp &mlp = layer.mlp;
  mlp.name = module + ".mlp";
  mlp.activation = config.activation;
  mlp.gate = linear(mlp.name + ".gate_proj", config.intermediate, config.hidden, config.mlpBias, role + ": MLP gate");
  mlp.up = linear(mlp.name + ".up_proj", config.intermediate, config.hidden, config.mlpBias, role + ": MLP up");
  mlp.down = linear(mlp.name + ".down_proj", config.hidden, config.intermediate, config.mlpBias, role + ": MLP down");
  if (!family.mlpSubNorm.empty())
    mlp.subNorm = norm((mlp.name + "." + family.mlpSubNorm).str(), config.intermediate, config.epsilon,
                       role + ": norm before MLP down");
  return layer;
}

void ModelReader::readHead(decoder::Model &model) {
  if (!config.tied) {
    bool converted = !config.family->alwaysOnline && config.quantization.converts("lm_head", refuse);
    if (converted) {
      model.head = linear("lm_head", config.vocabulary, config.hidden, false, "head");
      return;
    }
    model.head.weight = parameter("lm_head.weight", {config.vocabulary, config.hidden}, "head",
                                  "tie_word_embeddings, which config.json does not set,");
    if (HfTensor *entry = checkpoint.find("lm_head.weight"))
      entry->product = "lm_head";
  } else {
    if (!config.family->alwaysOnline && config.quantization.converts("lm_head", refuse))
      refuse(folder + "/config.json: key 'modules_to_not_convert' makes a BitLinear of lm_head, which "
                      "tie_word_embeddings ties to the embedding");
    model.head.weight = model.embedding;
    if (HfTensor *entry = checkpoint.find("model.embed_tokens.weight")) {
      entry->role = "embedding and head";
      entry->product = "lm_head";
    }
  }
  model.head.name = "lm_head";
  model.head.rows = config.vocabulary;
  model.head.columns = config.hidden;
}

/// Tensors that nothing asked for: an architecture that is not the one we built, unless they are known to be copies.
void ModelReader::rejectRest() {
  const HfTensor *embedding = checkpoint.find("model.embed_tokens.weight");
  for (HfTensor &tensor : checkpoint.getTensors()) {
    if (!tensor.role.empty() || refuse)
      continue;
    if (StringRef(tensor.name).ends_with("rotary_emb.inv_freq"))
      tensor.role = "unused: computed from config.json";
    else if (config.tied && tensor.name == "lm_head.weight" && checkpoint.equal(tensor, *embedding, refuse))
      tensor.role = "unused: copy of the embedding";
    else if (config.tied && tensor.name == "lm_head.weight")
      refuse(folder + "/" + tensor.file +
             ": tensor 'lm_head.weight' is not the embedding, to which "
             "tie_word_embeddings in config.json ties it");
    else
      refuse(folder + "/" + tensor.file + ": tensor " + quote(tensor.name) + " has no place in " +
             config.family->architecture + " as config.json describes it");
  }
}

decoder::Model ModelReader::read() {
  decoder::Model model;
  model.name = config.family->architecture.str();
  model.hidden = config.hidden;
  model.vocabulary = config.vocabulary;
  model.positions = config.positions;
  model.rope = config.rope;
  model.embedding = parameter("model.embed_tokens.weight", {config.vocabulary, config.hidden}, "embedding");
  for (int64_t number = 0; number < config.layers && !refuse; ++number)
    model.layers.push_back(layer(number));
  model.norm = norm("model.norm", config.hidden, config.epsilon, "norm before head");
  if (!refuse)
    readHead(model);
  if (!refuse)
    rejectRest();
  return model;
}
