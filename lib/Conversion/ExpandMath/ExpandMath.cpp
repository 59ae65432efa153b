//===- ExpandMath.cpp - Math that is the same on every processor -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"
#include "setun/Conversion/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace setun {
#define GEN_PASS_DEF_EXPANDMATH
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

static bool isNarrow(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16();
}

/// Ops that move a value or change how it is seen, but do not round.
static bool movesOnly(Operation *op) {
  return isa<arith::ConstantOp, arith::SelectOp, arith::BitcastOp, arith::ExtFOp, arith::TruncFOp>(op);
}

/// Between f16 and f32, either way.
static bool isHalfConversion(Operation *op) {
  Type from = getElementTypeOrSelf(op->getOperand(0).getType()), to = getElementTypeOrSelf(op->getResult(0).getType());
  return (from.isF16() && to.isF32()) || (from.isF32() && to.isF16());
}

/// Roundings to f16 of which nothing is left but what is widened again stay in f32. Those of values that are f16
/// already, or only change their sign, go. (Of bf16 LLVM makes as little by itself.)
static void roundInPlace(ArrayRef<Operation *> roundings) {
  llvm::SmallPtrSet<Value, 16> halves;
  auto isHalf = [&](Value x) {
    while (auto *op = x.getDefiningOp()) {
      if (isa<arith::ExtFOp>(op))
        return isHalfConversion(op);
      if (!isa<arith::NegFOp, math::AbsFOp>(op))
        break;
      x = op->getOperand(0);
    }
    return halves.contains(x);
  };
  for (Operation *op : roundings) {
    if (!llvm::all_of(op->getUsers(),
                      [](Operation *user) { return isa<arith::ExtFOp>(user) && isHalfConversion(user); }))
      continue;
    OpBuilder b(op);
    Value x = op->getOperand(0);
    Value rounded = isHalf(x) ? x : roundToHalf(MathEmitter{b, op->getLoc(), x.getType()}, x);
    halves.insert(rounded);
    for (Operation *user : llvm::make_early_inc_range(op->getUsers())) {
      user->getResult(0).replaceAllUsesWith(rounded);
      user->erase();
    }
    op->erase();
  }
}

/// Does an op on f16 or bf16 in f32, and rounds what it gives.
static void widenOp(Operation *op) {
  OpBuilder b(op);
  SmallVector<Value> operands(op->getOperands());
  for (Value &operand : operands)
    if (isNarrow(operand.getType())) {
      MathEmitter e{b, op->getLoc(), operand.getType()};
      operand = e.to<arith::ExtFOp>(e.f32(), operand);
    }
  SmallVector<Type> types = llvm::map_to_vector(op->getResultTypes(), [&](Type type) {
    return isNarrow(type) ? MathEmitter{b, op->getLoc(), type}.f32() : type;
  });
  OperationState state(op->getLoc(), op->getName(), operands, types, op->getAttrs());
  Operation *wide = b.create(state);
  for (auto [old, result] : llvm::zip(op->getResults(), wide->getResults()))
    old.replaceAllUsesWith(
        isNarrow(old.getType()) ? arith::TruncFOp::create(b, op->getLoc(), old.getType(), result).getResult() : result);
  op->erase();
}

/// A conversion from or to f16 or bf16 as integer ops, or one to an integer so that every value has a result; null for
/// other conversions.
static Value expandConversion(Operation *op) {
  OpBuilder b(op);
  Value x = op->getOperand(0);
  MathEmitter e{b, op->getLoc(), x.getType()};
  Type to = getElementTypeOrSelf(op->getResult(0).getType());
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op))
    return expandToInteger(e, x, to, isa<arith::FPToUIOp>(op));
  if (isa<arith::ExtFOp>(op) && isNarrow(x.getType())) {
    Value wide = widenNarrow(e, x);
    return to.isF32() ? wide : e.to<arith::ExtFOp>(e.of(to), wide);
  }
  if (isa<arith::TruncFOp>(op) && isNarrow(to) && getElementTypeOrSelf(x.getType()).isF32())
    return narrowTo(e, x, to);
  return nullptr;
}

