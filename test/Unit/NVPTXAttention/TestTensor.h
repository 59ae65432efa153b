//===- TestTensor.h - Buffers of tests -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_UNIT_NVPTXATTENTION_TESTTENSOR_H
#define SETUN_TEST_UNIT_NVPTXATTENTION_TESTTENSOR_H

#include "DeviceHarness.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"

#include <cstring>
#include <random>

namespace setun::nvptx {

/// A buffer of floats, dense but for `gap` elements after each line and `offset` before the first.
struct Tensor {
  std::vector<char> bytes;
  TestArgument argument;
  std::string type; // "f32"

  int64_t elementBytes() const { return type == "f32" || type == "i32" ? 4 : type == "i64" ? 8 : type == "i1" ? 1 : 2; }
  Tensor(std::vector<int64_t> sizes, std::string type, int64_t offset = 0, int64_t gap = 0) : type(std::move(type)) {
    argument.sizes = sizes;
    argument.offset = offset;
    argument.strides.assign(sizes.size(), 1);
    for (int64_t i = int64_t(sizes.size()) - 2; i >= 0; --i)
      argument.strides[i] = argument.strides[i + 1] * sizes[i + 1] + (i + 2 == int64_t(sizes.size()) ? gap : 0);
    int64_t count = sizes.empty() ? 1 : sizes[0] * argument.strides[0];
    bytes.resize((offset + count) * elementBytes());
  }
  TestArgument view() {
    TestArgument result = argument;
    result.bytes = &bytes;
    return result;
  }
  /// Numbers of a normal distribution, in gaps as well.
  void fill(std::mt19937 &random) {
    std::normal_distribution<float> normal;
    for (size_t i = 0; i * elementBytes() < bytes.size(); ++i) {
      float value = normal(random);
      if (type == "f32") {
        std::memcpy(&bytes[4 * i], &value, 4);
        continue;
      }
      if (type == "i1") {
        bytes[i] = value > -0.5f;
        continue;
      }
      llvm::APFloat narrow(value);
      bool lost;
      narrow.convert(type == "f16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                     llvm::APFloat::rmNearestTiesToEven, &lost);
      uint16_t bits = narrow.bitcastToAPInt().getZExtValue();
      std::memcpy(&bytes[2 * i], &bits, 2);
    }
  }
  double at(size_t i) const {
    if (type == "f32") {
      float value;
      std::memcpy(&value, &bytes[4 * i], 4);
      return value;
    }
    uint16_t bits;
    std::memcpy(&bits, &bytes[2 * i], 2);
    return llvm::APFloat(type == "f16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(), llvm::APInt(16, bits))
        .convertToDouble();
  }
};

/// A memref type; with `strided`, of any strides but the last and any offset.
inline std::string bufferType(llvm::ArrayRef<int64_t> sizes, llvm::StringRef element, llvm::ArrayRef<int64_t> dynamic,
                              bool strided) {
  std::string text = "memref<";
  for (auto [i, size] : llvm::enumerate(sizes))
    text += (llvm::is_contained(dynamic, int64_t(i)) ? "?" : std::to_string(size)) + "x";
  text += element.str();
  if (strided) {
    text += ", strided<[";
    for (size_t i = 0; i + 1 < sizes.size(); ++i)
      text += "?, ";
    text += "1], offset: ?>";
  }
  return text + ">";
}

/// The error's text, "" without one.
inline std::string textOf(llvm::Error error) { return error ? toString(std::move(error)) : ""; }

} // namespace setun::nvptx

#endif // SETUN_TEST_UNIT_NVPTXATTENTION_TESTTENSOR_H
