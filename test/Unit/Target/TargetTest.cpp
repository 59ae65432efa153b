//===- TargetTest.cpp - What targets say of themselves -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Registry.h"

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

const TargetLevel &level(llvm::StringRef name) { return *lookupLevel(name); }

std::vector<std::string> levelsOf(llvm::StringRef name, llvm::StringRef cpu = "") {
  llvm::Expected<TargetSelection> selection = selectTarget(name, cpu);
  if (!selection)
    return {toString(selection.takeError())};
  std::vector<std::string> names;
  for (const TargetLevel *level : selection->levels)
    names.push_back(level->getInfo().name);
  return names;
}

TEST_F(TargetTest, NamesAreFoundAndUnique) {
  std::set<std::string> names;
  for (const std::unique_ptr<Target> &target : getTargets()) {
    EXPECT_EQ(lookupTarget(target->getName()), target.get());
    EXPECT_NE(getTargetNames().find(target->getName().str()), std::string::npos);
    ASSERT_FALSE(target->getLevels().empty());
    EXPECT_EQ(lookupLevel(target->getName()), target->getLevels().front().get());
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels()) {
      EXPECT_TRUE(names.insert(level->getName()).second);
      EXPECT_EQ(lookupLevel(level->getName()), level.get());
      EXPECT_EQ(&level->getTarget(), target.get());
      // Whoever asks for features at compile time asks for them at run time.
      EXPECT_EQ(level->getInfo().needs.empty(), level->getInfo().runtimeFeatures == 0) << level->getName();
    }
    EXPECT_EQ(target->getLevels().back()->getInfo().runtimeFeatures, 0u); // the last level runs everywhere
  }
  EXPECT_NE(lookupTarget("generic"), nullptr);
  EXPECT_EQ(lookupTarget("no such target"), nullptr);
  EXPECT_EQ(lookupLevel("x86-64:no such level"), nullptr);
}

TEST_F(TargetTest, SelectionsTakeLevelsBestFirst) {
  std::vector<std::string> all = levelsOf("x86-64");
  EXPECT_EQ(all.back(), "baseline");
  EXPECT_GE(all.size(), 2u);
  EXPECT_EQ(levelsOf("x86_64-pc-linux-gnu"), all); // a triple
  EXPECT_EQ(levelsOf("x86-64:avx2"), std::vector<std::string>{"avx2"});
  EXPECT_EQ(levelsOf("x86-64:baseline,avx2"), (std::vector<std::string>{"avx2", "baseline"}));
  EXPECT_EQ(levelsOf("native").size(), 1u);
}

TEST_F(TargetTest, AProcessorTakesTheBestLevelItRuns) {
  EXPECT_EQ(levelsOf("x86-64", "haswell"), std::vector<std::string>{"avx2"});
  EXPECT_EQ(levelsOf("x86-64", "nehalem"), std::vector<std::string>{"baseline"});
  EXPECT_EQ(levelsOf("x86-64:avx2", "nehalem"),
            std::vector<std::string>{"processor 'nehalem' runs none of the levels asked for"});
  EXPECT_EQ(levelsOf("x86-64", "z80"), std::vector<std::string>{"unknown processor 'z80' of x86_64"});
}

TEST_F(TargetTest, UnknownNamesAreErrors) {
  EXPECT_EQ(levelsOf("vax"), std::vector<std::string>{"unknown target 'vax'; known: native, " + getTargetNames()});
  EXPECT_EQ(levelsOf("x86-64:sse9"),
            std::vector<std::string>{"target 'x86-64' has no level 'sse9'; known: native, " + getTargetNames()});
}

TEST_F(TargetTest, PluginsThatCannotBeLoadedAreErrors) {
  std::string error = toString(loadTargetPlugin("/no/such/file.so"));
  EXPECT_EQ(error.find("/no/such/file.so: cannot be loaded"), 0u) << error;
  error = toString(loadTargetPlugin("libm.so.6"));
  EXPECT_EQ(error, "libm.so.6: is no target plug-in: it does not export setunGetTargetPlugin");
}