/// The value of a constant or of a constant splat.
static std::optional<double> constantOf(Value value) {
  FloatAttr attr;
  DenseElementsAttr dense;
  if (matchPattern(value, m_Constant(&attr)))
    return attr.getValueAsDouble();
  if (matchPattern(value, m_Constant(&dense)) && dense.isSplat())
    return dense.getSplatValue<APFloat>().convertToDouble();
  return std::nullopt;
}

/// A math op on f32 as arith ops; null for those that the hardware has, or that have no expansion.
static Value expandFunction(Operation *op) {
  OpBuilder b(op);
  Value x = op->getOperand(0);
  MathEmitter e{b, op->getLoc(), x.getType()};
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp) { return expandExp(e, x); })
      .Case([&](math::Exp2Op) { return expandExp2(e, x); })
      .Case([&](math::ExpM1Op) { return expandExpM1(e, x); })
      .Case([&](math::TanhOp) { return expandTanh(e, x); })
      .Case([&](math::ErfOp) { return expandErf(e, x); })
      .Case([&](math::LogOp) { return expandLog(e, x, 1); })
      .Case([&](math::Log2Op) { return expandLog(e, x, 1.44269504088896340736); })
      .Case([&](math::Log10Op) { return expandLog(e, x, 0.434294481903251827651); })
      .Case([&](math::Log1pOp) { return expandLog1p(e, x); })
      .Case([&](math::SinOp) { return expandSin(e, x); })
      .Case([&](math::CosOp) { return expandCos(e, x); })
      .Case([&](math::TanOp) { return expandTan(e, x); })
      .Case([&](math::RoundEvenOp) { return expandRoundEven(e, x); })
      .Case([&](math::FloorOp) { return expandFloor(e, x); })
      .Case([&](math::CeilOp) { return expandCeil(e, x); })
      .Case([&](math::TruncOp) { return expandTrunc(e, x); })
      .Case([&](math::RoundOp) { return expandRound(e, x); })
      .Case([&](math::RsqrtOp) { return e.div(e.f(1), math::SqrtOp::create(b, op->getLoc(), x)); })
      .Case([&](math::PowFOp pow) {
        // As frameworks do: these exponents are exact operations.
        std::optional<double> exponent = constantOf(pow.getRhs());
        if (exponent == 2.0)
          return e.mul(x, x);
        if (exponent == 3.0)
          return e.mul(e.mul(x, x), x);
        if (exponent == 0.5)
          return Value(math::SqrtOp::create(b, op->getLoc(), x));
        return expandPow(e, x, pow.getRhs());
      })
      .Default([](Operation *) { return Value(); });
}

namespace {
struct ExpandMath : setun::impl::ExpandMathBase<ExpandMath> {
  using ExpandMathBase::ExpandMathBase;
  void runOnOperation() override {
    auto collect = [&](function_ref<bool(Operation *)> wanted) {
      SmallVector<Operation *> ops;
      getOperation().walk([&](Operation *op) {
        if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && wanted(op))
          ops.push_back(op);
      });
      return ops;
    };
    for (Operation *op : collect([](Operation *op) {
           return !movesOnly(op) &&
                  (llvm::any_of(op->getOperandTypes(), isNarrow) || llvm::any_of(op->getResultTypes(), isNarrow));
         }))
      widenOp(op);
    for (Operation *op : collect([](Operation *op) {
           return isa<math::MathDialect>(op->getDialect()) && op->getNumOperands() > 0 &&
                  getElementTypeOrSelf(op->getOperand(0).getType()).isF32();
         }))
      if (Value value = expandFunction(op)) {
        op->getResult(0).replaceAllUsesWith(value);
        op->erase();
      }
    if (!convertHalf)
      roundInPlace(collect([](Operation *op) { return isa<arith::TruncFOp>(op) && isHalfConversion(op); }));
    for (Operation *op : collect([&](Operation *op) {
           return isa<arith::ExtFOp, arith::TruncFOp, arith::FPToSIOp, arith::FPToUIOp>(op) &&
                  !(convertHalf && isHalfConversion(op));
         }))
      if (Value value = expandConversion(op)) {
        op->getResult(0).replaceAllUsesWith(value);
        op->erase();
      }
  }
};
} // namespace
