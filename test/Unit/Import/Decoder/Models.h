//===- Models.h - Small decoders with weights in a temporary file -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_UNIT_IMPORT_DECODER_MODELS_H
#define SETUN_TEST_UNIT_IMPORT_DECODER_MODELS_H

#include "setun/Import/Decoder.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <random>

namespace setun::decoder {

struct Shape {
  int64_t layers = 1, hidden = 32, inner = 48, heads = 4, keyHeads = 2, headSize = 8, vocabulary = 96;
};

/// Tensors of random numbers, one after the other at offsets that are a multiple of nothing.
class WeightFile {
public:
  WeightFile() {
    llvm::SmallString<128> found;
    if (llvm::sys::fs::createTemporaryFile("setun-decoder", "bin", found))
      std::abort();
    path = std::string(found);
    std::error_code error;
    os = std::make_unique<llvm::raw_fd_ostream>(path, error);
    *os << "x"; // so that nothing is aligned
  }
  ~WeightFile() {
    os.reset();
    llvm::sys::fs::remove(path);
  }

  Tensor floats(std::string name, std::vector<int64_t> shape, Element element, float scale = 1, float mean = 0) {
    std::normal_distribution<float> normal(mean, scale);
    return add(std::move(name), std::move(shape), element, [&] { return normal(random); });
  }
  /// -scale, 0 or scale.
  Tensor ternary(std::string name, std::vector<int64_t> shape, Element element, float scale) {
    return add(std::move(name), std::move(shape), element,
               [&] { return scale * (static_cast<int>(random() % 3) - 1); });
  }
  /// Two-bit codes 0, 1, 2 of four rows a byte.
  Tensor packed(std::string name, int64_t rows, int64_t columns) {
    Tensor tensor = begin(std::move(name), {(rows + 3) / 4, columns}, Element::U8);
    for (uint64_t i = 0; i < tensor.length; ++i) {
      uint8_t byte = 0;
      for (int part = 0; part < 4; ++part)
        byte |= random() % 3 << 2 * part;
      *os << static_cast<char>(byte);
    }
    return end(std::move(tensor));
  }

  std::mt19937 random{7};

private:
  Tensor begin(std::string name, std::vector<int64_t> shape, Element element) {
    Tensor tensor{std::move(name), element, std::move(shape), path, os->tell(), 1};
    for (int64_t size : tensor.shape)
      tensor.length *= size;
    tensor.length *= element == Element::F32 ? 4 : element == Element::U8 || element == Element::I8 ? 1 : 2;
    return tensor;
  }
  Tensor end(Tensor tensor) {
    os->flush();
    return tensor;
  }
  template <typename Next> Tensor add(std::string name, std::vector<int64_t> shape, Element element, Next next) {
    Tensor tensor = begin(std::move(name), std::move(shape), element);
    int64_t count = 1;
    for (int64_t size : tensor.shape)
      count *= size;
    for (int64_t i = 0; i < count; ++i) {
      float value = next();
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      if (element == Element::F16) {
        llvm::APFloat half(value);
        bool loses;
        half.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &loses);
        bits = half.bitcastToAPInt().getZExtValue();
      } else if (element == Element::BF16) {
        bits >>= 16;
      }
      os->write(reinterpret_cast<const char *>(&bits), element == Element::F32 ? 4 : 2);
    }
    return end(std::move(tensor));
  }

  std::string path;
  std::unique_ptr<llvm::raw_fd_ostream> os;
};

/// A model like BitNet b1.58 2B-4T with packed weights and a tied embedding of bfloat16, but small.
inline Model makeModel(WeightFile &file, const Shape &s = {}) {
  Model model;
  model.name = "tiny";
  model.hidden = s.hidden;
  model.vocabulary = s.vocabulary;
  model.positions = 64;
  model.embedding = file.floats("model.embed_tokens.weight", {s.vocabulary, s.hidden}, Element::BF16, 0.5f);
  model.rope = Rope();
  model.rope->dimension = s.headSize;
  model.rope->originalLength = model.positions;
  auto norm = [&](const std::string &name, int64_t size) {
    Norm result;
    result.name = name;
    result.weight = file.floats(name + ".weight", {size}, Element::BF16, 0.1f, 1);
    return result;
  };
  auto linear = [&](const std::string &name, int64_t rows, int64_t columns) {
    Linear result;
    result.name = name;
    result.form = WeightForm::Packed;
    result.rows = rows;
    result.columns = columns;
    result.weight = file.packed(name + ".weight", rows, columns);
    result.scale = file.floats(name + ".weight_scale", {1}, Element::BF16, 0.01f, 0.3f);
    result.quantizeInput = true;
    return result;
  };
  for (int64_t i = 0; i < s.layers; ++i) {
    std::string path = "model.layers." + std::to_string(i);
    Layer layer;
    layer.beforeAttention = norm(path + ".input_layernorm", s.hidden);
    layer.beforeMlp = norm(path + ".post_attention_layernorm", s.hidden);
    Attention &a = layer.attention;
    a.name = path + ".self_attn";
    a.heads = s.heads, a.keyHeads = s.keyHeads, a.headSize = s.headSize;
    a.q = linear(a.name + ".q_proj", s.heads * s.headSize, s.hidden);
    a.k = linear(a.name + ".k_proj", s.keyHeads * s.headSize, s.hidden);
    a.v = linear(a.name + ".v_proj", s.keyHeads * s.headSize, s.hidden);
    a.o = linear(a.name + ".o_proj", s.hidden, s.heads * s.headSize);
    a.subNorm = norm(a.name + ".attn_sub_norm", s.heads * s.headSize);
    Mlp &mlp = layer.mlp;
    mlp.name = path + ".mlp";
    mlp.gate = linear(mlp.name + ".gate_proj", s.inner, s.hidden);
    mlp.up = linear(mlp.name + ".up_proj", s.inner, s.hidden);
    mlp.down = linear(mlp.name + ".down_proj", s.hidden, s.inner);
    mlp.activation = Activation::Relu2;
    mlp.subNorm = norm(mlp.name + ".ffn_sub_norm", s.inner);
    model.layers.push_back(layer);
  }
  model.norm = norm("model.norm", s.hidden);
  model.head.name = "lm_head";
  model.head.rows = s.vocabulary;
  model.head.columns = s.hidden;
  model.head.weight = model.embedding;
  return model;
}

} // namespace setun::decoder

#endif // SETUN_TEST_UNIT_IMPORT_DECODER_MODELS_H
