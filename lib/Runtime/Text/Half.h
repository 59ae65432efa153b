/*===- Half.h - Short floats -------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#ifndef SETUN_RT_TEXT_HALF_H
#define SETUN_RT_TEXT_HALF_H

#include "setun-rt/setun.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

uint16_t setun_f32_to_f16(float value);
uint16_t setun_f32_to_bf16(float value);
float setun_f16_to_f32(uint16_t bits);
float setun_bf16_to_f32(uint16_t bits);
/* Elements of a float type as f32; false when the type is none. */
bool setun_widen(setun_dtype dtype, const void *data, int64_t count, float *out);

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_TEXT_HALF_H */
