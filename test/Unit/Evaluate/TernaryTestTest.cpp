//===- TernaryTestTest.cpp - Is a matrix ternary? -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/TernaryTest.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace setun;

namespace {

/// Random trits times a scale that may depend on the place.
std::vector<float> makeWeight(int64_t rows, int64_t cols, std::function<float(int64_t, int64_t)> scale,
                              double zeros = 0.35) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform;
  std::vector<float> weight;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) {
      float trit = uniform(random) < zeros ? 0.0f : uniform(random) < 0.5 ? -1.0f : 1.0f;
      weight.push_back(trit * scale(row, col));
    }
  return weight;
}

std::variant<TernaryWeight, NotTernary> test(const std::vector<float> &weight, int64_t rows, int64_t cols) {
  WeightView view{reinterpret_cast<const char *>(weight.data()), ElementKind::F32, rows, cols, cols, 1};
  return testTernary(view, getTernaryTolerance(ElementKind::F32));
}

/// The matrix that the packed trits and scales stand for.
std::vector<double> unpack(const TernaryWeight &weight, int64_t rows, int64_t cols) {
  std::vector<double> result;
  int64_t rowBytes = (cols + 3) / 4, perRow = weight.scales.size() == 1 ? 0 : weight.groups;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) {
      int trit = (weight.packed[row * rowBytes + col / 4] >> 2 * (col % 4) & 3) - 1;
      result.push_back(trit * weight.scales[row * perRow + (perRow ? col / (cols / weight.groups) : 0)]);
    }
  return result;
}

void expectExact(const std::vector<float> &weight, int64_t rows, int64_t cols, size_t scales, int64_t groups) {
  auto verdict = test(weight, rows, cols);
  auto *ternary = std::get_if<TernaryWeight>(&verdict);
  ASSERT_TRUE(ternary);
  EXPECT_EQ(ternary->scales.size(), scales);
  EXPECT_EQ(ternary->groups, groups);
  EXPECT_EQ(ternary->deviation, 0);
  EXPECT_EQ(unpack(*ternary, rows, cols), std::vector<double>(weight.begin(), weight.end()));
}

float toBf16(float value) {
  auto bits = llvm::bit_cast<uint32_t>(value);
  return llvm::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

TEST(TernaryTest, FindsOneScale) {
  expectExact(makeWeight(33, 70, [](int64_t, int64_t) { return 0.04f; }), 33, 70, 1, 1);
  expectExact(makeWeight(1, 1, [](int64_t, int64_t) { return 0.04f; }, 0), 1, 1, 1, 1);
}

TEST(TernaryTest, FindsAScaleARow) {
  auto scale = [](int64_t row, int64_t) { return row < 10 ? 0.04f : row < 20 ? 0.05f : std::nextafter(0.05f, 1.0f); };
  expectExact(makeWeight(30, 64, scale), 30, 64, 30, 1);
}

TEST(TernaryTest, FindsTheLargestGroups) {
  auto scale = [](int64_t row, int64_t col) { return 0.01f * static_cast<float>(1 + row + col / 64); };
  expectExact(makeWeight(70, 256, scale), 70, 256, 70 * 4, 4);
  auto odd = [](int64_t row, int64_t col) { return 0.01f * static_cast<float>(1 + (row + col / 25) % 3); };
  expectExact(makeWeight(8, 100, odd), 8, 100, 8 * 4, 4);
}

TEST(TernaryTest, TakesZerosAndSigns) {
  expectExact(std::vector<float>(6 * 20, 0.0f), 6, 20, 1, 1);
  expectExact(makeWeight(12, 40, [](int64_t, int64_t) { return 0.5f; }, 0), 12, 40, 1, 1);
  // A row of zeros has whatever scale the others have.
  expectExact(makeWeight(12, 40, [](int64_t row, int64_t) { return row == 3 ? 0.0f : 0.5f; }), 12, 40, 1, 1);
  std::vector<float> negativeZero(32, -0.0f);
  auto verdict = test(negativeZero, 2, 16);
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  EXPECT_EQ(std::get<TernaryWeight>(verdict).zeros, 1);
}

TEST(TernaryTest, ReadsWeightsStoredByColumns) {
  int64_t rows = 130, cols = 48;
  auto byRows = makeWeight(rows, cols, [](int64_t row, int64_t) { return row < 70 ? 0.25f : 0.5f; });
  std::vector<float> byCols(byRows.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col)
      byCols[col * rows + row] = byRows[row * cols + col];
  WeightView view{reinterpret_cast<const char *>(byCols.data()), ElementKind::F32, rows, cols, 1, rows};
  auto verdict = testTernary(view, 1e-6);
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  EXPECT_EQ(unpack(std::get<TernaryWeight>(verdict), rows, cols), std::vector<double>(byRows.begin(), byRows.end()));
}

/// w + (q - w), rounded at each step: what a folded straight-through estimator leaves.
std::vector<float> makeStraightThrough(int64_t rows, int64_t cols, float scale, float (*round)(float)) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1.25f * scale);
  std::vector<float> weight;
  for (int64_t i = 0; i < rows * cols; ++i) {
    float w = round(normal(random)), q = std::max(-1.0f, std::min(1.0f, std::nearbyint(w / scale))) * scale;
    weight.push_back(round(w + round(q - w)));
  }
  return weight;
}

