//===- Intrinsics.cpp - AArch64 instructions, and what they compute -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Neon.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

static constexpr StringLiteral kSdot = "llvm.aarch64.neon.sdot.v4i32.v16i8",
                               kSmmla = "llvm.aarch64.neon.smmla.v4i32.v16i8", kSmull = "llvm.aarch64.neon.smull.v8i16",
                               kSaddlp = "llvm.aarch64.neon.saddlp.v4i32.v8i16", kTbl = "llvm.aarch64.neon.tbl1.v16i8";

static Value call(KernelBuilder &b, StringRef name, VectorType type, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), operands).getResult(0);
}

Value aarch64::sdot(KernelBuilder &b, Value acc, Value x, Value y) { return call(b, kSdot, b.i32s(4), {acc, x, y}); }
Value aarch64::smmla(KernelBuilder &b, Value acc, Value x, Value y) { return call(b, kSmmla, b.i32s(4), {acc, x, y}); }
Value aarch64::smull(KernelBuilder &b, Value x, Value y) { return call(b, kSmull, b.i16s(8), {x, y}); }
Value aarch64::saddlp(KernelBuilder &b, Value words) { return call(b, kSaddlp, b.i32s(4), {words}); }

Value aarch64::tbl(KernelBuilder &b, Value table, Value index) {
  Value found = call(b, kTbl, b.i8s(16), {table, index});
  found.getDefiningOp()->setAttr("setun.plain", b.getUnitAttr()); // it chooses, as its emulation says
  return found;
}

/// Adds to each of the four lanes of `acc` the products of `count` bytes: byte i of lane l is x[at(l, i)] y[bt(l, i)].
static Value addProducts(KernelBuilder &b, Value acc, Value x, Value y, int64_t count,
                         function_ref<int64_t(int64_t, int64_t)> at, function_ref<int64_t(int64_t, int64_t)> bt) {
  for (int64_t i = 0; i < count; ++i) {
    auto pick = [&](Value v, function_ref<int64_t(int64_t, int64_t)> from) -> Value {
      return arith::ExtSIOp::create(b, b.i32s(4), b.shuffle(v, v, {from(0, i), from(1, i), from(2, i), from(3, i)}));
    };
    acc = b.add(acc, arith::MulIOp::create(b, pick(x, at), pick(y, bt)));
  }
  return acc;
}

namespace {

struct EmulateNeon : OpRewritePattern<LLVM::CallIntrinsicOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LLVM::CallIntrinsicOp op, PatternRewriter &rewriter) const override {
    KernelBuilder b(op.getLoc(), rewriter);
    ValueRange args = op.getArgs();
    Value result;
    if (op.getIntrin() == kSdot) {
      auto at = [](int64_t lane, int64_t i) { return 4 * lane + i; };
      result = addProducts(b, args[0], args[1], args[2], 4, at, at);
    } else if (op.getIntrin() == kSmmla) {
      result = addProducts(
          b, args[0], args[1], args[2], 8, [](int64_t lane, int64_t i) { return 8 * (lane / 2) + i; },
          [](int64_t lane, int64_t i) { return 8 * (lane % 2) + i; });
    } else if (op.getIntrin() == kSmull) {
      auto wide = [&](Value v) -> Value { return arith::ExtSIOp::create(b, b.i16s(8), v); };
      result = arith::MulIOp::create(b, wide(args[0]), wide(args[1]));
    } else if (op.getIntrin() == kSaddlp) {
      auto wide = [&](ArrayRef<int64_t> lanes) -> Value {
        return arith::ExtSIOp::create(b, b.i32s(4), b.shuffle(args[0], args[0], lanes));
      };
      result = b.add(wide({0, 2, 4, 6}), wide({1, 3, 5, 7}));
    } else if (op.getIntrin() == kTbl) {
      result = b.constant(b.i8s(16), 0);
      for (int64_t i = 0; i < 16; ++i) {
        SmallVector<int64_t> lanes(16, i);
        result = b.select(b.equals(args[1], i), b.shuffle(args[0], args[0], lanes), result);
      }
    } else {
      return failure();
    }
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void aarch64::populateEmulation(RewritePatternSet &patterns) { patterns.add<EmulateNeon>(patterns.getContext()); }
