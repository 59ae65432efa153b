//===- WidenReductions.cpp - Sums in double precision -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A sequential f32 sum over millions of weights moves a weight quantizer's scale enough to flip trits. What is computed
// once, at compile time, can afford f64.

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace setun {
#define GEN_PASS_DEF_WIDENREDUCTIONS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

/// True for a sum of one tensor of floats narrower than f64, accumulated in its own type.
static bool isNarrowSum(linalg::ReduceOp reduce) {
  if (reduce.getInputs().size() != 1)
    return false;
  Block &body = *reduce.getBody();
  auto type = dyn_cast<FloatType>(body.getArgument(1).getType());
  if (!type || type.getWidth() >= 64 || body.getArgument(0).getType() != type || !llvm::hasNItems(body, 2))
    return false;
  auto add = dyn_cast<arith::AddFOp>(body.front());
  return add && cast<linalg::YieldOp>(body.getTerminator()).getOperand(0) == add.getResult() &&
         llvm::is_contained(add->getOperands(), body.getArgument(0)) &&
         llvm::is_contained(add->getOperands(), body.getArgument(1));
}

/// bf16 meets f64 by way of f32: no target converts between the two at once.
template <typename Cast> static Value castTo(OpBuilder &builder, Location loc, Value value, Type element) {
  auto type = cast<RankedTensorType>(value.getType());
  bool needsStep = type.getElementType().isBF16() || element.isBF16();
  if (needsStep && !type.getElementType().isF32() && !element.isF32())
    value = Cast::create(builder, loc, type.clone(builder.getF32Type()), value);
  return Cast::create(builder, loc, type.clone(element), value);
}

namespace {

struct WidenReductions : setun::impl::WidenReductionsBase<WidenReductions> {
  void runOnOperation() override {
    getOperation()->walk([](linalg::ReduceOp reduce) {
      if (isNarrowSum(reduce))
        widen(reduce);
    });
  }

  static void widen(linalg::ReduceOp reduce) {
    OpBuilder builder(reduce);
    Location loc = reduce.getLoc();
    Type wide = builder.getF64Type();
    Value input = castTo<arith::ExtFOp>(builder, loc, reduce.getInputs()[0], wide);
    Value init = castTo<arith::ExtFOp>(builder, loc, reduce.getInits()[0], wide);
    auto sum = linalg::ReduceOp::create(builder, loc, input, init, reduce.getDimensions(),
                                        [](OpBuilder &body, Location loc, ValueRange args) {
                                          Value add = arith::AddFOp::create(body, loc, args[0], args[1]);
                                          linalg::YieldOp::create(body, loc, add);
                                        });
    Type narrow = getElementTypeOrSelf(reduce.getResult(0).getType());
    reduce.getResult(0).replaceAllUsesWith(castTo<arith::TruncFOp>(builder, loc, sum.getResult(0), narrow));
    reduce.erase();
  }
};

} // namespace
