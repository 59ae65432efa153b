//===- Cases.h - What every product must get right -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes, patterns, weights, activations and exact results. Nothing here knows of
// targets, packed layouts or how a kernel runs.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_CASES_H
#define SETUN_TEST_CONFORMANCE_CASES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

namespace setun::conformance {

constexpr int64_t kMostTokens = 100, kMostSize = 4097;

/// What a weight and its activations hold: random values, or what drives every partial sum to its bounds.
enum class Pattern { Random, AllPlusMin, AllMinusMin, AllPlusMax, AllMinusMax, AllZero, Lopsided };
llvm::StringRef toString(Pattern pattern);

/// One weight and the numbers of tokens to run it for.
struct Group {
  int64_t n, k;
  Pattern pattern;
  std::vector<int64_t> tokens;
};

/// How much of the cases a way of running can afford.
struct Effort {
  int64_t most;   // multiply-adds of a case; larger weights still run, for two small numbers of tokens
  int64_t stride; // one of so many pairs of N and K; each N and each K still comes
  int64_t phase;  // which of them
  bool again;     // other levels take the same cases: a third of the long and the random ones
};

/// Every N with every K, and every number of tokens.
std::vector<Group> getGrid(Effort effort, std::mt19937 &random);
/// Long sums at their extremes.
std::vector<Group> getExtremes(Effort effort);
/// Sums and numbers of tokens past the blocks that kernels work in.
std::vector<Group> getLong(Effort effort);
/// Any sizes.
std::vector<Group> getRandom(Effort effort, int64_t count, std::mt19937 &random);

/// A weight, tokens and the exact sums.
struct Case {
  int64_t n, k;
  std::vector<int8_t> weight, x;
  std::vector<int32_t> expected; // [tokens][n]

  Case(int64_t n, int64_t k, int64_t tokens, Pattern pattern, std::mt19937 &random);
};

/// The upper half of a float: compilers' own type needs library calls that are not everywhere.
struct BFloat {
  BFloat(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, 4);
    bits = static_cast<uint16_t>(wide >> 16);
  }
  operator float() const {
    uint32_t wide = uint32_t(bits) << 16;
    float result;
    std::memcpy(&result, &wide, 4);
    return result;
  }
  uint16_t bits;
};

/// Float activations or scales of groups: the sum is rounded in the order that docs/numerics.md writes.
template <typename T> struct FloatCase {
  static constexpr int64_t m = 5;
  int64_t n, k, groups; // groups 0: no scales
  std::vector<int8_t> weight;
  std::vector<T> x;
  std::vector<float> scales, expected;

  FloatCase(int64_t n, int64_t k, int64_t groups, std::mt19937 &random);
};

struct FloatSizes {
  int64_t n, k, groups;
};
std::vector<FloatSizes> getFloatSizes(bool scaled);

//===----------------------------------------------------------------------===//

template <typename T>
FloatCase<T>::FloatCase(int64_t n, int64_t k, int64_t groups, std::mt19937 &random)
    : n(n), k(k), groups(groups), weight(n * k), expected(m * n) {
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (int8_t &w : weight)
    w = static_cast<int8_t>(random() % 3) - 1;
  for (int64_t i = 0; i < m * k; ++i)
    x.push_back(std::is_same_v<T, int8_t> ? T(63 * uniform(random)) : T(uniform(random)));
  for (int64_t i = 0; i < n * groups; ++i)
    scales.push_back(uniform(random));
  int64_t pieces = groups ? groups : 1, columns = k / pieces;
  for (int64_t token = 0; token < m; ++token)
    for (int64_t row = 0; row < n; ++row) {
      float total = 0;
      for (int64_t g = 0; g < pieces; ++g) {
        volatile float sum = 0; // each step is rounded
        for (int64_t i = g * columns; i < (g + 1) * columns; ++i)
          if (int8_t w = weight[row * k + i])
            sum = w > 0 ? sum + float(x[token * k + i]) : sum - float(x[token * k + i]);
        volatile float scaled = groups ? sum * scales[row * groups + g] : sum;
        total = groups ? total + scaled : scaled;
      }
      expected[token * n + row] = total;
    }
}

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_CASES_H