TEST(TernaryTest, SnapsStraightThroughNoise) {
  auto weight = makeStraightThrough(64, 256, 0.0371f, [](float value) { return value; });
  auto verdict = test(weight, 64, 256);
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  auto &ternary = std::get<TernaryWeight>(verdict);
  ASSERT_EQ(ternary.scales.size(), 1u);
  EXPECT_EQ(ternary.scales[0], 0.0371f);
  EXPECT_GT(ternary.deviation, 0);
  EXPECT_LT(ternary.deviation, 1e-6);
}

TEST(TernaryTest, SnapsNoiseOfBf16) {
  float scale = toBf16(0.0373f);
  auto weight = makeStraightThrough(48, 96, scale, toBf16);
  EXPECT_TRUE(std::holds_alternative<NotTernary>(test(weight, 48, 96))); // not in f32
  std::vector<uint16_t> halves;
  for (float value : weight)
    halves.push_back(llvm::bit_cast<uint32_t>(value) >> 16);
  WeightView view{reinterpret_cast<const char *>(halves.data()), ElementKind::BF16, 48, 96, 96, 1};
  auto verdict = testTernary(view, getTernaryTolerance(ElementKind::BF16));
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  auto &ternary = std::get<TernaryWeight>(verdict);
  ASSERT_EQ(ternary.scales.size(), 1u);
  EXPECT_EQ(ternary.scales[0], scale);
  EXPECT_GT(ternary.deviation, 1e-3);
}

TEST(TernaryTest, SnapsNoiseOfLargeWeights) {
  // In units of ulp(s): s = 130, w = 648; s - w = -518 lies between -516 and -520, so that 128 or 132 is left.
  float ulp = std::ldexp(1.0f, -13), scale = 130 * ulp, w = 648 * ulp, noisy = w + toBf16(scale - w);
  ASSERT_GT(std::abs(noisy - scale), 1.5 * ulp);
  std::vector<float> weight(64, scale);
  weight[17] = noisy;
  WeightView view{reinterpret_cast<const char *>(weight.data()), ElementKind::F32, 4, 16, 16, 1};
  auto verdict = testTernary(view, getTernaryTolerance(ElementKind::BF16));
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  EXPECT_EQ(std::get<TernaryWeight>(verdict).scales, std::vector<double>{scale});
}

