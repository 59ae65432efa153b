//===- VerifyModel.cpp - Does a description of a decoder fit together? -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A description comes from files that nobody has looked at: every size is checked against every other here, so that the
// writer need not ask.

#include "Writer.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace setun::decoder;

/// Sizes beyond these are no model's, and products of two stay far from overflow.
static constexpr int64_t kMaxSize = int64_t(1) << 31, kMaxTable = int64_t(1) << 28;
/// More sequences than any machine's memory has room for.
static constexpr int64_t kMaxBatch = int64_t(1) << 16;

static StringRef nameOf(Element element) {
  switch (element) {
  case Element::F32:
    return "F32";
  case Element::F16:
    return "F16";
  case Element::BF16:
    return "BF16";
  case Element::I8:
    return "I8";
  case Element::U8:
    return "U8";
  }
  return "?";
}

static int64_t widthOf(Element element) {
  return element == Element::F32 ? 4 : element == Element::F16 || element == Element::BF16 ? 2 : 1;
}

static bool isFloat(Element element) { return element != Element::I8 && element != Element::U8; }

static std::string print(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "[";
  llvm::interleaveComma(shape, os);
  os << "]";
  return text;
}

namespace {
/// Stops at the first thing that does not fit and says what it is.
struct Check {
  Location location;
  llvm::StringMap<const Tensor *> tensors;

  LogicalResult fail(const Twine &what) { return emitError(location) << what; }
  LogicalResult size(StringRef name, int64_t value) {
    return value > 0 && value < kMaxSize ? success() : fail(name + " is " + Twine(value) + ", no size");
  }
  LogicalResult number(const Twine &name, double value, bool positive) {
    return std::isfinite(value) && (positive ? value > 0 : value >= 0)
               ? success()
               : fail(name + " must be a " + (positive ? "positive number" : "number that is not negative"));
  }
  LogicalResult bytes(const Tensor &tensor);
  LogicalResult vector(const Tensor &tensor, int64_t length);
  LogicalResult norm(const std::optional<Norm> &norm, int64_t length);
  LogicalResult linear(const Linear &linear, int64_t rows, int64_t columns);
  LogicalResult rope(const Rope &rope);
  LogicalResult attention(const Attention &attention, const Model &model);
  LogicalResult mlp(const Mlp &mlp, int64_t hidden);
  LogicalResult model(const Model &model, const Options &options);
};
} // namespace

/// The bytes are the shape's; one name means one tensor.
LogicalResult Check::bytes(const Tensor &tensor) {
  int64_t length = widthOf(tensor.element);
  for (int64_t size : tensor.shape)
    if (size <= 0 || llvm::MulOverflow(length, size, length))
      return fail("tensor '" + tensor.name + "' has shape " + print(tensor.shape));
  if (static_cast<uint64_t>(length) != tensor.length)
    return fail("tensor '" + tensor.name + "' has " + Twine(tensor.length) + " bytes, but " + print(tensor.shape) +
                " of " + nameOf(tensor.element) + " needs " + Twine(length));
  if (tensor.offset > static_cast<uint64_t>(INT64_MAX) - tensor.length)
    return fail("tensor '" + tensor.name + "' has an offset beyond any file");
  if (tensor.name.empty())
    return fail("a tensor has no name");
  auto [known, isNew] = tensors.try_emplace(tensor.name, &tensor);
  const Tensor &first = *known->second;
  if (!isNew && (first.file != tensor.file || first.offset != tensor.offset || first.length != tensor.length))
    return fail("two tensors are named '" + tensor.name + "'");
  return success();
}

LogicalResult Check::vector(const Tensor &tensor, int64_t length) {
  if (tensor.shape != std::vector<int64_t>{length})
    return fail("tensor '" + tensor.name + "' has shape " + print(tensor.shape) + ", expected " + print({length}));
  if (!isFloat(tensor.element))
    return fail("tensor '" + tensor.name + "' is of " + nameOf(tensor.element) + ", expected F32, F16 or BF16");
  return bytes(tensor);
}

