//===- RopeTables.cpp - Rotary tables as transformers computes them -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Formulas and roundings of transformers' modeling_rope_utils.py, 5.23: tensors are float32, scalars Python's doubles,
// which become float32 where they meet a tensor, and number / tensor is number * (1 / tensor). The elementary functions
// are computed in double and rounded once, so that they are within the last bit of torch's, whose own are.

#include "setun/Import/Decoder.h"

#include <algorithm>
#include <cmath>

using namespace setun::decoder;

namespace {
using Frequencies = std::vector<float>;

float power(float base, float exponent) {
  return static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

/// base ** (2 i / dimension).
Frequencies getPeriods(float base, int64_t dimension) {
  Frequencies periods(dimension / 2);
  for (size_t i = 0; i < periods.size(); ++i)
    periods[i] = power(base, static_cast<float>(2 * i) / static_cast<float>(dimension));
  return periods;
}

Frequencies invert(Frequencies periods) {
  for (float &period : periods)
    period = 1.0f / period;
  return periods;
}

/// The frequencies of a text of `length` tokens.
Frequencies getDynamic(const Rope &rope, int64_t length) {
  if (length <= rope.originalLength)
    return invert(getPeriods(static_cast<float>(rope.theta), rope.dimension));
  float stretch = static_cast<float>(rope.factor) * static_cast<float>(length);
  stretch = stretch / static_cast<float>(rope.originalLength) - static_cast<float>(rope.factor - 1);
  auto exponent = static_cast<double>(rope.dimension) / static_cast<double>(rope.dimension - 2);
  float base = static_cast<float>(rope.theta) * power(stretch, static_cast<float>(exponent));
  return invert(getPeriods(base, rope.dimension));
}

/// Low dimensions turn often and keep their frequency, high ones are stretched, those between are mixed.
Frequencies getYarn(const Rope &rope) {
  auto dimension = static_cast<double>(rope.dimension), length = static_cast<double>(rope.originalLength);
  auto correction = [&](double rotations) {
    return dimension * std::log(length / (rotations * 2 * M_PI)) / (2 * std::log(rope.theta));
  };
  double low = correction(rope.betaFast), high = correction(rope.betaSlow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dimension - 1);
  if (low == high)
    high += 0.001;
  Frequencies result = getPeriods(static_cast<float>(rope.theta), rope.dimension);
  for (size_t i = 0; i < result.size(); ++i) {
    float period = result[i];
    float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    float keep = 1.0f - std::clamp(ramp, 0.0f, 1.0f);
    float stretched = 1.0f / (static_cast<float>(rope.factor) * period), plain = 1.0f / period;
    float first = stretched * (1.0f - keep), second = plain * keep;
    result[i] = first + second;
  }
  return result;
}

Frequencies getLlama3(const Rope &rope) {
  Frequencies result = invert(getPeriods(static_cast<float>(rope.theta), rope.dimension));
  auto length = static_cast<double>(rope.originalLength);
  auto longest = static_cast<float>(length / rope.lowFrequencyFactor);
  auto shortest = static_cast<float>(length / rope.highFrequencyFactor);
  auto factor = static_cast<float>(rope.factor), low = static_cast<float>(rope.lowFrequencyFactor);
  auto range = static_cast<float>(rope.highFrequencyFactor - rope.lowFrequencyFactor);
  for (float &frequency : result) {
    float wave = 1.0f / frequency * static_cast<float>(2 * M_PI);
    if (wave > longest) {
      frequency /= factor;
    } else if (!(wave < shortest)) {
      float smooth = (1.0f / wave * static_cast<float>(length) - low) / range;
      float first = (1.0f - smooth) * frequency / factor, second = smooth * frequency;
      frequency = first + second;
    }
  }
  return result;
}

Frequencies getLong(const Rope &rope, bool isLong) {
  Frequencies result = getPeriods(static_cast<float>(rope.theta), rope.dimension);
  const std::vector<double> &factors = isLong ? rope.longFactors : rope.shortFactors;
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = 1.0f / (static_cast<float>(factors[i]) * result[i]);
  return result;
}

double getAttentionFactor(const Rope &rope) {
  if (rope.kind != Rope::Yarn && rope.kind != Rope::LongRope)
    return 1;
  if (rope.attentionFactor)
    return *rope.attentionFactor;
  if (rope.kind == Rope::LongRope)
    return rope.factor <= 1 ? 1
                            : std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.originalLength)));
  auto scale = [&](double mscale) { return rope.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1.0; };
  return rope.mscale != 0 && rope.mscaleAllDim != 0 ? scale(rope.mscale) / scale(rope.mscaleAllDim) : scale(1);
}

/// Whether a text that ends with `position` has other frequencies than one that ends before it.
bool changesAt(const Rope &rope, int64_t position) {
  return position == 0 || (rope.kind == Rope::DynamicNtk && position >= rope.originalLength) ||
         (rope.kind == Rope::LongRope && position == rope.originalLength);
}

/// The frequencies of a text that ends with `position`.
Frequencies getFrequencies(const Rope &rope, int64_t position) {
  switch (rope.kind) {
  case Rope::Default:
    return invert(getPeriods(static_cast<float>(rope.theta), rope.dimension));
  case Rope::LinearScaling: {
    Frequencies result = invert(getPeriods(static_cast<float>(rope.theta), rope.dimension));
    for (float &frequency : result)
      frequency /= static_cast<float>(rope.factor);
    return result;
  }
  case Rope::DynamicNtk:
    return getDynamic(rope, position + 1);
  case Rope::Yarn:
    return getYarn(rope);
  case Rope::Llama3:
    return getLlama3(rope);
  case Rope::LongRope:
    return getLong(rope, position + 1 > rope.originalLength);
  }
  return {};
}
} // namespace

RopeTables setun::decoder::makeRopeTables(const Rope &rope, int64_t positions) {
  auto factor = static_cast<float>(getAttentionFactor(rope));
  RopeTables tables;
  tables.cos.reserve(positions * (rope.dimension / 2));
  tables.sin.reserve(positions * (rope.dimension / 2));
  Frequencies frequencies;
  for (int64_t position = 0; position < positions; ++position) {
    if (changesAt(rope, position))
      frequencies = getFrequencies(rope, position);
    for (float frequency : frequencies) {
      double angle = static_cast<float>(position) * frequency;
      tables.cos.push_back(static_cast<float>(std::cos(angle)) * factor);
      tables.sin.push_back(static_cast<float>(std::sin(angle)) * factor);
    }
  }
  return tables;
}
