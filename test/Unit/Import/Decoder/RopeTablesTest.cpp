//===- RopeTablesTest.cpp - Rotary tables against transformers' -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/Decoder.h"

#include "gtest/gtest.h"
#include <cmath>
#include <map>

using namespace setun::decoder;

namespace {

/// One row of transformers' tables.
struct Expected {
  std::string name;
  int64_t position;
  std::vector<float> cos, sin;
};
const Expected kExpected[] = {
#include "RopeValues.inc"
};

/// The cases of rope_values.py.
std::map<std::string, Rope> makeRopes() {
  Rope plain;
  plain.dimension = 16;
  plain.originalLength = 32;
  std::map<std::string, Rope> ropes;
  auto add = [&](const char *name, Rope::Kind kind, double theta, double factor) -> Rope & {
    Rope &rope = ropes[name] = plain;
    rope.kind = kind;
    rope.theta = theta;
    rope.factor = factor;
    return rope;
  };
  add("default", Rope::Default, 500000, 1);
  add("partial", Rope::Default, 10000, 1);
  add("linear", Rope::LinearScaling, 10000, 3);
  add("dynamic", Rope::DynamicNtk, 10000, 2.5);
  add("yarn", Rope::Yarn, 10000, 4);
  Rope &exact = add("yarn_exact", Rope::Yarn, 150000, 4);
  exact.truncate = false;
  exact.betaFast = 16;
  exact.betaSlow = 0.5;
  Rope &mscale = add("yarn_mscale", Rope::Yarn, 10000, 4);
  mscale.mscale = 1;
  mscale.mscaleAllDim = 0.8;
  Rope &llama = add("llama3", Rope::Llama3, 500000, 8);
  llama.originalLength = 64;
  for (const char *name : {"longrope", "longrope_given"}) {
    Rope &rope = add(name, Rope::LongRope, 10000, 4);
    rope.longFactors = {1.0, 1.25, 1.5, 2.0, 3.0, 4.5, 7.0, 11.0};
    rope.shortFactors = {1.0, 1.0, 1.05, 1.1, 1.1, 1.2, 1.4, 1.6};
  }
  ropes["longrope_given"].attentionFactor = 1.25;
  return ropes;
}

TEST(RopeTables, AreThoseOfTransformers) {
  std::map<std::string, Rope> ropes = makeRopes();
  int64_t same = 0, all = 0;
  for (const Expected &expected : kExpected) {
    SCOPED_TRACE(expected.name + " at " + std::to_string(expected.position));
    const Rope &rope = ropes.at(expected.name);
    RopeTables tables = makeRopeTables(rope, expected.position + 1);
    size_t half = rope.dimension / 2, begin = expected.position * half;
    ASSERT_EQ(expected.cos.size(), half);
    ASSERT_EQ(tables.cos.size(), begin + half);
    ASSERT_EQ(tables.sin.size(), begin + half);
    // torch's pow is right within the last bit, ours is rounded once: frequencies may differ by it, and angles by two.
    for (size_t i = 0; i < half; ++i) {
      double angle = static_cast<double>(expected.position) * std::pow(rope.theta, -2.0 * i / rope.dimension);
      double tolerance = 2 * std::ldexp(angle, -23) + std::ldexp(1.0, -22);
      EXPECT_NEAR(tables.cos[begin + i], expected.cos[i], tolerance) << i;
      EXPECT_NEAR(tables.sin[begin + i], expected.sin[i], tolerance) << i;
      same += (tables.cos[begin + i] == expected.cos[i]) + (tables.sin[begin + i] == expected.sin[i]);
      all += 2;
    }
  }
  EXPECT_GT(10 * same, 9 * all) << same << " of " << all << " are the same bits";
}

TEST(RopeTables, LaterRowsDoNotDependOnTheTablesLength) {
  for (const auto &[name, rope] : makeRopes()) {
    RopeTables shorter = makeRopeTables(rope, 40), longer = makeRopeTables(rope, 100);
    longer.cos.resize(shorter.cos.size());
    longer.sin.resize(shorter.sin.size());
    EXPECT_EQ(shorter.cos, longer.cos) << name;
    EXPECT_EQ(shorter.sin, longer.sin) << name;
  }
}

} // namespace
