//===- TargetTest.cpp - What targets say of themselves -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Target.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <set>

using namespace setun;

namespace {

constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;

struct TargetTest : ::testing::Test {
  mlir::MLIRContext context;
  mlir::Builder builder{&context};
  ProductShape bytes(int64_t m, int64_t n = 2560, int64_t k = 2560) { return {m, n, k, 0, builder.getIntegerType(8)}; }
};

TEST_F(TargetTest, NamesAreFoundAndUnique) {
  std::set<std::string> names;
  for (const std::unique_ptr<Target> &target : getTargets()) {
    EXPECT_EQ(lookupTarget(target->getInfo().name), target.get());
    EXPECT_TRUE(names.insert(target->getInfo().name).second);
    EXPECT_NE(getTargetNames().find(target->getInfo().name), std::string::npos);
  }
  EXPECT_NE(lookupTarget("generic"), nullptr);
  EXPECT_EQ(lookupTarget("no such target"), nullptr);
}

TEST_F(TargetTest, AFamilyListsItsLevelsBestFirst) {
  std::vector<const Target *> levels = getTargetLevels("x86-64");
  ASSERT_EQ(levels.size(), 2u);
  EXPECT_EQ(levels[0], lookupTarget("x86-64-avx2"));
  EXPECT_NE(levels[0]->getInfo().runtimeFeatures, 0u);
  EXPECT_EQ(levels[1]->getInfo().runtimeFeatures, 0u); // the last level runs everywhere
  EXPECT_EQ(getTargetLevels("generic"), std::vector<const Target *>{lookupTarget("generic")});
  EXPECT_TRUE(getTargetLevels("vax").empty());
}

TEST_F(TargetTest, LevelsOfAFamilyShareALayout) {
  for (const Target *level : getTargetLevels("x86-64"))
    for (int64_t m : {int64_t(1), int64_t(64), kDynamic}) {
      std::vector<EncodingCandidate> encodings = level->getEncodings(bytes(m));
      ASSERT_EQ(encodings.size(), 1u);
      const PackedLayout &layout = encodings[0].layout;
      EXPECT_TRUE(layout.isValid());
      EXPECT_EQ(std::make_tuple(layout.bits, layout.tileRows, layout.tileCols, layout.interleave),
                std::make_tuple(2u, int64_t(16), int64_t(16), int64_t(2)));
      EXPECT_GT(encodings[0].nanoseconds, 0);
    }
}

TEST_F(TargetTest, PlansKeepToAdditionsWhenAsked) {
  for (const std::unique_ptr<Target> &target : getTargets())
    for (int64_t m : {1, 2, 7, 13, 16, 20, 32, 100})
      EXPECT_FALSE(target->getPlan(bytes(m), Products::AddSub).multiplies) << target->getInfo().name << " " << m;
  EXPECT_TRUE(lookupTarget("x86-64-avx2")->getPlan(bytes(1), Products::Best).multiplies);
  EXPECT_FALSE(lookupTarget("x86-64-avx2")->getPlan(bytes(64), Products::Best).multiplies); // the table wins
  ProductShape floats{1, 64, 64, 0, builder.getF32Type()};
  EXPECT_FALSE(lookupTarget("x86-64-avx2")->getPlan(floats, Products::Best).multiplies);
}

TEST_F(TargetTest, DecodeIsBoundByMemoryAndPrefillByArithmetic) {
  const Target *target = lookupTarget("x86-64-avx2");
  EXPECT_STREQ(target->getPlan(bytes(1), Products::Best).bound, "memory");
  EXPECT_STREQ(target->getPlan(bytes(512), Products::Best).bound, "arithmetic");
  EXPECT_EQ(target->getPlan(bytes(kDynamic), Products::Best).form, target->getPlan(bytes(1), Products::Best).form);
  EXPECT_LT(target->getPlan(bytes(1), Products::Best).nanoseconds,
            target->getPlan(bytes(64), Products::Best).nanoseconds);
}

} // namespace
