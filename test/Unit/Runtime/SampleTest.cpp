//===- SampleTest.cpp - Drawing tokens -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun-rt/sample.h"

#include "gtest/gtest.h"
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Sampler {
  char error[128] = "";
  setun_sampler *sampler;
  explicit Sampler(setun_sampling options) : sampler(setun_sampler_open(&options, error, sizeof error)) {}
  ~Sampler() { setun_sampler_close(sampler); }
  int64_t draw(const std::vector<float> &logits, const std::vector<int64_t> &history = {}) {
    return setun_sample(sampler, logits.data(), static_cast<int64_t>(logits.size()), history.data(), history.size());
  }
  std::vector<double> shares(const std::vector<float> &logits, int draws = 40000) {
    std::vector<double> counts(logits.size());
    for (int i = 0; i < draws; ++i)
      counts[static_cast<size_t>(draw(logits))] += 1.0 / draws;
    return counts;
  }
};

setun_sampling with(double temperature, int64_t topK = 0, double topP = 1, double minP = 0, double penalty = 1,
                    uint64_t seed = 1) {
  return {temperature, topK, topP, minP, penalty, seed, 0, 0, nullptr, 0};
}

void expectNear(const std::vector<double> &got, const std::vector<double> &expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], expected[i] == 0 ? 0 : 0.012) << i;
}

TEST(Sample, GreedyTakesTheFirstOfTheLargest) {
  Sampler s(with(0));
  EXPECT_EQ(s.draw({1, 3, 2, 3}), 1);
  EXPECT_EQ(s.draw({-kInf, -5}), 1);
  EXPECT_EQ(s.draw({NAN, 1, NAN}), 1);
  EXPECT_EQ(s.draw({NAN, -kInf}), -1);
  EXPECT_EQ(s.draw({}), -1);
  EXPECT_EQ(Sampler(with(1)).draw({0, kInf, kInf}), 1);
}

