//===- Cases.cpp - What every product must get right -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cases.h"

#include <algorithm>
#include <cmath>

using namespace setun::conformance;

static constexpr int64_t kSizes[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 2560, kMostSize};
static constexpr int64_t kTokens[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 65};
static constexpr int64_t kExtremeTokens[] = {1, 3, 5, 7, 13, 16, 22, 28, 64, 65};
static constexpr int64_t kFewTokens[] = {2, 3, 4, 5, 7, 8};

llvm::StringRef setun::conformance::toString(Pattern pattern) {
  constexpr llvm::StringLiteral names[] = {"random",       "all + at -128", "all - at -128", "all + at 127",
                                           "all - at 127", "all zero",      "lopsided"};
  return names[static_cast<int>(pattern)];
}

/// Those of `tokens` that a weight of this size may be run for; one and another small one at least. `turn` says which.
static std::vector<int64_t> afford(llvm::ArrayRef<int64_t> tokens, int64_t n, int64_t k, Effort effort, size_t turn) {
  std::vector<int64_t> few;
  for (int64_t m : tokens)
    if (m * n * k <= effort.most)
      few.push_back(m);
  if (few.size() < 2)
    few = {1, kFewTokens[turn % std::size(kFewTokens)]};
  return few;
}

std::vector<Group> setun::conformance::getGrid(Effort effort, std::mt19937 &random) {
  std::vector<int64_t> sizes(std::begin(kSizes), std::end(kSizes));
  sizes.push_back(1 + random() % 700);
  std::vector<Group> groups;
  for (size_t i = 0; i < sizes.size(); ++i)
    for (size_t j = 0; j < sizes.size(); ++j)
      if (int64_t(i + j) % effort.stride == effort.phase)
        groups.push_back({sizes[i], sizes[j], Pattern::Random, afford(kTokens, sizes[i], sizes[j], effort, i + 2 * j)});
  return groups;
}

std::vector<Group> setun::conformance::getExtremes(Effort effort) {
  std::vector<Group> groups;
  size_t turn = 0;
  for (Pattern pattern : {Pattern::AllPlusMin, Pattern::AllMinusMin, Pattern::AllPlusMax, Pattern::AllMinusMax,
                          Pattern::AllZero, Pattern::Lopsided})
    for (int64_t n : {1, 17, 64, 255})
      for (int64_t k : kSizes)
        if (int64_t(++turn) % effort.stride == effort.phase)
          groups.push_back({n, k, pattern, afford(kExtremeTokens, n, k, effort, turn)});
  return groups;
}

std::vector<Group> setun::conformance::getLong(Effort effort) {
  // In 530001 columns sums that count a code 64 times pass int32 unless they are folded on the way.
  std::vector<Group> groups;
  for (Group group : {Group{17, 66000, Pattern::Random, {}},
                      {17, 66001, Pattern::Lopsided, {}},
                      {17, 530001, Pattern::AllPlusMin, {}},
                      {1, 530016, Pattern::AllPlusMax, {}}}) {
    group.tokens = afford({1, 2, 5, 16}, group.n, group.k, effort, groups.size());
    groups.push_back(group);
  }
  for (auto [n, k] : {std::pair<int64_t, int64_t>{33, 100}, {65, 33}})
    groups.push_back({n, k, Pattern::Random, {127, 128, 129, 255, 300, 513}});
  if (!effort.again)
    return groups;
  return {groups[effort.phase % 3], groups[3 + effort.phase % 3]};
}

std::vector<Group> setun::conformance::getRandom(Effort effort, int64_t count, std::mt19937 &random) {
  auto upTo = [&](int64_t most) { // small sizes are as likely as large ones
    double magnitude = std::uniform_real_distribution<double>(0, std::log2(double(most) + 1))(random);
    return std::clamp<int64_t>(int64_t(std::exp2(magnitude)), 1, most);
  };
  std::vector<Group> groups;
  for (int64_t i = 0; i < (effort.again ? count / 3 : count); ++i) {
    int64_t n = upTo(2000), k = upTo(3000),
            m = std::min(upTo(kMostTokens), std::max<int64_t>(1, effort.most / (n * k)));
    Pattern pattern = random() % 4 ? Pattern::Random : Pattern::Lopsided;
    groups.push_back({n, k, pattern, {m}});
  }
  return groups;
}

Case::Case(int64_t n, int64_t k, int64_t tokens, Pattern pattern, std::mt19937 &random)
    : n(n), k(k), weight(n * k), x(tokens * k), expected(tokens * n) {
  for (int8_t &a : x)
    a = static_cast<int8_t>(random());
  if (pattern == Pattern::Random) {
    for (int8_t &w : weight)
      w = static_cast<int8_t>(random() % 3) - 1;
  } else if (pattern == Pattern::Lopsided) {
    // Row i takes the signs of token i, which is all extremes: every partial sum grows as fast as it can.
    for (int8_t &a : x)
      a = random() & 1 ? 127 : -128;
    for (int64_t row = 0; row < n; ++row)
      for (int64_t col = 0; col < k; ++col)
        weight[row * k + col] = (x[row % tokens * k + col] < 0) == (row / tokens % 2 == 0) ? -1 : 1;
  } else {
    bool low = pattern == Pattern::AllPlusMin || pattern == Pattern::AllMinusMin;
    bool minus = pattern == Pattern::AllMinusMin || pattern == Pattern::AllMinusMax;
    std::fill(x.begin(), x.end(), low ? -128 : 127);
    std::fill(weight.begin(), weight.end(), pattern == Pattern::AllZero ? 0 : minus ? -1 : 1);
  }
  // Widened once: the compiler makes a fast loop of it.
  std::vector<int16_t> wideX(x.begin(), x.end()), wideWeight(weight.begin(), weight.end());
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t row = 0; row < n; ++row) {
      const int16_t *a = &wideX[token * k], *w = &wideWeight[row * k];
      int32_t sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += a[i] * w[i];
      expected[token * n + row] = sum;
    }
}

std::vector<FloatSizes> setun::conformance::getFloatSizes(bool scaled) {
  std::vector<FloatSizes> all;
  for (int64_t n : {1, 15, 16, 33, 65, 100})
    for (int64_t k : {1, 6, 16, 96, 130, 512})
      for (int64_t groups : {1, 2, 3})
        if (!scaled && groups == 1)
          all.push_back({n, k, 0});
        else if (scaled && k % groups == 0)
          all.push_back({n, k, groups});
  return all;
}
