//===- Dot.h - Products by instructions that add four byte products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// vpdpbusd, sdot and their like add four products of bytes to each int32 lane. A
// tile of the packed layout is made for them: dword r of its 64 bytes holds row r,
// and two bits of each byte of the dword are four columns, one plane of four. Codes
// are trits plus one, so that each form starts its sums at minus the sum of the
// activations.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_KERNELS_DOT_H
#define SETUN_TARGET_KERNELS_DOT_H

#include "setun/Target/Kernels/Kernels.h"

#include <array>
#include <functional>

namespace setun {

/// One machine's instruction: `lanes` sums of int32, each of four codes times four activations.
struct DotInstruction {
  int64_t lanes;     // int32 sums of a register: 4, 8 or 16
  int64_t registers; // vector registers of that size
  /// Codes may be up to 255 (u8 x s8), so that the plane at bits 7:6 stays where it is; else (s8 x s8) it is shifted.
  bool unsignedCodes;
  /// One load gives the activations of all four planes (an operand can be one dword of a vector), not one each.
  bool byElement = false;
  /// acc + dot, i32s(lanes); codes and activations are i8s(4 * lanes).
  std::function<Value(KernelBuilder &, Value acc, Value codes, Value activations)> dot;
  /// The activations of 16 columns from element `at` of the flat buffer `x` on, as four vectors i8s(4 * lanes): vector
  /// p holds columns 4 p .. 4 p + 3 in every dword.
  std::function<std::array<Value, 4>(KernelBuilder &, Value x, Value at)> columns;
};

/// `tokens` tokens from `from` on, in one pass over the weights: codes stay where they lie in their byte, planes are
/// masked in place and summed apart, scaled by 1, 4, 16 and 64, as far as registers reach. Few tokens: all sums are in
/// registers.
void emitDotDecode(KernelBuilder &b, const Product &p, Value from, int64_t tokens, const DotInstruction &dot);

/// Tokens [from, to), any number: the codes of some rows are unpacked once into L1 and multiplied in register tiles of
/// rows x tokens.
void emitDotTile(KernelBuilder &b, const Product &p, Value from, Value to, const DotInstruction &dot);

} // namespace setun

#endif // SETUN_TARGET_KERNELS_DOT_H
