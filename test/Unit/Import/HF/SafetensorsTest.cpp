//===- SafetensorsTest.cpp - Headers of .safetensors files -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Safetensors.h"

#include "llvm/Support/Endian.h"
#include "gtest/gtest.h"

using namespace setun::hf;

namespace {

/// A file of `header` and `dataSize` bytes of data.
std::string file(const std::string &header, size_t dataSize) {
  std::string bytes(8, '\0');
  llvm::support::endian::write64le(bytes.data(), header.size());
  return bytes + header + std::string(dataSize, '\1');
}

std::vector<StoredTensor> parse(const std::string &bytes) {
  Refusal refuse;
  auto tensors = parseSafetensors(bytes, bytes.size(), "f", refuse);
  EXPECT_EQ(refuse.str(), "");
  return tensors.value_or(std::vector<StoredTensor>());
}

/// Why `bytes` are refused.
std::string reason(const std::string &bytes) {
  Refusal refuse;
  auto tensors = parseSafetensors(bytes, bytes.size(), "f", refuse);
  EXPECT_EQ(tensors.has_value(), refuse.str().empty());
  return refuse.str();
}

std::string reason(const std::string &header, size_t dataSize) { return reason(file(header, dataSize)); }

std::string tensor(const std::string &dtype, const std::string &shape, const std::string &offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

TEST(Safetensors, TensorsInTheOrderOfTheirBytes) {
  std::string header = R"({"__metadata__":{"format":"pt"},"b":)" + tensor("BF16", "[2,3]", "[4,16]") + R"(,"a":)" +
                       tensor("F32", "[]", "[0,4]") + R"(,"empty":)" + tensor("I8", "[0,7]", "[4,4]") + "}   ";
  std::vector<StoredTensor> tensors = parse(file(header, 16));
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_TRUE(tensors[0].shape.empty());
  EXPECT_EQ(tensors[0].offset, 8 + header.size());
  EXPECT_EQ(tensors[1].name, "empty");
  EXPECT_EQ(tensors[2].name, "b");
  EXPECT_EQ(tensors[2].dtype, "BF16");
  EXPECT_EQ(tensors[2].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensors[2].offset, 8 + header.size() + 4);
  EXPECT_EQ(tensors[2].length, 12u);
}

TEST(Safetensors, OfTheFileOnlyTheHeaderIsNeeded) {
  std::string bytes = file(R"({"a":)" + tensor("U8", "[1099511627776]", "[0,1099511627776]") + "}", 0);
  Refusal refuse;
  EXPECT_TRUE(parseSafetensors(bytes, bytes.size() + (uint64_t(1) << 40), "f", refuse));
}

TEST(Safetensors, LengthOfTheHeader) {
  EXPECT_EQ(reason(""), "f: 0 bytes are no .safetensors file");
  EXPECT_EQ(reason(std::string(7, '\0')), "f: 7 bytes are no .safetensors file");
  for (uint64_t length : {uint64_t(3), uint64_t(1) << 60, ~uint64_t(0), ~uint64_t(0) - 7}) {
    std::string bytes(8, '\0');
    llvm::support::endian::write64le(bytes.data(), length);
    EXPECT_NE(reason(bytes + "{}").find("is longer than the file"), std::string::npos) << length;
  }
  EXPECT_EQ(reason("", 0), "f: its header is not a JSON object");
}

TEST(Safetensors, WhatIsNotJson) {
  EXPECT_EQ(reason(" {}", 0), "f: its header is not a JSON object");
  EXPECT_EQ(reason("[]", 0), "f: its header is not a JSON object");
  EXPECT_NE(reason("{\"a\"", 0).find("f: not JSON: "), std::string::npos);
  EXPECT_NE(reason("{\"a\xff\":1}", 0).find("f: not JSON: "), std::string::npos);
  EXPECT_NE(reason("{}{}", 0).find("f: not JSON: "), std::string::npos);
  EXPECT_NE(reason("{}" + std::string(3, '\0'), 0).find("f: not JSON: "), std::string::npos);
  std::string deep = "{\"a\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}";
  EXPECT_EQ(reason(deep, 0), "f: nested deeper than 32 levels");
}

TEST(Safetensors, KeysGivenTwice) {
  std::string one = tensor("U8", "[4]", "[0,4]");
  EXPECT_EQ(reason(R"({"a":)" + one + R"(,"a":)" + one + "}", 4), "f: key 'a' is given twice");
  EXPECT_EQ(reason(R"({"a":)" + one + R"(,"\u0061":)" + one + "}", 4), "f: key 'a' is given twice");
  EXPECT_EQ(reason(R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4),
            "f: key 'dtype' is given twice");
}

TEST(Safetensors, EntriesThatAreNoTensors) {
  EXPECT_EQ(reason(R"({"a":7})", 4), "f: tensor 'a' has no dtype");
  EXPECT_EQ(reason(R"({"a":)" + tensor("U8", "4", "[0,4]") + "}", 4),
            "f: tensor 'a': its shape is not a list of sizes");
  EXPECT_EQ(reason(R"({"a":)" + tensor("U8", "[-4]", "[0,4]") + "}", 4),
            "f: tensor 'a': its shape is not a list of sizes");
  EXPECT_EQ(reason(R"({"a":)" + tensor("U8", "[1.5]", "[0,4]") + "}", 4),
            "f: tensor 'a': its shape is not a list of sizes");
  EXPECT_EQ(reason(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}})", 4),
            "f: tensor 'a' has keys besides dtype, shape and data_offsets");
}

