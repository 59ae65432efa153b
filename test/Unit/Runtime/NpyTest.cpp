//===- NpyTest.cpp - Arrays in files -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Half.h"
#include "Main/Main.h"

#include "gtest/gtest.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <unistd.h>

namespace {

class Npy : public ::testing::Test {
protected:
  std::string path = ::testing::TempDir() + "setun-" + std::to_string(getpid()) + ".npy";
  setun_text error{};
  setun_array array{};
  void TearDown() override {
    std::free(array.data);
    std::remove(path.c_str());
  }
  int read(const std::string &bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    std::free(array.data);
    return setun_npy_read(path.c_str(), &array, &error);
  }
  static std::string file(const std::string &header, const std::string &data, char version = 1) {
    std::string bytes = std::string("\x93NUMPY") + version + '\0';
    bytes += static_cast<char>(header.size() & 255);
    bytes += static_cast<char>(header.size() >> 8);
    if (version > 1)
      bytes += std::string(2, '\0');
    return bytes + header + data;
  }
  /// The error for this header, without the file's name.
  std::string refusal(const std::string &bytes) {
    if (read(bytes) == 0)
      return "read";
    EXPECT_EQ(array.data, nullptr);
    std::string text = error.text;
    size_t at = text.find(path);
    return at == std::string::npos ? text : text.replace(at, path.size(), "F");
  }
};

TEST_F(Npy, ReadsAllVersions) {
  for (char version : {1, 2, 3}) {
    ASSERT_EQ(read(file("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), }  \n", std::string("\1\0\2\1", 4),
                        version)),
              0)
        << error.text;
    EXPECT_EQ(array.dtype, SETUN_I16);
    EXPECT_EQ(array.rank, 2u);
    EXPECT_EQ(array.dims[0], 2);
    EXPECT_EQ(static_cast<int16_t *>(array.data)[1], 258);
  }
  ASSERT_EQ(read(file("{\"shape\":(),\"descr\":\"|b1\",\"fortran_order\":False}", "\1")), 0) << error.text;
  EXPECT_EQ(array.rank, 0u);
  ASSERT_EQ(read(file("{'descr': '<u1', 'fortran_order': False, 'shape': (3,)}", "abcdef")), 0) << error.text;
  EXPECT_EQ(array.dims[0], 3);
  ASSERT_EQ(read(file("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0, 99999999999)}", "")), 0) << error.text;
  EXPECT_EQ(array.dims[2], 99999999999);
}

TEST_F(Npy, RefusesWhatIsHostile) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", data(8, 'x'),
                    bad = "'F': the .npy header is malformed";
  EXPECT_EQ(refusal(""), "'F' is not a .npy file");
  EXPECT_EQ(refusal("\x93NUMPX\1"), "'F' is not a .npy file");
  EXPECT_EQ(refusal(file(good, data, 9)), "'F': version 9 of the .npy format is not supported");
  EXPECT_EQ(refusal(file(good, data).substr(0, 20)), "'F' is truncated");
  EXPECT_EQ(refusal(file(good, "1234567")), "'F' is truncated: its header promises more data than the file holds");
  EXPECT_EQ(refusal(std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12)),
            "'F': a .npy header of 4294967295 bytes is too long");
  auto header = [&](const std::string &descr, const std::string &order, const std::string &shape) {
    return refusal(file("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}", data));
  };
  EXPECT_EQ(header("'<f4'", "False", "(2,)"), "read");
  EXPECT_EQ(header("'>f4'", "False", "(2,)"), "'F': big-endian data ('>f4') is not supported");
  EXPECT_EQ(header("'<c8'", "False", "(2,)"), "'F': elements of type '<c8' are not supported");
  EXPECT_EQ(header("'|O'", "False", "(2,)"), "'F': elements of type '|O' are not supported");
  EXPECT_EQ(header("''", "False", "(2,)"), "'F': elements of type '' are not supported");
  EXPECT_EQ(header("[('a', '<f4')]", "False", "(2,)"), "'F': elements of several fields are not supported");
  EXPECT_EQ(header("'<f4'", "True", "(2,)"),
            "'F': data in Fortran order is not supported (numpy.ascontiguousarray makes it C order)");
  EXPECT_EQ(header("'<f4'", "Maybe", "(2,)"), bad);
  EXPECT_EQ(header("'<f4'", "False", "(9223372036854775807, 2)"),
            "'F' is truncated: its header promises more data than the file holds");
  EXPECT_EQ(header("'<f4'", "False", "(4611686018427387904, 4)"),
            "'F' is truncated: its header promises more data than the file holds");
  for (const char *shape : {"(2)", "(-2,)", "(2,,)", "(2, 3", "2", "(99999999999999999999,)", "(2, 'x')", "((2,),)",
                            "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"})
    EXPECT_EQ(header("'<f4'", "False", shape), bad) << shape;
  for (std::string text :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}",
        "{'descr': '<f4' 'fortran_order': False}", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "{'descr"})
    EXPECT_EQ(refusal(file(text, data)), bad) << text;
  EXPECT_EQ(refusal(file(good + std::string("\0'", 2), data)), bad);
  // Every cut and every changed byte of a good file is read or refused, never more.
  const std::string whole = file(good, data);
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_NE(read(whole.substr(0, i)), 0) << i;
    for (char c : {'\0', '\xff', '9', '\'', '('}) {
      std::string changed = whole;
      changed[i] = c;
      (void)read(changed);
    }
  }
  std::free(array.data);
  EXPECT_NE(setun_npy_read("/", &array, &error), 0);
  EXPECT_STREQ(error.text, "cannot read '/': not a regular file");
}