TEST(Sample, DrawsByProbability) {
  std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
  expectNear(Sampler(with(1)).shares(logits), {0.1, 0.4, 0.2, 0.3});
  double sum = std::sqrt(0.1) + std::sqrt(0.4) + std::sqrt(0.2) + std::sqrt(0.3);
  expectNear(Sampler(with(2)).shares(logits),
             {std::sqrt(0.1) / sum, std::sqrt(0.4) / sum, std::sqrt(0.2) / sum, std::sqrt(0.3) / sum});
  expectNear(Sampler(with(1, 2)).shares(logits), {0, 4.0 / 7, 0, 3.0 / 7});
  expectNear(Sampler(with(1, 0, 0.65)).shares(logits), {0, 4.0 / 7, 0, 3.0 / 7}); // the one that crosses p stays
  expectNear(Sampler(with(1, 0, 0.75)).shares(logits), {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  expectNear(Sampler(with(1, 0, 1, 0.6)).shares(logits), {0, 4.0 / 7, 0, 3.0 / 7});
  expectNear(Sampler(with(1, 3, 0.7)).shares(logits),
             {0, 4.0 / 7, 0, 3.0 / 7}); // shares are of the three: 4/9 + 3/9 > 0.7
  expectNear(Sampler(with(1, 99, 0.01)).shares(logits), {0, 1, 0, 0});
}

TEST(Sample, EqualLogitsStandByIndex) {
  expectNear(Sampler(with(1, 2)).shares({1, 1, 1, 1}), {0.5, 0.5, 0, 0});
  expectNear(Sampler(with(1, 0, 0.5)).shares({1, 1, 1, 1}), {0.5, 0.5, 0, 0});
}

TEST(Sample, PunishesRepetitionOnce) {
  Sampler s(with(0, 0, 1, 0, 2));
  EXPECT_EQ(s.draw({3, 2, 1}), 0);
  EXPECT_EQ(s.draw({3, 2, 1}, {0, 0, 0}), 1); // 1.5 against 2; three times would be 0.375
  EXPECT_EQ(s.draw({3, 1, 1}, {0, 0, 0}), 0);
  EXPECT_EQ(s.draw({-1, -1.5f}, {0}), 1);
  EXPECT_EQ(s.draw({3, 2}, {-1, 7}), 0); // no such tokens
}

TEST(Sample, CountsWhatWasGenerated) {
  setun_sampling options = with(0);
  options.frequency_penalty = 1;
  Sampler frequency(options);
  EXPECT_EQ(frequency.draw({3, 1.5f, 0}, {0}), 0);    // 2 against 1.5
  EXPECT_EQ(frequency.draw({3, 1.5f, 0}, {0, 0}), 1); // 1
  setun_sampler_count_from(frequency.sampler, 1);
  EXPECT_EQ(frequency.draw({3, 1.5f, 0}, {0, 0}), 0); // the first is the prompt
  options = with(0);
  options.presence_penalty = 1;
  Sampler presence(options);
  EXPECT_EQ(presence.draw({3, 1.5f, 0}, {0, 0, 0}), 0);
  EXPECT_EQ(presence.draw({3, 2.5f, 0}, {0}), 1);
}

TEST(Sample, AddsBiases) {
  setun_sampling options = with(0);
  const setun_bias biases[] = {{1, 2}, {1, 2}, {0, -std::numeric_limits<double>::infinity()}, {-1, 9}, {3, 9}};
  options.biases = biases;
  options.num_biases = 5;
  Sampler s(options);
  EXPECT_EQ(s.draw({9, 0, 3.5f}), 1);
  EXPECT_EQ(s.draw({9, 0, 4.5f}), 2);
  EXPECT_EQ(s.draw({kInf, -kInf, 0}), 2);
  EXPECT_EQ(s.draw({1}), -1);
}

TEST(Sample, TheSameSeedDrawsTheSame) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>(i * 7919 % 1000) / 250;
  Sampler a(with(1, 0, 0.9)), b(with(1, 0, 0.9)), c(with(1, 0, 0.9, 0, 1, 2));
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    int64_t token = a.draw(logits);
    EXPECT_EQ(token, b.draw(logits));
    different += token != c.draw(logits);
  }
  EXPECT_GT(different, 90);
  // Written down once: every machine must draw these.
  Sampler fixed(with(0.8, 40, 0.95, 0.01, 1.1, 42));
  std::vector<int64_t> drawn;
  for (int i = 0; i < 8; ++i)
    drawn.push_back(fixed.draw(logits, drawn));
  EXPECT_EQ(drawn, (std::vector<int64_t>{136, 420, 704, 951, 988, 803, 667, 852}));
}

TEST(Sample, RefusesOptionsWithoutSense) {
  EXPECT_STREQ(Sampler(with(-1)).error, "temperature must not be negative");
  EXPECT_STREQ(Sampler(with(NAN)).error, "temperature must not be negative");
  EXPECT_STREQ(Sampler(with(1, -1)).error, "top-k must not be negative");
  EXPECT_STREQ(Sampler(with(1, 0, 1.5)).error, "top-p must be above 0 and at most 1");
  EXPECT_STREQ(Sampler(with(1, 0, 1, 2)).error, "min-p must be from 0 to 1");
  EXPECT_STREQ(Sampler(with(1, 0, 1, 0, -2)).error, "repetition penalty must be above 0");
  setun_sampling options = with(1);
  options.frequency_penalty = NAN;
  EXPECT_STREQ(Sampler(options).error, "frequency penalty must be a number");
  options = with(1);
  options.presence_penalty = kInf;
  EXPECT_STREQ(Sampler(options).error, "presence penalty must be a number");
  options = with(1);
  setun_bias bias = {1, NAN};
  options.biases = &bias;
  options.num_biases = 1;
  EXPECT_STREQ(Sampler(options).error, "a logit bias must be a number or minus infinity");
}

} // namespace
