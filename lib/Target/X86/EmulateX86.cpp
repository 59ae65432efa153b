//===- EmulateX86.cpp - x86 dot products as plain arithmetic -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Madd.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace setun;

/// Lanes first, first + step, ... of a vector.
static Value everyNth(OpBuilder &builder, Location loc, Value vector, int64_t first, int64_t step) {
  SmallVector<int64_t> lanes;
  for (int64_t i = first, count = cast<VectorType>(vector.getType()).getDimSize(0); i < count; i += step)
    lanes.push_back(i);
  return vector::ShuffleOp::create(builder, loc, vector, vector, lanes);
}

namespace {

/// pmaddubsw: unsigned times signed bytes, added in pairs, saturated to int16. pmaddwd: words, added in pairs, modulo
/// 2^32.
struct EmulateMadd : OpRewritePattern<LLVM::CallIntrinsicOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LLVM::CallIntrinsicOp op, PatternRewriter &rewriter) const override {
    int kind =
        llvm::StringSwitch<int>(op.getIntrin())
            .Cases({"llvm.x86.ssse3.pmadd.ub.sw.128", "llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx512.pmaddubs.w.512"}, 1)
            .Cases({"llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512"}, 2)
            .Default(0);
    if (!kind)
      return failure();
    Location loc = op.getLoc();
    auto result = cast<VectorType>(op.getResult(0).getType());
    VectorType wide = result.clone(rewriter.getI32Type());
    auto products = [&](int64_t first) -> Value {
      Value a = everyNth(rewriter, loc, op.getArgs()[0], first, 2),
            b = everyNth(rewriter, loc, op.getArgs()[1], first, 2);
      Value wideA = kind == 1 ? Value(arith::ExtUIOp::create(rewriter, loc, wide, a))
                              : Value(arith::ExtSIOp::create(rewriter, loc, wide, a));
      return arith::MulIOp::create(rewriter, loc, wideA, arith::ExtSIOp::create(rewriter, loc, wide, b));
    };
    Value sum = arith::AddIOp::create(rewriter, loc, products(0), products(1));
    if (kind == 1) {
      auto bound = [&](int32_t value) {
        return arith::ConstantOp::create(rewriter, loc, DenseElementsAttr::get(wide, value));
      };
      sum = arith::MaxSIOp::create(rewriter, loc, sum, bound(-32768));
      sum = arith::MinSIOp::create(rewriter, loc, sum, bound(32767));
      sum = arith::TruncIOp::create(rewriter, loc, result, sum);
    }
    rewriter.replaceOp(op, sum);
    return success();
  }
};

/// vpdpbusd: four products of unsigned and signed bytes are added to each int32 lane, modulo 2^32.
struct EmulateDot : OpRewritePattern<LLVM::CallIntrinsicOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LLVM::CallIntrinsicOp op, PatternRewriter &rewriter) const override {
    StringRef name = op.getIntrin();
    if (!name.consume_front("llvm.x86.avx512.vpdpbusd.") || (name != "128" && name != "256" && name != "512"))
      return failure();
    Location loc = op.getLoc();
    auto wide = cast<VectorType>(op.getResult(0).getType());
    Value sum = op.getArgs()[0];
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value a = everyNth(rewriter, loc, op.getArgs()[1], byte, 4),
            b = everyNth(rewriter, loc, op.getArgs()[2], byte, 4);
      Value product = arith::MulIOp::create(rewriter, loc, arith::ExtUIOp::create(rewriter, loc, wide, a),
                                            arith::ExtSIOp::create(rewriter, loc, wide, b));
      sum = arith::AddIOp::create(rewriter, loc, sum, product);
    }
    rewriter.replaceOp(op, sum);
    return success();
  }
};

} // namespace

void x86::populateEmulation(RewritePatternSet &patterns) {
  patterns.add<EmulateMadd, EmulateDot>(patterns.getContext());
}
