//===- X86Target.cpp - x86-64 levels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Madd.h"

#include "setun-rt/abi.h"
#include "setun/Target/Kernels/CostModel.h"
#include "setun/Target/Target.h"

using namespace mlir;
using namespace setun;

namespace {

/// AVX2: pmaddubsw for few tokens; for many, adding table entries beats it.
class X86AVX2Target final : public Target {
public:
  const TargetInfo &getInfo() const override { return info; }

  std::vector<EncodingCandidate> getEncodings(const ProductShape &shape) const override {
    return {{Product::getLayout(), getPlan(shape, Products::Best).nanoseconds}};
  }

  ProductPlan getPlan(const ProductShape &shape, Products products) const override {
    int64_t tokens = plannedTokens(shape), rest = tokens % 32;
    bool plain = shape.groups || isa<FloatType>(shape.activation);
    if (products == Products::AddSub || plain || tokens >= kTableFrom || isTable16(rest))
      return planAddSub(info, shape, AddSubRates{40, 80, 180, 230, 10});
    if (tokens == 1)
      return makePlan(info, shape, "pmaddubsw, streamed", 100, true);
    return makePlan(info, shape, "pmaddubsw, 16 rows x 6 tokens", tokens < 4 ? 80 : 130, true);
  }

  LogicalResult lowerProduct(RewriterBase &rewriter, ternary::MatmulOp op, Products products) const override {
    KernelBuilder b(op.getLoc(), rewriter);
    auto product = Product::get(b, op);
    if (failed(product))
      return failure();
    if (products == Products::AddSub || op.getScales() || isa<FloatType>(product->activation))
      emitAddSubProduct(b, *product, info.vectorBits);
    else
      emitBest(b, *product);
    rewriter.eraseOp(op);
    return success();
  }

private:
  static constexpr int64_t kTableFrom = 23; // tokens from which 32 lanes, some idle, beat the multiplying tile
  static bool isTable16(int64_t tokens) { return tokens > 12 && tokens <= 16; }

  void emitBest(KernelBuilder &b, const Product &p) const {
    auto more = [&](Value count, int64_t than) { return b.cmp(arith::CmpIPredicate::sgt, count, b.index(than)); };
    Value whole = b.shl(b.shr(b.add(p.m, 32 - kTableFrom), 5), 5), wide = b.min(whole, p.m), rest = b.sub(p.m, wide);
    b.branch(more(wide, 0), [&] { emitTableAdd(b, p, b.index(0), wide, 32, info.vectorBits); });
    Value table = b.createOrFold<arith::AndIOp>(more(rest, 12), b.cmp(arith::CmpIPredicate::sle, rest, b.index(16)));
    b.branch(
        table, [&] { emitTableAdd(b, p, wide, p.m, 16, info.vectorBits); },
        [&] {
          b.branch(
              more(rest, 1), [&] { x86::emitMaddTile(b, p, wide, p.m); },
              [&] { b.branch(more(rest, 0), [&] { x86::emitMaddDecode(b, p, wide, p.m); }); });
        });
  }

  TargetInfo info{"x86-64-avx2", "x86-64", "AVX2: x86-64-v3", "x86_64-unknown-linux-gnu",
                  "x86-64-v3",   "",       SETUN_X86_AVX2,    256};
};

} // namespace

namespace setun {
std::unique_ptr<Target> createX86AVX2Target() { return std::make_unique<X86AVX2Target>(); }
} // namespace setun
