//===- AArch64Target.cpp - NEON, dot products, matrix products -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Instructions a multiply-add are those of the loops as compiled (a test counts
// them); multiply-adds a nanosecond are llvm-mca's for the processor named beside
// them. docs/targets/aarch64.md has the tables; nothing was measured on a core.
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

#include "setun-rt/abi.h"
#include "setun/Target/Kernels/KernelLevel.h"

using namespace mlir;
using namespace setun;
using namespace setun::aarch64;

static constexpr int64_t kFew = 6; // tokens: for more of them additions go by tables of four activations

static Value isAtMost(KernelBuilder &b, Value count, int64_t most) {
  return b.cmp(arith::CmpIPredicate::sle, count, b.index(most));
}

namespace {

class AArch64Level : public KernelLevel {
public:
  using KernelLevel::KernelLevel;

  /// One row tile a step first: its 64 bytes are what fits in the registers of a step.
  std::vector<PackedLayout> getLayouts(const ProductShape &) const override {
    return {Product::getLayout(1), Product::getLayout(2), Product::getLayout(4)};
  }

protected:
  /// As the oldest, of 2016, would do the additions: Cortex-A72 at 1.5 GHz.
  static constexpr AddSubRates kRates{5, 12, 20, 29, 1.5};

  ProductForm getAdditions(const ProductShape &shape, int64_t tokens) const {
    if (tokens <= kFew && !isColumnProduct(shape))
      return {"table look-up, 16 rows x 2 tokens", false, tokens == 1 ? 0.22 : 0.2, 9};
    return getAddSubForm(getInfo(), shape, tokens, kRates);
  }

  /// Whole blocks of 32 tokens by tables, the rest by smaller ones or, if they are few, by `few`.
  void emitAdditions(KernelBuilder &b, const Product &p,
                     function_ref<void(KernelBuilder &, const Product &, Value, Value)> few = emitLookup) const {
    if (p.scales || isa<FloatType>(p.activation))
      return emitColumnAdd(b, p, b.index(0), p.m);
    unsigned bits = getInfo().vectorBits;
    Value whole = b.min(b.shl(b.shr(b.add(p.m, 15), 5), 5), p.m), rest = b.sub(p.m, whole);
    auto more = [&](Value count, int64_t than) { return b.cmp(arith::CmpIPredicate::sgt, count, b.index(than)); };
    b.branch(more(whole, 0), [&] { emitTableAdd(b, p, b.index(0), whole, 32, bits); });
    b.branch(
        more(rest, 8), [&] { emitTableAdd(b, p, whole, p.m, 16, bits); },
        [&] {
          b.branch(
              more(rest, kFew), [&] { emitTableAdd(b, p, whole, p.m, 8, bits); },
              [&] { b.branch(more(rest, 0), [&] { few(b, p, whole, p.m); }); });
        });
  }
};

/// Any ARMv8-A processor.
class NeonLevel final : public AArch64Level {
public:
  explicit NeonLevel(const Target &target) : AArch64Level(target, makeInfo()) {}

private:
  static LevelInfo makeInfo() {
    LevelInfo info;
    info.name = "neon";
    info.summary = "any ARMv8-A processor: Cortex-A53, A57, A72";
    info.cpu = "generic";
    info.products = {"smlal"};
    info.convertsHalf = true;
    info.memoryGBs = 4;
    return info;
  }

  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &,
                      Products products) const override {
    if (products == Products::AddSub || isColumnProduct(shape) || tokens > 1)
      return getAdditions(shape, tokens);
    return {"smlal, streamed", true, 15.5 / 64, 12};
  }

  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override {
    if (products == Products::AddSub)
      return emitAdditions(b, p);
    emitAdditions(b, p, [](KernelBuilder &b, const Product &p, Value from, Value to) {
      b.branch(
          b.equals(b.sub(to, from), 1), [&] { emitSmlalDecode(b, p, from, to); }, [&] { emitLookup(b, p, from, to); });
    });
  }
};

/// sdot, and smmla where there is one.
class DotLevel final : public AArch64Level {
public:
  DotLevel(const Target &target, bool pairs) : AArch64Level(target, makeInfo(pairs)), pairs(pairs) {}

private:
  int64_t mostStreamed() const { return pairs ? 4 : 8; } // more operands of smmla do not fit in registers

  static LevelInfo makeInfo(bool pairs) {
    LevelInfo info;
    info.name = pairs ? "i8mm" : "dotprod";
    info.summary = pairs ? "ARMv8.6-A: Neoverse V1 and later, Apple M2, Cortex-A710"
                         : "ARMv8.2-A with dot products: Cortex-A55, A76, Neoverse N1, Apple M1";
    info.cpu = "generic";
    info.features = pairs ? "+dotprod,+i8mm" : "+dotprod";
    info.needs = {"dotprod"};
    info.runtimeFeatures = SETUN_ARM_DOTPROD;
    info.products = {"sdot"};
    info.convertsHalf = true;
    info.memoryGBs = 12;
    if (pairs) {
      info.needs.push_back("i8mm");
      info.runtimeFeatures |= SETUN_ARM_I8MM;
      info.products.push_back("smmla");
      info.l1Bytes = 64 << 10;
      info.memoryGBs = 20;
    }
    return info;
  }

  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &,
                      Products products) const override {
    if (products == Products::AddSub || isColumnProduct(shape))
      return getAdditions(shape, tokens);
    if (tokens == 1)
      return {"sdot, streamed", true, 9.2 / 64, pairs ? 80.0 : 40.0};
    if (tokens > mostStreamed())
      return {pairs ? "smmla, 8 rows x 8 tokens" : "sdot, 8 rows x 8 tokens", true, pairs ? 0.045 : 0.077,
              pairs ? 200.0 : 75.0, 4};
    return {pairs ? "smmla, streamed" : "sdot, streamed", true, pairs ? 0.09 : 0.11, pairs ? 110.0 : 50.0, 2};
  }

  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override {
    if (products == Products::AddSub || p.scales || isa<FloatType>(p.activation))
      return emitAdditions(b, p);
    Value zero = b.index(0);
    auto stream = [&](auto &self, int64_t count) -> void {
      if (count > mostStreamed())
        return emitDotTile(b, p, zero, p.m, pairs);
      b.branch(
          isAtMost(b, p.m, count), [&] { emitDotStream(b, p, zero, p.m, count, pairs); },
          [&] { self(self, count == 1 ? 2 : count + 2); });
    };
    b.branch(b.cmp(arith::CmpIPredicate::sgt, p.m, zero), [&] { stream(stream, 1); });
  }

  bool pairs;
};

struct AArch64Target final : Target {
  AArch64Target() : Target("aarch64", "64-bit ARM processors, on Linux", "aarch64-unknown-linux-gnu") {
    levels.push_back(std::make_unique<DotLevel>(*this, true));
    levels.push_back(std::make_unique<DotLevel>(*this, false));
    levels.push_back(std::make_unique<NeonLevel>(*this));
  }
  void populateEmulation(RewritePatternSet &patterns) const override { aarch64::populateEmulation(patterns); }
};

} // namespace

namespace setun {
std::unique_ptr<Target> createAArch64Target() { return std::make_unique<AArch64Target>(); }
} // namespace setun
