//===- PackingTest.cpp - Layouts of packed trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Support/Packing.h"

#include "gtest/gtest.h"
#include <cstdio>
#include <ctime>
#include <limits>
#include <random>
#include <vector>

using namespace setun;

namespace {

TEST(Packing, CanonicalLayoutIsRowMajorLowBitsFirst) {
  PackedLayout canonical;
  int8_t trits[] = {-1, 0, 1, 1, 0};
  uint8_t bytes[2];
  ASSERT_EQ(canonical.byteSize(1, 5), 2);
  packTrits(canonical, 1, 5, trits, bytes);
  EXPECT_EQ(bytes[0], 0 | 1 << 2 | 2 << 4 | 2 << 6);
  EXPECT_EQ(bytes[1], 0x55); // one zero trit, three of padding
}

std::vector<int8_t> makeTrits(int64_t count) {
  std::mt19937 random(1);
  std::vector<int8_t> trits(count);
  for (int8_t &t : trits)
    t = static_cast<int8_t>(random() % 3) - 1;
  return trits;
}

// Widths of one, two, three, four, five, eight and sixteen bytes take different paths.
const PackedLayout kLayouts[] = {{2, 1, 4, 1},  {2, 8, 4, 4},  {2, 3, 8, 2},   {2, 2, 12, 1}, {2, 16, 16, 2},
                                 {2, 1, 20, 3}, {2, 4, 32, 1}, {2, 32, 64, 2}, {2, 5, 4, 7}};
const std::pair<int64_t, int64_t> kShapes[] = {{1, 1},    {3, 17},  {16, 16}, {33, 31},
                                               {65, 100}, {2, 129}, {0, 5},   {5, 0}};

TEST(Packing, PutsEachTritWhereLocateSays) {
  for (const PackedLayout &layout : kLayouts)
    for (auto [rows, cols] : kShapes) {
      std::vector<int8_t> trits = makeTrits(rows * cols);
      std::vector<uint8_t> bytes(layout.byteSize(rows, cols), 0xff), expected(bytes.size(), 0x55);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t col = 0; col < cols; ++col) {
          auto [byte, shift] = layout.locate(row, col, cols);
          expected[byte] = (expected[byte] & ~(3 << shift)) | (trits[row * cols + col] + 1) << shift;
        }
      packTrits(layout, rows, cols, trits, bytes);
      EXPECT_EQ(bytes, expected) << layout.tileRows << "x" << layout.tileCols << ", " << rows << "x" << cols;
    }
}

TEST(Packing, RepacksBetweenAllLayouts) {
  for (const PackedLayout &from : kLayouts)
    for (const PackedLayout &to : kLayouts)
      for (auto [rows, cols] : kShapes) {
        std::vector<int8_t> trits = makeTrits(rows * cols);
        std::vector<uint8_t> source(from.byteSize(rows, cols)), expected(to.byteSize(rows, cols)),
            target(expected.size(), 0xff);
        packTrits(from, rows, cols, trits, source);
        packTrits(to, rows, cols, trits, expected);
        repackTrits(from, source, to, target, rows, cols);
        EXPECT_EQ(target, expected);
      }
}

TEST(Packing, RepackingClearsPadding) {
  uint8_t source[] = {0xff}, target[4]; // three columns; the fourth code is nobody's
  repackTrits(PackedLayout{}, source, PackedLayout{2, 1, 16, 1}, target, 1, 3);
  int8_t trits[16];
  unpackTrits(PackedLayout{2, 1, 16, 1}, 1, 16, target, trits);
  for (int col = 3; col < 16; ++col)
    EXPECT_EQ(trits[col], 0) << col;
}

TEST(Packing, HugeSizesSaturate) {
  constexpr int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(PackedLayout{}.byteSize(int64_t(1) << 31, int64_t(1) << 31), int64_t(1) << 60);
  EXPECT_EQ(PackedLayout{}.byteSize(int64_t(1) << 40, int64_t(1) << 40), huge);
  EXPECT_EQ((PackedLayout{2, 4096, 4096, 4096}.byteSize(huge, huge)), huge);
  EXPECT_EQ((PackedLayout{2, 4096, 4096, 4096}.byteSize(1, 1)), int64_t(1) << 34);
  EXPECT_EQ(PackedLayout{}.byteSize(0, huge), 0);
}

TEST(Packing, ValidLayouts) {
  for (const PackedLayout &layout : kLayouts)
    EXPECT_TRUE(layout.isValid());
  for (PackedLayout layout : {PackedLayout{1, 1, 8, 1}, PackedLayout{2, 0, 4, 1}, PackedLayout{2, 1, 6, 1},
                              PackedLayout{2, 1, 4, 0}, PackedLayout{2, 8192, 4, 1}, PackedLayout{2, 1, -4, 1}})
    EXPECT_FALSE(layout.isValid());
}

// Compiling a model repacks each weight once, so this is compile time: processor time of the best of several runs.
TEST(Packing, RepacksFast) {
  const PackedLayout canonical, tiled{2, 16, 16, 2};
  constexpr int64_t rows = 2560, cols = 2560;
  std::vector<uint8_t> source(canonical.byteSize(rows, cols), 0x64), target(tiled.byteSize(rows, cols));
  double best = 1e9;
  for (int run = 0; run < 8; ++run) {
    std::clock_t start = std::clock();
    repackTrits(canonical, source, tiled, target, rows, cols);
    best = std::min(best, double(std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::printf("%.2f G trits/s\n", rows * cols / best / 1e9);
#if defined(NDEBUG) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  EXPECT_LT(best, rows * cols / 5e8) << "under 500 M trits/s";
#endif
}

TEST(Packing, RoundTripsThroughTiledLayouts) {
  std::mt19937 random(1);
  for (PackedLayout layout : {PackedLayout{2, 1, 4, 1}, PackedLayout{2, 16, 16, 2}, PackedLayout{2, 8, 4, 4}})
    for (auto [rows, cols] : {std::pair{1, 1}, {3, 17}, {16, 16}, {33, 31}, {65, 100}}) {
      std::vector<int8_t> trits(rows * cols), back(rows * cols);
      for (int8_t &t : trits)
        t = static_cast<int8_t>(random() % 3) - 1;
      std::vector<uint8_t> bytes(layout.byteSize(rows, cols)), canonical(PackedLayout{}.byteSize(rows, cols));
      packTrits(layout, rows, cols, trits, bytes);
      unpackTrits(layout, rows, cols, bytes, back);
      EXPECT_EQ(trits, back);
      repackTrits(layout, bytes, PackedLayout{}, canonical, rows, cols);
      unpackTrits(PackedLayout{}, rows, cols, canonical, back);
      EXPECT_EQ(trits, back);
    }
}

} // namespace