LogicalResult Check::norm(const std::optional<Norm> &norm, int64_t length) {
  if (!norm)
    return success();
  if (norm->weight && failed(vector(*norm->weight, length)))
    return failure();
  if (norm->bias && failed(vector(*norm->bias, length)))
    return failure();
  return number("the epsilon of norm '" + norm->name + "'", norm->epsilon, false);
}

LogicalResult Check::linear(const Linear &linear, int64_t rows, int64_t columns) {
  if (linear.rows != rows || linear.columns != columns)
    return fail("'" + linear.name + "' is of " + Twine(linear.rows) + " x " + Twine(linear.columns) +
                ", its place of " + Twine(rows) + " x " + Twine(columns));
  bool isPacked = linear.form == WeightForm::Packed;
  std::vector<int64_t> shape = {isPacked ? (rows + 3) / 4 : rows, columns};
  const Tensor &weight = linear.weight;
  if (weight.shape != shape)
    return fail("tensor '" + weight.name + "' has shape " + print(weight.shape) + ", expected " + print(shape));
  if (isPacked ? weight.element != Element::U8 : !isFloat(weight.element))
    return fail("tensor '" + weight.name + "' is of " + nameOf(weight.element) + ", expected " +
                (isPacked ? "U8" : "F32, F16 or BF16"));
  if (failed(bytes(weight)) || (linear.bias && failed(vector(*linear.bias, rows))))
    return failure();
  if (linear.scale) {
    const Tensor &scale = *linear.scale;
    if (!llvm::all_of(scale.shape, [](int64_t size) { return size == 1; }))
      return fail("tensor '" + scale.name + "' has shape " + print(scale.shape) + ", expected one element");
    if (!isFloat(scale.element))
      return fail("tensor '" + scale.name + "' is of " + nameOf(scale.element) + ", expected F32, F16 or BF16");
    if (failed(bytes(scale)))
      return failure();
  }
  return norm(linear.norm, columns);
}

LogicalResult Check::rope(const Rope &rope) {
  if (rope.dimension < 2 || rope.dimension % 2 != 0)
    return fail("the rotary embedding turns " + Twine(rope.dimension) + " components, no even number above 0");
  if (failed(number("rope theta", rope.theta, true)) || failed(number("rope factor", rope.factor, true)))
    return failure();
  bool usesLength = rope.kind != Rope::Default && rope.kind != Rope::LinearScaling;
  if (usesLength && failed(size("the rotary embedding's original length", rope.originalLength)))
    return failure();
  if (rope.attentionFactor && failed(number("rope attention factor", *rope.attentionFactor, true)))
    return failure();
  switch (rope.kind) {
  case Rope::DynamicNtk:
    if (rope.dimension == 2)
      return fail("dynamic NTK scaling of 2 components is not defined");
    return success();
  case Rope::Yarn:
    if (rope.theta == 1)
      return fail("YaRN with a theta of 1 is not defined");
    return success(succeeded(number("rope beta_fast", rope.betaFast, true)) &&
                   succeeded(number("rope beta_slow", rope.betaSlow, true)) &&
                   succeeded(number("rope mscale", rope.mscale, false)) &&
                   succeeded(number("rope mscale_all_dim", rope.mscaleAllDim, false)));
  case Rope::Llama3:
    if (rope.lowFrequencyFactor == rope.highFrequencyFactor)
      return fail("rope low_freq_factor equals high_freq_factor");
    return success(succeeded(number("rope low_freq_factor", rope.lowFrequencyFactor, true)) &&
                   succeeded(number("rope high_freq_factor", rope.highFrequencyFactor, true)));
  case Rope::LongRope:
    for (const std::vector<double> *factors : {&rope.shortFactors, &rope.longFactors}) {
      if (factors->size() != static_cast<size_t>(rope.dimension / 2))
        return fail("longrope has " + Twine(factors->size()) + " factors, expected " + Twine(rope.dimension / 2));
      for (double factor : *factors)
        if (failed(number("a factor of longrope", factor, true)))
          return failure();
    }
    if (rope.originalLength < 2)
      return fail("longrope with an original length of 1 is not defined");
    return success();
  default:
    return success();
  }
}

