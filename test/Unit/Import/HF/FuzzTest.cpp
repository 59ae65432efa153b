//===- FuzzTest.cpp - The fuzz targets on inputs changed blindly -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#define LLVMFuzzerTestOneInput fuzzSafetensors
#include "SafetensorsFuzzer.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzzHfConfig
#include "HfConfigFuzzer.cpp"

#include "gtest/gtest.h"
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace {

std::vector<std::string> readInputs(const char *folder) {
  std::vector<std::string> inputs;
  for (auto &entry : std::filesystem::directory_iterator(std::string(SETUN_FUZZ_INPUTS "/") + folder)) {
    std::stringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    inputs.push_back(text.str());
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

/// A few bytes replaced, taken out, put in, or swapped for a piece of another place.
std::string change(std::string text, std::mt19937 &random) {
  static const std::string pieces[] = {"{", "}", "[",     "]",    "\"",   ",",      ":",
                                       "-", "0", "1e308", "null", "true", "\\u0000"};
  for (int n = 1 + random() % 3; n > 0 && !text.empty(); --n) {
    size_t place = random() % text.size();
    switch (random() % 4) {
    case 0:
      text[place] = static_cast<char>(random());
      break;
    case 1:
      text.erase(place, 1 + random() % 8);
      break;
    case 2:
      text.insert(place, pieces[random() % std::size(pieces)]);
      break;
    default:
      text.replace(place, 1 + random() % 8, text.substr(random() % text.size(), random() % 16));
    }
  }
  return text;
}

void run(const char *folder, int (*target)(const uint8_t *, size_t)) {
  std::mt19937 random(1);
  std::vector<std::string> inputs = readInputs(folder);
  ASSERT_FALSE(inputs.empty());
  for (const std::string &input : inputs)
    for (int i = 0; i < 2000; ++i) {
      std::string text = i ? change(input, random) : input;
      target(reinterpret_cast<const uint8_t *>(text.data()), text.size());
    }
}

TEST(Fuzz, Safetensors) { run("safetensors", fuzzSafetensors); }
TEST(Fuzz, HfConfig) { run("hf-config", fuzzHfConfig); }

/// Inputs that must be accepted: else the changes above would never get far.
TEST(Fuzz, InputsAreGood) {
  for (const std::string &input : readInputs("hf-config")) {
    Refusal refuse;
    auto object = parseObject(input, "f", refuse);
    ASSERT_TRUE(object);
    readConfig(*object, "f", refuse);
    EXPECT_EQ(refuse.str(), "");
  }
  for (const std::string &input : readInputs("safetensors")) {
    Refusal refuse;
    parseSafetensors(llvm::StringRef(input).drop_front(), input.size() - 1, "f", refuse);
    EXPECT_EQ(refuse.str(), "");
  }
}

} // namespace