TEST(TernaryTest, KeepsNearScalesApart) {
  // Two blocks of rows whose scales differ by less than the noise of bf16: both stand.
  float first = toBf16(0.0400f), second = toBf16(0.0402f);
  ASSERT_NE(first, second);
  auto weight = makeStraightThrough(32, 128, first, toBf16), other = makeStraightThrough(32, 128, second, toBf16);
  weight.insert(weight.end(), other.begin(), other.end());
  WeightView view{reinterpret_cast<const char *>(weight.data()), ElementKind::F32, 64, 128, 128, 1};
  auto verdict = testTernary(view, getTernaryTolerance(ElementKind::BF16));
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  auto &ternary = std::get<TernaryWeight>(verdict);
  ASSERT_EQ(ternary.scales.size(), 64u);
  for (int64_t row = 0; row < 64; ++row)
    EXPECT_EQ(ternary.scales[row], row < 32 ? first : second);
}

TEST(TernaryTest, ReadsF16) {
  std::vector<uint16_t> halves = {0x2924, 0xA924, 0x0000, 0x8000, 0x2924, 0x2924, 0x0000, 0xA924}; // +-0.0402, +-0
  WeightView view{reinterpret_cast<const char *>(halves.data()), ElementKind::F16, 2, 4, 4, 1};
  auto verdict = testTernary(view, getTernaryTolerance(ElementKind::F16));
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  EXPECT_EQ(std::get<TernaryWeight>(verdict).scales, std::vector<double>{std::ldexp(1024 + 0x124, -15)});
  halves[7] = 0x7c00; // infinity
  EXPECT_TRUE(std::holds_alternative<NotTernary>(testTernary(view, 4e-3)));
}

void expectRefusal(const std::vector<float> &weight, int64_t rows, int64_t cols, int64_t row, int64_t col) {
  auto verdict = test(weight, rows, cols);
  auto *refusal = std::get_if<NotTernary>(&verdict);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->row, row);
  EXPECT_EQ(refusal->col, col);
  EXPECT_TRUE(std::isnan(refusal->value) || refusal->value == weight[row * cols + col]);
}

TEST(TernaryTest, RefusesOneOutlier) {
  auto weight = makeWeight(100, 64, [](int64_t, int64_t) { return 0.04f; }, 0.3);
  for (float value : {0.057f, 1e-30f, -INFINITY, std::nanf(""), 0.08f}) {
    auto damaged = weight;
    damaged[99 * 64 + 63] = value;
    expectRefusal(damaged, 100, 64, 99, 63);
  }
  weight[99 * 64 + 63] = 0.04f * (1 + 3e-6f); // more than a few ulp
  expectRefusal(weight, 100, 64, 99, 63);
}

TEST(TernaryTest, RefusesFourLevelsAndDense) {
  auto levels = makeWeight(16, 64, [](int64_t row, int64_t col) { return (row * 7 + col) % 3 ? 0.04f : 0.08f; }, 0.2);
  EXPECT_TRUE(std::holds_alternative<NotTernary>(test(levels, 16, 64)));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> dense(64 * 64);
  for (float &value : dense)
    value = normal(random);
  expectRefusal(dense, 64, 64, 0, 1);
  // One element a row is no evidence.
  expectRefusal(std::vector<float>{0.1f, 0.2f, 0.3f}, 3, 1, 1, 0);
}

TEST(TernaryTest, TakesIntegersAsTheyAre) {
  std::vector<int8_t> trits = {-1, 0, 1, 1, 0, 0, -1, 1};
  WeightView view{reinterpret_cast<const char *>(trits.data()), ElementKind::I8, 2, 4, 4, 1};
  auto verdict = testTernary(view, 0);
  ASSERT_TRUE(std::holds_alternative<TernaryWeight>(verdict));
  EXPECT_EQ(std::get<TernaryWeight>(verdict).scales, std::vector<double>{1});
  for (int8_t &trit : trits)
    trit *= 2;
  auto refused = testTernary(view, 0);
  ASSERT_TRUE(std::holds_alternative<NotTernary>(refused));
  EXPECT_EQ(std::get<NotTernary>(refused).value, -2);
  EXPECT_EQ(std::get<NotTernary>(refused).scale, 1);
}

