/*===- half.c - Short floats ---------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Conversions round to nearest, ties to even, and keep NaN a NaN. */

#include "Half.h"
#include <string.h>

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t setun_f32_to_bf16(float value) {
  uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float setun_bf16_to_f32(uint16_t bits) { return float_of((uint32_t)bits << 16); }

uint16_t setun_f32_to_f16(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) /* rounds to 65536 or more */
    return (uint16_t)(sign | 0x7c00);
  if (magnitude >= 0x38800000) { /* normal: drop 13 bits, move the exponent's bias from 127 to 15 */
    uint32_t rebiased = magnitude - 0x38000000;
    return (uint16_t)(sign | (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13);
  }
  /* Subnormal, in units of 2^-24: adding 0.5 lets the addition round for us. */
  return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000));
}

float setun_f16_to_f32(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00)
    return float_of(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400)
    return float_of(sign | ((magnitude << 13) + 0x38000000));
  float value = (float)magnitude * 0x1p-24f;
  return sign ? -value : value;
}

bool setun_widen(setun_dtype dtype, const void *data, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i) {
    switch (dtype) {
    case SETUN_F32:
      out[i] = ((const float *)data)[i];
      break;
    case SETUN_F64:
      out[i] = (float)((const double *)data)[i];
      break;
    case SETUN_F16:
      out[i] = setun_f16_to_f32(((const uint16_t *)data)[i]);
      break;
    case SETUN_BF16:
      out[i] = setun_bf16_to_f32(((const uint16_t *)data)[i]);
      break;
    default:
      return false;
    }
  }
  return true;
}
