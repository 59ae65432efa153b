//===- Numbers.cpp - What rewritten kernels call of the host -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conversions that LLVM leaves to a compiler's library where the processor has no
// instruction, the C library's functions, and a few instructions of PTX.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>

using namespace setun::nvptx::emulator;

float setun::nvptx::emulator::halfToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 0) { // zero or subnormal: fraction * 2^-24
    float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  uint32_t wide = sign | (exponent == 31 ? 0xff : exponent + 112) << 23 | fraction << 13;
  return llvm::bit_cast<float>(wide);
}

uint16_t setun::nvptx::emulator::floatToHalf(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return sign | 0x7e00;
  if (rest >= 0x477ff000) // 65520 and more
    return sign | 0x7c00;
  if (rest < 0x38800000) // below 2^-14: a multiple of 2^-24
    return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(std::fabs(value), 24)));
  uint32_t rounded = rest + 0xfff + (rest >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

static uint16_t floatToBFloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// PTX's prmt with the mode as Rewriter numbers them.
static uint32_t permute(uint32_t a, uint32_t b, uint32_t selector, uint32_t mode) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0, s = selector & 3;
  for (uint32_t i = 0; i < 4; ++i) {
    uint32_t index = 0;
    switch (mode) {
    case 0:
      index = selector >> 4 * i & 15;
      break;
    case 1:
      index = s + i;
      break;
    case 2:
      index = (s - i) & 7;
      break;
    case 3:
      index = s;
      break;
    case 4:
      index = std::max(s, i);
      break;
    case 5:
      index = std::min(s, i);
      break;
    default:
      index = (s & 1) * 2 + (i & 1);
    }
    uint32_t byte = bytes >> 8 * (index & 7) & 255;
    if (mode == 0 && index & 8)
      byte = byte & 128 ? 255 : 0;
    result |= byte << 8 * i;
  }
  return result;
}

/// bmsk (kind 0), zext (1) and sext (2) of `bits` low bits; `wraps`: modulo 32 instead of at most 32.
static uint32_t bitField(uint32_t a, uint32_t b, uint32_t kind, uint32_t wraps) {
  uint32_t count = wraps ? b & 31 : std::min(b, 32u);
  uint64_t ones = (uint64_t(1) << count) - 1;
  if (kind == 0) {
    uint32_t start = wraps ? a & 31 : a;
    return start >= 32 ? 0 : static_cast<uint32_t>(ones << start);
  }
  if (count == 0)
    return 0;
  uint32_t value = a & static_cast<uint32_t>(ones);
  return kind == 2 && count < 32 && (value >> (count - 1) & 1) ? value | ~static_cast<uint32_t>(ones) : value;
}

// LLVM passes and returns half and bfloat as the language's types of that format are.
using Half = _Float16;
static Half truncateToHalf(float value) { return llvm::bit_cast<Half>(floatToHalf(value)); }
static float extendHalf(Half value) { return halfToFloat(llvm::bit_cast<uint16_t>(value)); }
#if defined(__BF16_MAX__) || defined(__clang__)
static __bf16 truncateToBFloat(float value) { return llvm::bit_cast<__bf16>(floatToBFloat(value)); }
#endif

std::vector<std::pair<llvm::StringRef, void *>> setun::nvptx::emulator::getHostFunctions() {
  using F1 = float (*)(float);
  using F2 = float (*)(float, float);
  using D1 = double (*)(double);
  auto address = [](auto function) { return reinterpret_cast<void *>(function); };
  return {
      {"setunEmulatorPermute", address(permute)},
      {"setunEmulatorBitField", address(bitField)},
      {"__truncsfhf2", address(truncateToHalf)},
      {"__gnu_f2h_ieee", address(floatToHalf)},
      {"__extendhfsf2", address(extendHalf)},
      {"__gnu_h2f_ieee", address(halfToFloat)},
#if defined(__BF16_MAX__) || defined(__clang__)
      {"__truncsfbf2", address(truncateToBFloat)},
#endif
      {"memcpy", address(&std::memcpy)},
      {"memmove", address(&std::memmove)},
      {"memset", address(&std::memset)},
      {"exp2f", address(static_cast<F1>(std::exp2))},
      {"exp2", address(static_cast<D1>(std::exp2))},
      {"expf", address(static_cast<F1>(std::exp))},
      {"exp", address(static_cast<D1>(std::exp))},
      {"log2f", address(static_cast<F1>(std::log2))},
      {"logf", address(static_cast<F1>(std::log))},
      {"log", address(static_cast<D1>(std::log))},
      {"sinf", address(static_cast<F1>(std::sin))},
      {"cosf", address(static_cast<F1>(std::cos))},
      {"tanhf", address(static_cast<F1>(std::tanh))},
      {"powf", address(static_cast<F2>(std::pow))},
      {"fmodf", address(static_cast<F2>(std::fmod))},
      {"fmaf", address(static_cast<float (*)(float, float, float)>(std::fma))},
      {"fma", address(static_cast<double (*)(double, double, double)>(std::fma))},
      {"fmaxf", address(static_cast<F2>(std::fmax))},
      {"fminf", address(static_cast<F2>(std::fmin))},
      {"floorf", address(static_cast<F1>(std::floor))},
      {"ceilf", address(static_cast<F1>(std::ceil))},
      {"truncf", address(static_cast<F1>(std::trunc))},
      {"rintf", address(static_cast<F1>(std::rint))},
      {"roundf", address(static_cast<F1>(std::round))},
      {"roundevenf", address(static_cast<F1>(std::nearbyint))}, // in the mode that all of the project runs in
      {"roundeven", address(static_cast<D1>(std::nearbyint))},
      {"nearbyintf", address(static_cast<F1>(std::nearbyint))},
  };
}
