//===- TernaryRows.cpp - Rows of one magnitude, by their bits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The loops work on the bits of elements as they are stored, in pieces that a vector of the element's own width can
// count, so that the compiler makes them vector code.

#include "TernaryRows.h"

#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace setun;

/// As many as a byte can count.
static constexpr int64_t kPiece = 128;

template <typename T> static T loadAs(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

static double loadHalf(const char *data) {
  auto bits = loadAs<uint16_t>(data);
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude = exponent == 31  ? (fraction ? std::nan("") : INFINITY)
                     : exponent == 0 ? std::ldexp(fraction, -24)
                                     : std::ldexp(fraction + 1024, exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

double setun::loadElement(ElementKind kind, const char *data, int64_t index) {
  switch (kind) {
  case ElementKind::I8:
    return static_cast<int8_t>(data[index]);
  case ElementKind::F16:
    return loadHalf(data + 2 * index);
  case ElementKind::BF16:
    return llvm::bit_cast<float>(static_cast<uint32_t>(loadAs<uint16_t>(data + 2 * index)) << 16);
  case ElementKind::F32:
    return loadAs<float>(data + 4 * index);
  case ElementKind::F64:
    return loadAs<double>(data + 8 * index);
  }
  return 0;
}

size_t setun::getWidth(ElementKind kind) {
  switch (kind) {
  case ElementKind::I8:
    return 1;
  case ElementKind::F16:
  case ElementKind::BF16:
    return 2;
  case ElementKind::F32:
    return 4;
  case ElementKind::F64:
    return 8;
  }
  return 0;
}

/// Calls `body` with a zero of the unsigned type that is as wide as an element.
template <typename Body> static auto withBits(ElementKind kind, Body body) {
  switch (getWidth(kind)) {
  case 1:
    return body(uint8_t());
  case 2:
    return body(uint16_t());
  case 4:
    return body(uint32_t());
  default:
    return body(uint64_t());
  }
}

/// The bits of a magnitude: without the sign, or of an integer's absolute value.
template <bool isInteger, typename T> static T getMagnitude(T bits) {
  if constexpr (isInteger)
    return bits >> (8 * sizeof(T) - 1) ? T(-bits) : bits;
  return bits & T(T(-1) >> 1);
}

template <bool isInteger, typename T>
static std::optional<PlainRow> findPlain(ElementKind kind, const char *data, int64_t count) {
  auto magnitude = [&](int64_t i) { return getMagnitude<isInteger>(loadAs<T>(data + i * sizeof(T))); };
  int64_t first = 0;
  while (first < count && magnitude(first) == 0)
    ++first;
  if (first == count)
    return PlainRow{0, 0};
  T common = magnitude(first);
  double value = std::abs(loadElement(kind, data, first));
  if (!std::isfinite(value) || (isInteger && value != 1))
    return std::nullopt;
  PlainRow row{value, 0};
  for (int64_t begin = first; begin < count; begin += kPiece) {
    int64_t end = std::min(count, begin + kPiece);
    T nonZeros = 0, same = 0;
    for (int64_t i = begin; i < end; ++i) {
      T bits = magnitude(i);
      nonZeros += bits != 0;
      same += bits == common;
    }
    if (nonZeros != same)
      return std::nullopt;
    row.nonZeros += nonZeros;
  }
  return row;
}

std::optional<PlainRow> setun::findPlainRow(ElementKind kind, const char *data, int64_t count) {
  if (kind == ElementKind::I8)
    return findPlain<true, uint8_t>(kind, data, count);
  return withBits(kind, [&](auto bits) { return findPlain<false, decltype(bits)>(kind, data, count); });
}

void setun::packSigns(ElementKind kind, const char *data, int64_t count, uint8_t *bytes) {
  withBits(kind, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t begin = 0; begin < count; begin += kPiece) {
      int64_t length = std::min(count - begin, kPiece);
      uint8_t codes[kPiece];
      std::memset(codes, 1, kPiece);
      const char *piece = data + begin * sizeof(T);
      for (int64_t i = 0; i < length; ++i) {
        T bits = loadAs<T>(piece + i * sizeof(T)), isNegative = bits >> (8 * sizeof(T) - 1);
        T isZero = T(bits << 1) == 0 && (kind != ElementKind::I8 || bits == 0);
        codes[i] = static_cast<uint8_t>(isZero ? 1 : 2 - 2 * isNegative);
      }
      for (int64_t i = 0; i < (length + 3) / 4; ++i) {
        auto four = loadAs<uint32_t>(reinterpret_cast<const char *>(codes) + 4 * i);
        bytes[begin / 4 + i] = static_cast<uint8_t>(four | four >> 6 | four >> 12 | four >> 18);
      }
    }
  });
}
