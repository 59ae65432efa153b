//===- Vnni.h - Products by vpdpbusd -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// vpdpbusd adds four products of unsigned and signed bytes to each int32 lane. The
// packed layout is made for it: dword r of a tile's 64 bytes holds row r, and two
// bits of each byte of the dword are four columns, one plane of four. Codes are trits
// plus one, so that sums start at minus the sum of the activations.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_X86_VNNI_H
#define SETUN_LIB_TARGET_X86_VNNI_H

#include "setun/Target/Kernels/Kernels.h"
#include "setun/Target/Target.h"

namespace setun::x86 {

/// vpdpbusd in registers of 256 or 512 bits.
struct Vpdpbusd {
  int64_t lanes;     // rows of a register: 8 or 16
  int64_t registers; // how many there are

  explicit Vpdpbusd(unsigned vectorBits) : lanes(vectorBits / 32), registers(vectorBits == 512 ? 32 : 16) {}
  int64_t bytes() const { return 4 * lanes; }
  /// Tokens of a register tile: two vectors of sums each, and codes, mask and activations fill the registers.
  int64_t mostTokens() const { return (registers - 4) / 2; }
  /// As many tokens, more than that, are done by a tile of one vector of rows, which holds up to kMostWide of them: one
  /// mask for all, where they would otherwise go in groups of ten or less. It needs 32 registers.
  bool isWide(int64_t tokens) const {
    return registers == 32 && tokens > mostTokens() && (tokens <= 20 || (tokens > 26 && tokens <= kMostWide));
  }
  static constexpr int64_t kMostWide = 28;
  /// Tokens of one of several groups, and of all of them. Where a group leaves its masked codes for others, those that
  /// fill all registers are slower.
  int64_t mostOfSeveral() const { return registers == 32 ? 13 : mostTokens(); }
  static constexpr int64_t kBlockTokens = 64;
  /// Sums for each row and token where weights are streamed in `vectors` vectors a step: four, two or one, so that
  /// they, masks, codes, a masked plane and activations fit in registers.
  int64_t streamedScales(int64_t tokens, int64_t vectors) const {
    int64_t scales = 4, left = registers - 2 - (tokens == 1 ? 4 : vectors);
    while (scales > 1 && tokens * vectors * scales + scales > left)
      scales /= 2;
    return scales;
  }
  /// sums + codes times activations; both are i8s(bytes()).
  Value dot(KernelBuilder &b, Value sums, Value codes, Value activations) const;
};

/// `tokens` tokens from `from` on, few, in one pass over the weights: all sums are in registers.
void emitVnniDecode(KernelBuilder &b, const Product &p, Value from, int64_t tokens, const Vpdpbusd &instruction);

/// Tokens [from, to), any number, at least `least`: register tiles of rows x tokens.
void emitVnniTile(KernelBuilder &b, const Product &p, Value from, Value to, int64_t least, const Vpdpbusd &instruction);

std::unique_ptr<TargetLevel> createAvxVnniLevel(const Target &target);
std::unique_ptr<TargetLevel> createAvx512VnniLevel(const Target &target);

} // namespace setun::x86

#endif // SETUN_LIB_TARGET_X86_VNNI_H
