//===- TernaryAttributesTest.cpp - Attributes of the ternary dialect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "gtest/gtest.h"
#include <limits>

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

namespace {

struct TernaryAttributes : ::testing::Test {
  TernaryAttributes() { context.loadDialect<TernaryDialect>(); }

  /// The attribute, or nothing and `error`.
  Attribute parse(StringRef text) {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      error = diagnostic.str();
      return success();
    });
    return parseAttribute(text, &context);
  }

  MLIRContext context;
  std::string error;
};

TEST_F(TernaryAttributes, EncodingPrintsAsItParses) {
  StringRef text = "#ternary.encoding<bits = 2, tile = [16, 4], interleave = 2>";
  auto encoding = dyn_cast_or_null<EncodingAttr>(parse(text));
  ASSERT_TRUE(encoding) << error;
  EXPECT_EQ(encoding.getLayout().tileRows, 16);
  EXPECT_EQ(encoding.getLayout().tileCols, 4);
  EXPECT_EQ(encoding.getLayout().interleave, 2);
  std::string printed;
  llvm::raw_string_ostream(printed) << encoding;
  EXPECT_EQ(printed, text);
}

TEST_F(TernaryAttributes, CanonicalEncodingIsRowMajor) {
  EncodingAttr canonical = EncodingAttr::getCanonical(&context);
  EXPECT_EQ(canonical, parse("#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>"));
  EXPECT_EQ(canonical.getByteSize(3, 5), 6);
}

TEST_F(TernaryAttributes, ByteSizesCountPaddingAndSaturate) {
  auto tiled = EncodingAttr::get(&context, 2, 16, 16, 2);
  EXPECT_EQ(tiled.getByteSize(1, 1), 128);
  EXPECT_EQ(tiled.getByteSize(32, 16), 128);
  EXPECT_EQ(tiled.getByteSize(33, 17), 512);
  EXPECT_EQ(tiled.getByteSize(int64_t(1) << 40, int64_t(1) << 40), std::numeric_limits<int64_t>::max());
}

TEST_F(TernaryAttributes, BadEncodingsAreRefused) {
  for (StringRef text : {"#ternary.encoding<bits = 1, tile = [1, 8], interleave = 1>",
                         "#ternary.encoding<bits = 2, tile = [1, 2], interleave = 1>",
                         "#ternary.encoding<bits = 2, tile = [0, 4], interleave = 1>",
                         "#ternary.encoding<bits = 2, tile = [1, 4], interleave = 0>",
                         "#ternary.encoding<bits = 2, tile = [1, 4096], interleave = 4097>"}) {
    EXPECT_FALSE(parse(text)) << text.str();
    EXPECT_NE(error.find("encoding: needs bits = 2"), std::string::npos) << error;
  }
  EXPECT_FALSE(parse("#ternary.encoding<bits = 2>"));
}

TEST_F(TernaryAttributes, TritsHoldBytes) {
  auto trits = dyn_cast_or_null<TritsAttr>(
      parse("#ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<2xi8>>"));
  ASSERT_TRUE(trits) << error;
  EXPECT_EQ(trits.getBytes().getNumElements(), 2);
  EXPECT_FALSE(parse("#ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<2xi16>>"));
  EXPECT_NE(error.find("C1"), std::string::npos) << error;
}

TEST_F(TernaryAttributes, Enums) {
  EXPECT_EQ(cast<SpellingAttr>(parse("#ternary<spelling scale_first>")).getValue(), Spelling::ScaleFirst);
  EXPECT_EQ(cast<WeightMethodAttr>(parse("#ternary<weight_method absmedian>")).getValue(), WeightMethod::AbsMedian);
  EXPECT_FALSE(parse("#ternary<spelling twice>"));
}

} // namespace
