//===- Decoder.h - Decoder-only language models as data -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checkpoints name an architecture and hold tensors; they hold no graph. An importer of
// checkpoints says in a Decoder what the architecture computes and where each parameter
// lies; `buildDecoder` writes that in the input contract (docs/contracts.md). Nothing
// here knows a file format or the name of a family.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_IMPORT_DECODER_H
#define SETUN_IMPORT_DECODER_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>
#include <string>
#include <vector>

namespace setun::decoder {

enum class Element { F32, F16, BF16, I8, U8 };

/// A parameter as it is stored: little-endian, row-major, at `offset` of `file` (absolute path).
struct Tensor {
  std::string name; ///< as in the checkpoint: diagnostics, reports and the weights file speak of it
  Element element = Element::F32;
  std::vector<int64_t> shape;
  std::string file;
  uint64_t offset = 0, length = 0;
};

struct Norm {
  std::string name;
  enum Kind { RMS, Layer } kind = RMS;
  std::optional<Tensor> weight, bias; ///< [size]; absent: ones, zeros
  float epsilon = 1e-5f;
  bool plusOne = false; ///< Gemma: the factor is 1 + weight
};

/// How a stored weight becomes the matrix [rows, columns] of a product.
enum class WeightForm {
  Plain,  ///< it is the matrix, whatever its values are; folding finds out whether it is ternary
  Online, ///< a master: W' = clamp(roundeven(W * s), -1, 1) / s, s = 1 / max(mean |W|, 1e-5) (BitNet b1.58,
          ///< WeightQuant)
  Packed ///< U8 [ceil(rows / 4), columns]: row i * ceil(rows / 4) + r is ((byte >> 2 i) & 3) - 1 (transformers' bitnet)
};

struct Linear {
  std::string name;
  Tensor weight;
  WeightForm form = WeightForm::Plain;
  int64_t rows = 0, columns = 0;                ///< out and in features
  std::optional<Tensor> scale;                  ///< one element
  enum { Multiply, Divide } scaling = Multiply; ///< the product by `scale`, or divided by it
  std::optional<Tensor> bias;                   ///< [rows]
  bool biasBeforeScale = false;                 ///< AutoBitLinear offline scales the bias as well
  std::optional<Norm> norm;                     ///< of the input (use_rms_norm, BitLinear with a norm of its own)
  bool quantizeInput = false; ///< to int8 per token: s = 127 / max(absmax, 1e-5), half to even, [-128, 127]
};

/// Rotary position embedding, halves rotated (not interleaved), of the first `dimension` components of each head.
/// The formulas and names of parameters are those of transformers' modeling_rope_utils.
struct Rope {
  enum Kind { Default, LinearScaling, DynamicNtk, Yarn, Llama3, LongRope } kind = Default;
  int64_t dimension = 0; ///< rotated components of a head; even
  double theta = 10000;
  double factor = 1;
  int64_t originalLength =
      0; ///< positions of the pre-training (original_max_position_embeddings, else max_position_embeddings)
  std::optional<double> attentionFactor;
  double betaFast = 32, betaSlow = 1, mscale = 0, mscaleAllDim = 0; ///< Yarn; mscale 0: not given
  bool truncate = true;                                             ///< Yarn
  double lowFrequencyFactor = 1, highFrequencyFactor = 4;           ///< Llama3
  std::vector<double> shortFactors, longFactors;                    ///< LongRope, dimension / 2 each
};

/// Tables [positions, dimension / 2] of cosines and sines in float32, attention factor included, computed as
/// transformers does (inverse frequencies and angles rounded to float32). A position p of DynamicNtk and LongRope,
/// whose frequencies depend on the length of the text, has those of a text of p + 1 tokens: what decoding token by
/// token computes.
struct RopeTables {
  std::vector<float> cos, sin;
};
RopeTables makeRopeTables(const Rope &rope, int64_t positions);

struct Attention {
  std::string name;
  int64_t heads = 0, keyHeads = 0, headSize = 0;
  Linear q, k, v, o;
  std::optional<Norm> qNorm, kNorm; ///< of each head, before the rotation
  std::optional<Norm> subNorm;      ///< of the heads' results together, before `o`
  bool rotary = true;               ///< false: no positions in this layer (NoPE)
  float scale = 0;                  ///< of the scores: 1 / sqrt(headSize) unless the model says otherwise
  int64_t window = 0;               ///< keys that a query sees, itself included; 0: all
  float softcap = 0;                ///< of the scores: c * tanh(z / c); 0: none
};

enum class Activation { Relu2, Silu, GeluTanh, Gelu, Relu };

struct Mlp {
  std::string name;
  std::optional<Linear> gate; ///< activation(gate x) * up x; absent: activation(up x)
  Linear up, down;
  Activation activation = Activation::Silu;
  std::optional<Norm> subNorm; ///< before `down`
};

/// x += postAttention(attention(beforeAttention(x))); x += postMlp(mlp(beforeMlp(x))); a norm that is absent is the
/// identity.
struct Layer {
  std::optional<Norm> beforeAttention, postAttention, beforeMlp, postMlp;
  Attention attention;
  Mlp mlp;
};

struct Model {
  std::string name; ///< of the architecture
  int64_t hidden = 0, vocabulary = 0;
  int64_t positions = 0; ///< max_position_embeddings: rows of the rotary tables, at least
  Tensor embedding;      ///< [vocabulary, hidden]
  float embeddingScale = 1;
  std::optional<Rope> rope; ///< shared by all layers
  std::vector<Layer> layers;
  std::optional<Norm> norm; ///< before the head
  Linear head;              ///< its weight is `embedding` where they are tied: then one parameter is stored
  float logitSoftcap = 0;
};

struct Options {
  int64_t context = 2048; ///< positions that sessions will ask for, at least
  int64_t batch = 1;      ///< sequences that a run takes, all at one position
};

/// The model as `@main` in the input contract. Activations are float32; parameters keep their stored element type.
///   in:  input_ids i64 [batch, sequence];
///        logits_to_keep i64 [logits]: positions in input_ids, in any order, whose logits are wanted (transformers'
///        argument of that name);
///        past_key_values.L.key / .value f32 [batch, keyHeads, past, headSize]: states that grow along dimension 2
///   out: logits f32 [batch, logits, vocabulary]; present.L.key / .value
/// Null after one diagnostic at `location` if the description contradicts itself (sizes that do not fit, a tensor whose
/// bytes are not its shape's). The dialects of `registerDecoderDialects` must be in the context.
mlir::OwningOpRef<mlir::ModuleOp> buildDecoder(const Model &model, const Options &options, mlir::Location location);

void registerDecoderDialects(mlir::DialectRegistry &registry);

} // namespace setun::decoder

#endif // SETUN_IMPORT_DECODER_H
