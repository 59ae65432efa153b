//===- PackingTest.cpp - Layouts of packed trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Support/Packing.h"

#include "gtest/gtest.h"
#include <random>

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
