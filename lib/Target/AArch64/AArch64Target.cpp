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

static constexpr int64_t kFew = 4; // tokens: for more of them additions go by tables of four activations

static Value isAtMost(KernelBuilder &b, Value count, int64_t most) {
  return b.cmp(arith::CmpIPredicate::sle, count, b.index(most));
}

namespace {

class AArch64Level : public KernelLevel {
protected:
  /// Multiply-adds a cycle of the inner loops, as llvm-mca has them for one processor, and its clock.
  struct Core {
    double gigahertz, stream, lookup, lookup2, table8, table16, table32, column;
  };

  AArch64Level(const Target &target, LevelInfo info, Core core) : KernelLevel(target, std::move(info)), core(core) {}

  /// A form from what 64 multiply-adds take in its inner loop and in all, and from the loop's rate.
  ProductForm makeForm(std::string name, bool multiplies, double inner, double all, double perCycle,
                       int64_t tokens = 1) const {
    return {std::move(name), multiplies, all / 64, perCycle * core.gigahertz * inner / all, tokens};
  }

  ProductForm getAdditions(const ProductShape &shape, int64_t tokens) const {
    if (isColumnProduct(shape))
      return makeForm("column add", false, 144, 150, core.column);
    if (tokens == 1)
      return makeForm("table look-up, 16 rows", false, 14, 15.4, core.lookup);
    if (tokens <= kFew)
      return makeForm("table look-up, 16 rows x 2 tokens", false, 12.4, 13.5, core.lookup2, 2);
    if (tokens <= 8)
      return makeForm("table add, 8 tokens a block", false, 10.1, 11.1, core.table8, 8);
    if (tokens <= 16)
      return makeForm("table add, 16 tokens a block", false, 7.5, 8.5, core.table16, 16);
    return makeForm("table add, 32 tokens a block", false, 5.8, 7.1, core.table32, 32);
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

  const Core core;
};

/// Any ARMv8-A processor.
class NeonLevel final : public AArch64Level {
public:
  explicit NeonLevel(const Target &target)
      : AArch64Level(target, makeInfo(), {1.8, 8.0, 6.0, 6.7, 14.2, 18.2, 22.0, 0.6}) {} // Cortex-A72

private:
  static LevelInfo makeInfo() {
    LevelInfo info;
    info.name = "neon";
    info.summary = "any ARMv8-A processor: Cortex-A53, A57, A72";
    info.cpu = "generic";
    info.products = {"smlal", "tbl"};
    info.convertsHalf = true;
    info.memoryGBs = 4;
    return info;
  }

  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &,
                      Products products) const override {
    if (products == Products::AddSub || isColumnProduct(shape) || tokens > 1)
      return getAdditions(shape, tokens);
    return makeForm("smlal, streamed", true, 15.5, 16.5, core.stream);
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
  DotLevel(const Target &target, bool pairs)
      : AArch64Level(target, makeInfo(pairs),
                     pairs ? Core{2.6, 31.9, 14.6, 14.6, 39.2, 61.0, 68.1, 1.3} // Neoverse V1
                           : Core{2.5, 16.0, 9.1, 9.8, 11.9, 15.3, 17.5, 0.8}), // Neoverse N1, Cortex-A76
        pairs(pairs) {}

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
      return makeForm("sdot, streamed", true, 9.25, 9.5, core.stream);
    if (tokens <= 2)
      return pairs ? makeForm("smmla, streamed", true, 7.5, 7.6, 37.8, 2)
                   : makeForm("sdot, streamed", true, 7.9, 7.9, 18.3, 2);
    if (tokens <= 4)
      return pairs ? makeForm("smmla, streamed", true, 5.1, 5.1, 56.8, 4)
                   : makeForm("sdot, streamed", true, 6.1, 6.1, 23.3, 4);
    if (tokens <= mostStreamed())
      return makeForm("sdot, streamed", true, 5.6, 6.0, 26.9, 2);
    // Unpacking is shared by the tokens of a task.
    double shared = static_cast<double>(std::min<int64_t>(tokens, 64));
    return pairs ? makeForm("smmla, 8 rows x 8 tokens", true, 2.7, 3.2 + 18 / shared, 127, 4)
                 : makeForm("sdot, 8 rows x 8 tokens", true, 4.75, 5.2 + 15 / shared, 31, 4);
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
