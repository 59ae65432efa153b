//===- SizesTest.cpp - Algebra of symbolic sizes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sizes.h"

#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace setun::onnx;

namespace {
struct SizesTest : testing::Test {
  MLIRContext context;
  Sizes sizes{&context};
  AffineExpr a = sizes.symbol("a"), b = sizes.symbol("b"), c = sizes.symbol("c");
};
} // namespace

TEST_F(SizesTest, FirstSymbolStays) {
  EXPECT_TRUE(sizes.unify(b, a));
  EXPECT_TRUE(sizes.changed);
  EXPECT_EQ(sizes.canonical(b), a);
  EXPECT_EQ(sizes.canonical(a), a);
  EXPECT_FALSE(sizes.becameConstant);
}

TEST_F(SizesTest, SolvesSums) {
  EXPECT_TRUE(sizes.unify(a + c, b + c));
  EXPECT_EQ(sizes.canonical(b), a);
  EXPECT_TRUE(sizes.unify(c, a + 1));
  EXPECT_TRUE(sizes.equal(c * 2, a * 2 + 2));
}

TEST_F(SizesTest, Numbers) {
  EXPECT_TRUE(sizes.unify(a, sizes.constant(7)));
  EXPECT_TRUE(sizes.becameConstant);
  EXPECT_EQ(constantOf(sizes.canonical(a + 1)), 8);
  EXPECT_FALSE(sizes.unify(a, sizes.constant(8)));
}

TEST_F(SizesTest, RefusesWhatCantBe) {
  EXPECT_FALSE(sizes.unify(a, a + 1));
  EXPECT_FALSE(sizes.unify(a * 2, sizes.constant(7)));
  EXPECT_FALSE(sizes.unify(a, sizes.constant(-1)));
  EXPECT_FALSE(sizes.changed);
}

TEST_F(SizesTest, Products) {
  EXPECT_TRUE(sizes.product({a, b, sizes.constant(6)}) == sizes.product({b * 3, a * 2}));
  EXPECT_FALSE(sizes.product({a, b}) == sizes.product({a, c}));
  EXPECT_EQ(*sizes.divide(sizes.product({a, b, sizes.constant(12)}), sizes.product({b, sizes.constant(4)})),
            sizes.canonical(a * 3));
  EXPECT_FALSE(sizes.divide(sizes.product(a), sizes.product(b)));
  EXPECT_FALSE(sizes.divide(sizes.product(sizes.constant(7)), sizes.product(sizes.constant(2))));
  EXPECT_FALSE(sizes.divide(sizes.product(sizes.constant(7)), sizes.product(sizes.constant(0))));
}

TEST_F(SizesTest, Signs) {
  EXPECT_TRUE(isNonNegative(a + b * 2 + 1));
  EXPECT_FALSE(isNonNegative(a - 1));
  EXPECT_FALSE(isNonNegative(sizes.canonical(a - b)));
}

TEST_F(SizesTest, Parse) {
  EXPECT_EQ(parseSize("12", sizes), sizes.constant(12));
  EXPECT_EQ(sizes.canonical(parseSize("a + b", sizes)), a + b);
  EXPECT_EQ(sizes.canonical(parseSize("2*a+1", sizes)), a * 2 + 1);
  EXPECT_FALSE(parseSize("a - b", sizes));
  EXPECT_FALSE(parseSize("a +", sizes));
  EXPECT_FALSE(parseSize("", sizes));
  EXPECT_FALSE(parseSize("3x", sizes));
}