TEST_F(Npy, WritesWhatItReads) {
  setun_npy_file npy;
  const uint16_t values[] = {0x3f80, 0xc000, 0x7f80};
  const int64_t dims[] = {3, 1};
  ASSERT_EQ(setun_npy_create(&npy, path.c_str(), &error), 0);
  ASSERT_EQ(setun_npy_append(&npy, SETUN_BF16, values, 3, &error), 0);
  ASSERT_EQ(setun_npy_finish(&npy, SETUN_BF16, dims, 2, &error), 0);
  EXPECT_NE(access(path.c_str(), F_OK), 0); // no name yet
  ASSERT_EQ(setun_npy_commit(&npy, &error), 0);
  setun_npy_close(&npy);
  ASSERT_EQ(setun_npy_read(path.c_str(), &array, &error), 0) << error.text;
  EXPECT_EQ(array.dtype, SETUN_F32);
  EXPECT_EQ(array.dims[0], 3);
  EXPECT_EQ(static_cast<float *>(array.data)[1], -2);

  ASSERT_EQ(setun_npy_create(&npy, path.c_str(), &error), 0);
  std::string temporary = npy.temporary;
  EXPECT_EQ(access(temporary.c_str(), F_OK), 0);
  setun_npy_close(&npy); // given up: the old file stays, the new one is gone
  EXPECT_NE(access(temporary.c_str(), F_OK), 0);
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST(Half, RoundsToEvenAndComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = setun_f16_to_f32(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(setun_f16_to_f32(setun_f32_to_f16(value))));
      continue;
    }
    ASSERT_EQ(setun_f32_to_f16(value), bits);
    // The middle between two neighbours goes to the even one, and its neighbours each to their side.
    if ((bits & 0x7fff) < 0x7bff) {
      float next = setun_f16_to_f32(static_cast<uint16_t>(bits + 1)), middle = (value + next) / 2;
      ASSERT_EQ(setun_f32_to_f16(middle), bits + (bits & 1)) << bits;
      ASSERT_EQ(setun_f32_to_f16(std::nextafterf(middle, value)), bits) << bits;
      ASSERT_EQ(setun_f32_to_f16(std::nextafterf(middle, next)), bits + 1) << bits;
    }
  }
  EXPECT_EQ(setun_f32_to_f16(65519.99f), 0x7bff);
  EXPECT_EQ(setun_f32_to_f16(65520), 0x7c00);
  EXPECT_EQ(setun_f32_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(setun_f32_to_bf16(1.00390625f), 0x3f80);
  EXPECT_EQ(setun_f32_to_bf16(1.01171875f), 0x3f82);
  EXPECT_EQ(setun_f32_to_bf16(3.4e38f), 0x7f80);
  EXPECT_TRUE(std::isnan(setun_bf16_to_f32(setun_f32_to_bf16(NAN))));
}

} // namespace
