//===- VnniLevels.cpp - x86-64 levels with vpdpbusd -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Vnni.h"

#include "setun-rt/abi.h"
#include "setun/Target/Kernels/KernelLevel.h"

#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace setun;

namespace {

class VnniLevel final : public KernelLevel {
public:
  VnniLevel(const Target &target, LevelInfo info)
      : KernelLevel(target, std::move(info)), instruction(getInfo().vectorBits) {}

private:
  x86::Vpdpbusd instruction;

  /// Tokens that are done in one pass over the weights; more go in register tiles.
  int64_t mostStreamed() const { return instruction.lanes == 16 ? 5 : 2; }

  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &layout,
                      Products products) const override {
    bool wide = instruction.lanes == 16;
    if (products == Products::AddSub || isColumnProduct(shape))
      return getAddSubForm(getInfo(), shape, tokens,
                           wide ? AddSubRates{44, 109, 190, 270, 12} : AddSubRates{24, 109, 195, 220, 10});
    // Masks and vpdpbusd of 512 bits take the same ports: one mask for all tokens of a block. With 256 bits they do
    // not.
    const int64_t blocks = llvm::divideCeil(tokens, instruction.kBlockTokens);
    const double block = double(tokens) / blocks, wideRate = 465 * block / (block + 1);
    // Instructions of the inner loops, as test/Target/x86-loops.test counts them: masks and shifts, vpdpbusd, loads,
    // broadcasts and prefetches, and three to steer.
    if (tokens <= mostStreamed()) {
      const int64_t vectors = 64 * layout.interleave / instruction.bytes();
      const int64_t scales = instruction.streamedScales(tokens, vectors), unpack = scales == 4   ? 4
                                                                                   : scales == 2 ? 5
                                                                                                 : 7;
      const int64_t broadcasts = vectors == 1 ? 0 : 4 * tokens; // operands, if used once
      double step = vectors * (1 + unpack + 4 * tokens) + broadcasts + 2 * layout.interleave + (tokens == 1) + 3;
      double rate = tokens == 1 ? (wide ? 190 : 145) : wide ? wideRate : 190;
      return {"vpdpbusd, streamed", true, step / (256 * layout.interleave * tokens), rate};
    }
    const int64_t most = instruction.mostTokens();
    int64_t groups = block <= most || instruction.isWide(std::ceil(block))
                         ? 1
                         : llvm::divideCeil(std::ceil(block), instruction.mostOfSeveral());
    const double group = block / groups;
    const int64_t vectors = group > most ? 1 : 2; // of one, broadcasts are operands
    double plane = vectors * (1 + group) + (vectors == 1 ? 1.5 : group + 3);
    return {("vpdpbusd, " + llvm::Twine(vectors * instruction.lanes) + " rows x " +
             llvm::Twine(static_cast<int64_t>(std::ceil(group))) + " tokens")
                .str(),
            true, plane / (vectors * instruction.bytes() * group),
            wide        ? wideRate
            : group > 4 ? 225
                        : 190};
  }

  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override {
    if (products == Products::AddSub || p.scales || isa<FloatType>(p.activation))
      return emitAddSubProduct(b, p, getInfo().vectorBits);
    for (int64_t tokens = 1; tokens <= mostStreamed(); ++tokens)
      b.branch(b.equals(p.m, tokens), [&] { x86::emitVnniDecode(b, p, b.index(0), tokens, instruction); });
    b.branch(b.cmp(arith::CmpIPredicate::sgt, p.m, b.index(mostStreamed())),
             [&] { x86::emitVnniTile(b, p, b.index(0), p.m, mostStreamed() + 1, instruction); });
  }
};

} // namespace

std::unique_ptr<TargetLevel> x86::createAvxVnniLevel(const Target &target) {
  LevelInfo info;
  info.name = "avx-vnni";
  info.summary = "AVX-VNNI: Alder Lake and later, where AVX-512 is missing";
  info.cpu = "x86-64-v3";
  info.features = "+avxvnni";
  info.needs = {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe", "avxvnni"};
  info.runtimeFeatures = SETUN_X86_AVX2 | SETUN_X86_AVXVNNI;
  info.products = {"vpdpbusd"};
  info.vectorBits = 256;
  info.convertsHalf = true;
  return std::make_unique<VnniLevel>(target, std::move(info));
}

std::unique_ptr<TargetLevel> x86::createAvx512VnniLevel(const Target &target) {
  LevelInfo info;
  info.name = "avx512-vnni";
  info.summary = "AVX-512 with VNNI: Cascade Lake, Ice Lake, Zen 4 and later";
  info.cpu = "x86-64-v4";
  info.features = "+avx512vnni,-prefer-256-bit";
  info.needs = {"avx2",    "fma",      "bmi",      "bmi2",     "f16c",     "lzcnt",     "movbe",
                "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vnni"};
  info.runtimeFeatures = SETUN_X86_AVX2 | SETUN_X86_AVX512VNNI;
  info.products = {"vpdpbusd"};
  info.vectorBits = 512;
  info.convertsHalf = true;
  return std::make_unique<VnniLevel>(target, std::move(info));
}
