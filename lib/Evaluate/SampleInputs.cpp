//===- SampleInputs.cpp - Random inputs and edge cases -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/SampleInputs.h"

#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace setun;

StringRef setun::getName(Sample sample) {
  switch (sample) {
  case Sample::Normal:
    return "random values";
  case Sample::Ranges:
    return "rows of different range";
  case Sample::Zeros:
    return "zeros";
  case Sample::Ties:
    return "ties at .5";
  case Sample::Huge:
    return "one huge value a row";
  case Sample::Denormal:
    return "denormals";
  }
  return "";
}

int64_t setun::getElementBytes(Type type) {
  return type.isIntOrFloat() ? llvm::divideCeil(type.getIntOrFloatBitWidth(), 8) : 0;
}

void setun::storeElement(Type type, double value, char *bytes) {
  uint64_t bits;
  if (auto floatType = dyn_cast<FloatType>(type)) {
    llvm::APFloat number(value);
    bool losesInfo;
    number.convert(floatType.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    bits = number.bitcastToAPInt().getZExtValue();
  } else {
    bits = type.isInteger(1) ? value != 0 : static_cast<uint64_t>(std::llrint(value));
  }
  std::memcpy(bytes, &bits, getElementBytes(type)); // the hosts we know are little-endian
}

double setun::loadElement(Type type, const char *bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, getElementBytes(type));
  unsigned width = type.getIntOrFloatBitWidth();
  if (auto floatType = dyn_cast<FloatType>(type)) {
    llvm::APFloat number(floatType.getFloatSemantics(), llvm::APInt(width, bits));
    bool losesInfo;
    number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return number.convertToDouble();
  }
  return static_cast<double>(
      llvm::APInt(width, width < 64 ? bits & ((uint64_t(1) << width) - 1) : bits).getSExtValue());
}

std::vector<char> setun::makeSample(RankedTensorType type, Sample sample, unsigned seed) {
  Type element = type.getElementType();
  int64_t count = type.getNumElements(), width = getElementBytes(element);
  int64_t row = type.getRank() ? std::max<int64_t>(type.getShape().back(), 1) : 1;
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> exponent(-3, 3);
  bool isHalf = element.isF16();
  double range = 1;
  std::vector<char> bytes(count * width);
  for (int64_t i = 0; i < count; ++i) {
    double value = normal(random);
    if (isa<IntegerType>(element)) {
      bool isIndex = width > 1;
      value = sample == Sample::Zeros ? 0 : isIndex ? random() % 2 : static_cast<int>(random() % 256) - 128;
    } else if (sample == Sample::Ranges) {
      if (i % row == 0)
        range = std::pow(10, exponent(random));
      value *= range;
    } else if (sample == Sample::Zeros) {
      value = i % 3 == 0 ? -0.0 : 0.0;
    } else if (sample == Sample::Ties) { // with 127 in the row, a scale of 127 / 127 leaves them ties
      value = i % row == 0 ? 127 : static_cast<int>(random() % 253) - 126 + 0.5;
    } else if (sample == Sample::Huge) { // its square is finite in f32
      value = i % row == row / 2 ? (isHalf ? 6.0e4 : 1.0e15) : value;
    } else if (sample == Sample::Denormal) {
      value *= isHalf ? 1e-6 : 1e-40;
    }
    storeElement(element, value, bytes.data() + i * width);
  }
  return bytes;
}