/// Elements of any kind from small numbers, one byte past an aligned address.
std::vector<char> store(ElementKind kind, const std::vector<int> &values, size_t width) {
  std::vector<char> bytes(1 + values.size() * width);
  for (auto [i, value] : llvm::enumerate(values)) {
    double number = kind == ElementKind::I8 ? value : 0.0371 * value;
    auto single = static_cast<float>(number);
    uint64_t bits = llvm::bit_cast<uint32_t>(single);
    if (kind == ElementKind::I8)
      bits = static_cast<uint8_t>(value);
    else if (kind == ElementKind::BF16)
      bits >>= 16;
    else if (kind == ElementKind::F16)
      bits = value == 0 ? 0 : (value < 0 ? 0x8000 : 0) + 0x2800 + std::abs(value);
    else if (kind == ElementKind::F64)
      bits = llvm::bit_cast<uint64_t>(number);
    std::memcpy(bytes.data() + 1 + i * width, &bits, width);
  }
  return bytes;
}

TEST(TernaryTest, RowsAreReadAsColumnsAre) {
  std::mt19937 random(3);
  int64_t rows = 21, cols = 333;
  using Kind = std::pair<ElementKind, size_t>;
  for (auto [kind, width] : {Kind{ElementKind::I8, 1}, Kind{ElementKind::F16, 2}, Kind{ElementKind::BF16, 2},
                             Kind{ElementKind::F32, 4}, Kind{ElementKind::F64, 8}})
    for (int odd : {1, 0, 2, -3}) { // one element is this; 1 and 0 change nothing
      std::vector<int> byRows(rows * cols), byCols(rows * cols);
      for (int &value : byRows)
        value = static_cast<int>(random() % 3) - 1;
      std::fill(byRows.begin() + 5 * cols, byRows.begin() + 6 * cols, 0);
      byRows[17 * cols + 300] = odd;
      for (int64_t i = 0; i < rows * cols; ++i)
        byCols[i % cols * rows + i / cols] = byRows[i];
      std::vector<char> first = store(kind, byRows, width), second = store(kind, byCols, width);
      auto a = testTernary({first.data() + 1, kind, rows, cols, cols, 1}, getTernaryTolerance(kind));
      auto b = testTernary({second.data() + 1, kind, rows, cols, 1, rows}, getTernaryTolerance(kind));
      SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + " with " + std::to_string(odd));
      ASSERT_EQ(a.index(), b.index());
      if (auto *weight = std::get_if<TernaryWeight>(&a)) {
        const auto &other = std::get<TernaryWeight>(b);
        EXPECT_EQ(weight->packed, other.packed);
        EXPECT_EQ(weight->scales, other.scales);
        EXPECT_EQ(weight->zeros, other.zeros);
        EXPECT_EQ(weight->deviation, other.deviation);
      } else {
        EXPECT_EQ(std::get<NotTernary>(a).row, std::get<NotTernary>(b).row);
        EXPECT_EQ(std::get<NotTernary>(a).col, std::get<NotTernary>(b).col);
        EXPECT_EQ(std::get<NotTernary>(a).value, std::get<NotTernary>(b).value);
      }
      EXPECT_EQ(std::holds_alternative<TernaryWeight>(a), odd == 1 || odd == 0 || kind == ElementKind::F16);
    }
}

TEST(TernaryTest, RefusesNumbersThatAreNone) {
  for (float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> weight(2 * 16, odd);
    auto verdict = test(weight, 2, 16);
    ASSERT_TRUE(std::holds_alternative<NotTernary>(verdict));
    EXPECT_EQ(std::get<NotTernary>(verdict).row, 0);
  }
}

} // namespace
