//===- NamesTest.cpp - Names that exporters give -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "gtest/gtest.h"

using namespace setun::onnx;

TEST(Names, StatePairs) {
  EXPECT_TRUE(isStatePair("past_key_values.3.key", "present.3.key"));
  EXPECT_TRUE(isStatePair("past_key_values.3.value", "present_key_values.3.value"));
  EXPECT_TRUE(isStatePair("input.past_key_values.layers.0.keys", "output.past_key_values.layers.0.keys"));
  EXPECT_TRUE(isStatePair("past_key_0", "present_key_0"));
  EXPECT_FALSE(isStatePair("past_key_values.3.key", "present.3.value"));
  EXPECT_FALSE(isStatePair("past_key_values.3.key", "present.30.key"));
  EXPECT_FALSE(isStatePair("input_ids", "logits"));
}

static std::string pathOf(const char *scopes) {
  setun_onnx::NodeProto node;
  auto *property = node.add_metadata_props();
  property->set_key("pkg.torch.onnx.name_scopes");
  property->set_value(scopes);
  return modulePath(node);
}

TEST(Names, ModulePaths) {
  EXPECT_EQ(pathOf("['', 'layers.0.attn.q', 'linear_3']"), "layers.0.attn.q");
  EXPECT_EQ(pathOf("['', \"it's\", 'x']"), "it's");
  EXPECT_EQ(pathOf("['', 'linear']"), "");
  EXPECT_EQ(pathOf("['only']"), "");
  EXPECT_EQ(pathOf("['', 'broken"), "");
  EXPECT_EQ(pathOf(""), "");
}

TEST(Names, StateOption) {
  setun::OnnxImportOptions options;
  EXPECT_TRUE(setun::parseOnnxState("a:b.c", options));
  EXPECT_FALSE(setun::parseOnnxState("a", options));
  EXPECT_FALSE(setun::parseOnnxState(":b", options));
  ASSERT_EQ(options.states.size(), 1u);
  EXPECT_EQ(options.states[0].second, "b.c");
}