TEST_F(TargetTest, LevelsOfATargetShareALayout) {
  for (const std::unique_ptr<Target> &target : getTargets())
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      for (int64_t m : {int64_t(1), int64_t(64), kDynamic}) {
        std::vector<PackedLayout> layouts = level->getLayouts(bytes(m));
        ASSERT_FALSE(layouts.empty());
        EXPECT_EQ(layouts.front(), target->getLevels().front()->getLayouts(bytes(m)).front());
        for (const PackedLayout &layout : layouts) {
          EXPECT_TRUE(layout.isValid());
          EXPECT_EQ(PackedLayout::parse(layout.str()), layout);
          ProductPlan plan = level->getPlan(bytes(m), layout, Products::Best);
          EXPECT_GT(plan.nanoseconds, 0);
          EXPECT_GT(plan.instructions, 0);
          EXPECT_EQ(plan.bytes, layout.byteSize(2560, 2560));
        }
      }
}

TEST_F(TargetTest, PlansKeepToAdditionsWhenAsked) {
  PackedLayout layout{2, 16, 16, 2};
  for (const std::unique_ptr<Target> &target : getTargets())
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      for (int64_t m : {1, 2, 7, 13, 16, 20, 32, 100})
        EXPECT_FALSE(level->getPlan(bytes(m), layout, Products::AddSub).multiplies) << level->getName() << " " << m;
  EXPECT_TRUE(level("x86-64:avx2").getPlan(bytes(1), layout, Products::Best).multiplies);
  EXPECT_FALSE(level("x86-64:avx2").getPlan(bytes(64), layout, Products::Best).multiplies); // the table wins
  ProductShape floats{1, 64, 64, 0, builder.getF32Type()};
  EXPECT_FALSE(level("x86-64:avx2").getPlan(floats, layout, Products::Best).multiplies);
}

TEST_F(TargetTest, DecodeIsBoundByMemoryAndPrefillByArithmetic) {
  PackedLayout layout{2, 16, 16, 2};
  const TargetLevel &avx2 = level("x86-64:avx2");
  EXPECT_STREQ(avx2.getPlan(bytes(1), layout, Products::Best).bound, "memory");
  EXPECT_STREQ(avx2.getPlan(bytes(512), layout, Products::Best).bound, "arithmetic");
  EXPECT_EQ(avx2.getPlan(bytes(kDynamic), layout, Products::Best).form,
            avx2.getPlan(bytes(1), layout, Products::Best).form);
  EXPECT_LT(avx2.getPlan(bytes(1), layout, Products::Best).nanoseconds,
            avx2.getPlan(bytes(64), layout, Products::Best).nanoseconds);
}

TEST_F(TargetTest, DotProductsLeadWhereThereAreSome) {
  PackedLayout layout{2, 16, 16, 1};
  EXPECT_EQ(levelsOf("aarch64"), (std::vector<std::string>{"i8mm", "dotprod", "neon"}));
  EXPECT_EQ(levelsOf("aarch64", "cortex-a72"), std::vector<std::string>{"neon"});
  EXPECT_EQ(levelsOf("aarch64", "neoverse-n1"), std::vector<std::string>{"dotprod"});
  EXPECT_EQ(levelsOf("aarch64", "neoverse-v1"), std::vector<std::string>{"i8mm"});
  EXPECT_EQ(levelsOf("aarch64", "cortex-a53"), std::vector<std::string>{"neon"});
  for (int64_t m : {1, 3, 8, 9, 64}) {
    double last = 0;
    for (const char *name : {"aarch64:i8mm", "aarch64:dotprod", "aarch64:neon"}) {
      double time = level(name).getPlan(bytes(m), layout, Products::Best).nanoseconds;
      EXPECT_LT(last, time) << name << " " << m;
      last = time;
    }
    EXPECT_TRUE(level("aarch64:dotprod").getPlan(bytes(m), layout, Products::Best).multiplies);
  }
  // Without them tables win from the second token on.
  EXPECT_TRUE(level("aarch64:neon").getPlan(bytes(1), layout, Products::Best).multiplies);
  EXPECT_FALSE(level("aarch64:neon").getPlan(bytes(2), layout, Products::Best).multiplies);
}

TEST_F(TargetTest, PaddingIsPaidFor) {
  // 16 rows fill one tile: two interleaved would read twice the bytes.
  const TargetLevel &avx2 = level("x86-64:avx2");
  EXPECT_LT(avx2.getPlan(bytes(1, 16), {2, 16, 16, 1}, Products::Best).nanoseconds,
            avx2.getPlan(bytes(1, 16), {2, 16, 16, 2}, Products::Best).nanoseconds);
}

} // namespace