LogicalResult Check::attention(const Attention &a, const Model &model) {
  if (failed(size("the number of heads", a.heads)) || failed(size("the number of key-value heads", a.keyHeads)) ||
      failed(size("the size of a head", a.headSize)))
    return failure();
  if (a.heads % a.keyHeads != 0)
    return fail(Twine(a.keyHeads) + " key-value heads do not divide " + Twine(a.heads) + " heads");
  if (a.heads > kMaxSize / a.headSize)
    return fail(Twine(a.heads) + " heads of " + Twine(a.headSize) + " are too large");
  int64_t wide = a.heads * a.headSize, narrow = a.keyHeads * a.headSize;
  if (failed(linear(a.q, wide, model.hidden)) || failed(linear(a.k, narrow, model.hidden)) ||
      failed(linear(a.v, narrow, model.hidden)) || failed(linear(a.o, model.hidden, wide)) ||
      failed(norm(a.qNorm, a.headSize)) || failed(norm(a.kNorm, a.headSize)) || failed(norm(a.subNorm, wide)))
    return failure();
  if (a.rotary && !model.rope)
    return fail("'" + a.name + "' has positions, but the model has no rotary embedding");
  if (a.rotary && model.rope->dimension > a.headSize)
    return fail("the rotary embedding turns " + Twine(model.rope->dimension) + " components of heads of " +
                Twine(a.headSize));
  if (a.window < 0)
    return fail("the window of '" + a.name + "' is negative");
  if (!std::isfinite(a.scale))
    return fail("the scale of '" + a.name + "' is not finite");
  return number("the softcap of '" + a.name + "'", a.softcap, false);
}

LogicalResult Check::mlp(const Mlp &mlp, int64_t hidden) {
  int64_t inner = mlp.up.rows;
  if (failed(size("the MLP's inner size", inner)) || (mlp.gate && failed(linear(*mlp.gate, inner, hidden))) ||
      failed(linear(mlp.up, inner, hidden)) || failed(linear(mlp.down, hidden, inner)))
    return failure();
  return norm(mlp.subNorm, inner);
}

LogicalResult Check::model(const Model &model, const Options &options) {
  if (failed(size("the hidden size", model.hidden)) || failed(size("the size of the vocabulary", model.vocabulary)) ||
      failed(size("the number of positions", model.positions)) || failed(size("the context", options.context)))
    return failure();
  if (options.batch < 1 || options.batch > kMaxBatch)
    return fail("a batch of " + Twine(options.batch) + " sequences: expected 1 to " + Twine(kMaxBatch));
  const Tensor &table = model.embedding;
  std::vector<int64_t> shape = {model.vocabulary, model.hidden};
  if (table.shape != shape)
    return fail("tensor '" + table.name + "' has shape " + print(table.shape) + ", expected " + print(shape));
  if (!isFloat(table.element))
    return fail("tensor '" + table.name + "' is of " + nameOf(table.element) + ", expected F32, F16 or BF16");
  if (failed(bytes(table)) || failed(number("the scale of embeddings", model.embeddingScale, true)) ||
      failed(number("the softcap of logits", model.logitSoftcap, false)))
    return failure();
  if (model.rope) {
    if (failed(rope(*model.rope)))
      return failure();
    int64_t rows = std::max(model.positions, options.context);
    if (rows > kMaxTable / model.rope->dimension)
      return fail("rotary tables of " + Twine(rows) + " positions are too large");
  }
  for (const Layer &layer : model.layers)
    if (failed(norm(layer.beforeAttention, model.hidden)) || failed(norm(layer.postAttention, model.hidden)) ||
        failed(norm(layer.beforeMlp, model.hidden)) || failed(norm(layer.postMlp, model.hidden)) ||
        failed(attention(layer.attention, model)) || failed(mlp(layer.mlp, model.hidden)))
      return failure();
  return success(succeeded(norm(model.norm, model.hidden)) &&
                 succeeded(linear(model.head, model.vocabulary, model.hidden)));
}

LogicalResult setun::decoder::verifyModel(const Model &model, const Options &options, Location location) {
  return Check{location, {}}.model(model, options);
}
