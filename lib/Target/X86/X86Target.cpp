//===- X86Target.cpp - x86-64 and its levels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Madd.h"
#include "Vnni.h"

#include "setun-rt/abi.h"
#include "setun/Target/Kernels/KernelLevel.h"

using namespace mlir;
using namespace setun;

/// Additions alone: any x86-64 processor.
static std::unique_ptr<TargetLevel> createBaselineLevel(const Target &target) {
  LevelInfo info;
  info.name = "baseline";
  info.summary = "any x86-64 processor: additions in SSE2 registers";
  info.cpu = "x86-64";
  return std::make_unique<AddSubLevel>(target, std::move(info), AddSubRates{13, 143, 160, 168, 5});
}

namespace {

/// AVX2: pmaddubsw for few tokens; for many, adding table entries beats it.
class Avx2Level final : public KernelLevel {
public:
  explicit Avx2Level(const Target &target) : KernelLevel(target, makeInfo()) {}

private:
  static constexpr int64_t kTableFrom = 23; // tokens from which 32 lanes, some idle, beat the multiplying tile
  static bool isTable16(int64_t tokens) { return tokens > 12 && tokens <= 16; }

  static LevelInfo makeInfo() {
    LevelInfo info;
    info.name = "avx2";
    info.summary = "x86-64-v3: Haswell, Zen and later";
    info.cpu = "x86-64-v3";
    info.needs = {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"};
    info.runtimeFeatures = SETUN_X86_AVX2;
    info.products = {"vpmaddubsw", "vpmaddwd"};
    info.vectorBits = 256;
    info.convertsHalf = true;
    return info;
  }

  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &layout,
                      Products products) const override {
    if (products == Products::AddSub || isColumnProduct(shape) || tokens >= kTableFrom || isTable16(tokens % 32))
      return getAddSubForm(getInfo(), shape, tokens, AddSubRates{24, 109, 195, 220, 10});
    // 13 operations on a vector of 128 codes, and a step's broadcasts, address and loop over its vectors.
    if (tokens == 1)
      return {"pmaddubsw, streamed", true, (13 + 6.0 / (2 * layout.interleave)) / 128, 107};
    return {"pmaddubsw, 16 rows x 6 tokens", true, tokens < 4 ? 0.06 : 0.04, tokens < 4 ? 100.0 : 140.0};
  }

  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override {
    if (products == Products::AddSub || p.scales || isa<FloatType>(p.activation))
      return emitAddSubProduct(b, p, getInfo().vectorBits);
    auto more = [&](Value count, int64_t than) { return b.cmp(arith::CmpIPredicate::sgt, count, b.index(than)); };
    Value whole = b.shl(b.shr(b.add(p.m, 32 - kTableFrom), 5), 5), wide = b.min(whole, p.m), rest = b.sub(p.m, wide);
    b.branch(more(wide, 0), [&] { emitTableAdd(b, p, b.index(0), wide, 32, getInfo().vectorBits); });
    Value table = b.createOrFold<arith::AndIOp>(more(rest, 12), b.cmp(arith::CmpIPredicate::sle, rest, b.index(16)));
    b.branch(
        table, [&] { emitTableAdd(b, p, wide, p.m, 16, getInfo().vectorBits); },
        [&] {
          b.branch(
              more(rest, 1), [&] { x86::emitMaddTile(b, p, wide, p.m); },
              [&] { b.branch(more(rest, 0), [&] { x86::emitMaddDecode(b, p, wide, p.m); }); });
        });
  }
};

struct X86Target final : Target {
  X86Target() : Target("x86-64", "x86-64 processors, on Linux", "x86_64-unknown-linux-gnu") {
    levels.push_back(x86::createAvx512VnniLevel(*this));
    levels.push_back(x86::createAvxVnniLevel(*this));
    levels.push_back(std::make_unique<Avx2Level>(*this));
    levels.push_back(createBaselineLevel(*this));
  }
  void populateEmulation(RewritePatternSet &patterns) const override { x86::populateEmulation(patterns); }
};

} // namespace

namespace setun {
std::unique_ptr<Target> createX86Target() { return std::make_unique<X86Target>(); }
} // namespace setun