TEST(Safetensors, RangesOutsideOfTheData) {
  for (const char *offsets : {"[0,5]", "[4,0]", "[-1,4]", "[0]", "[0,4,4]", "[0,18446744073709551615]",
                              "[0,9223372036854775807]", "[0,1e30]", "\"0\"", "[0,null]"})
    EXPECT_EQ(reason(R"({"a":)" + tensor("U8", "[4]", offsets) + "}", 4),
              "f: tensor 'a': its data_offsets are not a range in the file's 4 bytes of data")
        << offsets;
}

TEST(Safetensors, LengthsThatAreNotThoseOfTheShape) {
  EXPECT_EQ(reason(R"({"a":)" + tensor("F32", "[4]", "[0,4]") + "}", 4),
            "f: tensor 'a': 4 bytes are not those of its shape as F32");
  for (const char *shape : {"[4294967296,4294967296]", "[4611686018427387904,4]", "[9223372036854775807,3,0]"})
    EXPECT_EQ(reason(R"({"a":)" + tensor("U8", shape, "[0,0]") + "}", 0),
              "f: tensor 'a': 0 bytes are not those of its shape as U8");
}

TEST(Safetensors, HolesAndOverlaps) {
  auto two = [](const std::string &a, const std::string &b) { return R"({"a":)" + a + R"(,"b":)" + b + "}"; };
  EXPECT_EQ(reason(two(tensor("U8", "[4]", "[0,4]"), tensor("U8", "[4]", "[2,6]")), 6),
            "f: tensor 'b' begins at byte 2 of the data, where byte 4 is next: tensors overlap");
  EXPECT_EQ(reason(two(tensor("U8", "[4]", "[0,4]"), tensor("U8", "[4]", "[0,4]")), 4),
            "f: tensor 'b' begins at byte 0 of the data, where byte 4 is next: tensors overlap");
  EXPECT_EQ(reason(two(tensor("U8", "[4]", "[0,4]"), tensor("U8", "[2]", "[6,8]")), 8),
            "f: tensor 'b' begins at byte 6 of the data, where byte 4 is next: there is a hole");
  EXPECT_EQ(reason(two(tensor("U8", "[4]", "[0,4]"), tensor("U8", "[2]", "[4,6]")), 8),
            "f: its tensors end at byte 6 of 8 bytes of data");
  EXPECT_EQ(reason("{}", 1), "f: its tensors end at byte 0 of 1 bytes of data");
}

TEST(Safetensors, UnknownDtypesMayStandInAFile) {
  std::vector<StoredTensor> tensors = parse(file(R"({"a":)" + tensor("F4", "[8]", "[0,4]") + "}", 4));
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].dtype, "F4");
}

TEST(Safetensors, NamesAreShownSafely) {
  EXPECT_EQ(quote("a\n\x1b[31m"), "'a\\0A\\1B[31m'");
  EXPECT_EQ(quote(std::string(1000, 'a')).size(), 205u);
}

} // namespace
