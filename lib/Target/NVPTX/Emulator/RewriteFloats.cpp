//===- RewriteFloats.cpp - Arithmetic and conversions of floats -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Round to nearest only. What is approximate on a GPU is accurate here: no card's
// bits are promised (docs/numerics.md).
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static bool has(StringRef name, StringRef part) {
  return name.contains(("." + part + ".").str()) || name.ends_with(("." + part).str());
}

/// Subnormals of f32 as zeros of their sign, where the name asks for it.
static Value *flush(Rewriter &r, StringRef name, Value *value) {
  if (!has(name, "ftz") || !value->getType()->isFloatTy())
    return value;
  Value *least = ConstantFP::get(value->getType(), 1.1754943508222875e-38);
  Value *zero = r.binary(Intrinsic::copysign, ConstantFP::get(value->getType(), 0.0), value);
  return r.builder.CreateSelect(r.builder.CreateFCmpOLT(r.unary(Intrinsic::fabs, value), least), zero, value);
}

static Value *constant(Value *like, double value) { return ConstantFP::get(like->getType(), value); }

/// .sat, .relu, .satfinite and .ftz of a result.
static Value *finish(Rewriter &r, StringRef name, Value *value) {
  value = flush(r, name, value);
  if (has(name, "sat")) { // NaN becomes 0
    value = r.binary(Intrinsic::maximumnum, value, constant(value, 0.0));
    return r.binary(Intrinsic::minimumnum, value, constant(value, 1.0));
  }
  if (has(name, "relu"))
    value = r.binary(Intrinsic::maximum, value, constant(value, 0.0));
  return value;
}

/// Functions of one to three floats, all of the call's type.
static Value *arithmetic(Rewriter &r, CallInst &call, StringRef name) {
  IRBuilder<> &b = r.builder;
  SmallVector<Value *, 3> x;
  for (Value *operand : call.args())
    x.push_back(flush(r, name, operand));
  Type *type = call.getType();
  StringRef head = name.split('.').first;
  Value *value = nullptr;
  if (head == "add")
    value = b.CreateFAdd(x[0], x[1]);
  else if (head == "mul")
    value = b.CreateFMul(x[0], x[1]);
  else if (head == "div")
    value = b.CreateFDiv(x[0], x[1]);
  else if (head == "fma")
    value = b.CreateIntrinsic(Intrinsic::fma, {type}, x);
  else if (head == "rcp")
    value = b.CreateFDiv(constant(x[0], 1.0), x[0]);
  else if (head == "sqrt")
    value = r.unary(Intrinsic::sqrt, x[0]);
  else if (head == "rsqrt")
    value = b.CreateFDiv(constant(x[0], 1.0), r.unary(Intrinsic::sqrt, x[0]));
  else if (head == "fabs")
    value = r.unary(Intrinsic::fabs, x[0]);
  else if (head == "neg")
    value = b.CreateFNeg(x[0]);
  else if (head == "saturate")
    return finish(r, "x.sat", x[0]);
  else if (head == "fmax")
    value = r.binary(has(name, "nan") ? Intrinsic::maximum : Intrinsic::maximumnum, x[0], x[1]);
  else if (head == "fmin")
    value = r.binary(has(name, "nan") ? Intrinsic::minimum : Intrinsic::minimumnum, x[0], x[1]);
  else
    value = r.unary(StringSwitch<Intrinsic::ID>(head)
                        .Case("ceil", Intrinsic::ceil)
                        .Case("floor", Intrinsic::floor)
                        .Case("trunc", Intrinsic::trunc)
                        .Default(Intrinsic::roundeven),
                    x[0]);
  return finish(r, name, value);
}

/// ex2, lg2, sin and cos: by the C library's float functions.
static Value *approximate(Rewriter &r, CallInst &call, StringRef name) {
  StringRef function = StringSwitch<StringRef>(name.split('.').first)
                           .Case("ex2", "exp2f")
                           .Case("lg2", "log2f")
                           .Case("sin", "sinf")
                           .Default("cosf");
  Value *x = flush(r, name, call.getArgOperand(0));
  Type *type = x->getType(), *single = r.builder.getFloatTy();
  auto one = [&](Value *value) {
    Value *made = r.callHost(function, single, {r.builder.CreateFPCast(value, single)});
    return r.builder.CreateFPCast(made, type->getScalarType());
  };
  if (!type->isVectorTy())
    return finish(r, name, one(x));
  Value *all = PoisonValue::get(type);
  for (unsigned i = 0; i < cast<FixedVectorType>(type)->getNumElements(); ++i)
    all = r.builder.CreateInsertElement(all, one(r.builder.CreateExtractElement(x, i)), i);
  return all;
}

/// f2i.rn and its like: rounded as told, then held within the type; NaN becomes 0.
static Value *toInteger(Rewriter &r, CallInst &call, StringRef name) {
  Value *x = flush(r, name, call.getArgOperand(0));
  auto rounding = has(name, "rn")   ? Intrinsic::roundeven
                  : has(name, "rm") ? Intrinsic::floor
                  : has(name, "rp") ? Intrinsic::ceil
                                    : Intrinsic::trunc;
  auto convert = name.substr(2).starts_with("u") ? Intrinsic::fptoui_sat : Intrinsic::fptosi_sat;
  return r.builder.CreateIntrinsic(convert, {call.getType(), x->getType()}, {r.unary(rounding, x)});
}

/// i2f.rn and its like.
static Value *fromInteger(Rewriter &r, CallInst &call, StringRef name) {
  return name.starts_with("u") ? r.builder.CreateUIToFP(call.getArgOperand(0), call.getType())
                               : r.builder.CreateSIToFP(call.getArgOperand(0), call.getType());
}

/// A narrower float: rn by the host, rz by hand.
static Value *narrow(Rewriter &r, StringRef name, Value *x, Type *type) {
  if (has(name, "relu"))
    x = r.binary(Intrinsic::maximum, x, constant(x, 0.0));
  if (has(name, "satfinite")) {
    double most = type->isHalfTy() ? 65504.0 : 0x1.fep127;
    Value *held = r.binary(Intrinsic::maximum, r.binary(Intrinsic::minimum, x, constant(x, most)), constant(x, -most));
    x = held;
  }
  Value *value = r.builder.CreateFPTrunc(x, type);
  if (!has(name, "rz"))
    return value;
  // One step back towards zero where rounding went away from it.
  Type *bits = r.builder.getInt16Ty();
  Value *wide = r.builder.CreateFPExt(value, x->getType());
  Value *over = r.builder.CreateFCmpOGT(r.unary(Intrinsic::fabs, wide), r.unary(Intrinsic::fabs, x));
  Value *down = r.builder.CreateSub(r.builder.CreateBitCast(value, bits), r.builder.CreateZExt(over, bits));
  return r.builder.CreateBitCast(down, type);
}

/// f2bf16, f2f16, f2h, bf2h, d2f
static Value *convert(Rewriter &r, CallInst &call, StringRef name) {
  Value *x = flush(r, name, call.getArgOperand(0));
  StringRef head = name.split('.').first;
  if (head == "d2f")
    return flush(r, name, r.builder.CreateFPTrunc(x, call.getType()));
  if (head == "bf2h")
    x = r.builder.CreateFPExt(x, r.builder.getFloatTy());
  return narrow(r, name, x, head == "f2bf16" ? r.builder.getBFloatTy() : r.builder.getHalfTy());
}

/// ff2bf16x2, ff2f16x2: the first operand becomes the upper half.
static Value *convertPair(Rewriter &r, CallInst &call, StringRef name) {
  Type *type = cast<VectorType>(call.getType())->getElementType();
  Value *both = PoisonValue::get(call.getType());
  both = r.builder.CreateInsertElement(both, narrow(r, name, call.getArgOperand(1), type), uint64_t(0));
  return r.builder.CreateInsertElement(both, narrow(r, name, call.getArgOperand(0), type), uint64_t(1));
}

static Value *halves(Rewriter &r, CallInst &call, StringRef name) {
  IRBuilder<> &b = r.builder;
  Type *pair = FixedVectorType::get(b.getInt32Ty(), 2);
  if (name != "lohi.i2d")
    return b.CreateExtractElement(b.CreateBitCast(call.getArgOperand(0), pair), uint64_t(name == "d2i.hi"));
  Value *both = b.CreateInsertElement(PoisonValue::get(pair), call.getArgOperand(0), uint64_t(0));
  return b.CreateBitCast(b.CreateInsertElement(both, call.getArgOperand(1), uint64_t(1)), call.getType());
}

Handler setun::nvptx::emulator::lookupFloat(StringRef name) {
  auto [head, rest] = name.split('.');
  bool nearest = rest == "rn" || rest.starts_with("rn."),
       directed = has(name, "rz") || has(name, "rm") || has(name, "rp");
  if (name == "d2i.lo" || name == "d2i.hi" || name == "lohi.i2d")
    return halves;
  if (head == "add" || head == "mul" || head == "fma")
    return nearest ? arithmetic : nullptr;
  if (head == "div" || head == "rcp" || head == "sqrt" || head == "rsqrt")
    return directed ? nullptr : arithmetic;
  if (head == "ex2" || head == "lg2" || head == "sin" || head == "cos")
    return name.ends_with(".d") ? nullptr : approximate;
  if (head == "fmin" || head == "fmax")
    return rest.contains("xorsign") ? nullptr : arithmetic;
  if (head == "fabs" || head == "ceil" || head == "floor" || head == "round" || head == "trunc" || head == "saturate" ||
      name == "neg.bf16" || name == "neg.bf16x2")
    return arithmetic;
  if (is_contained({"f2i", "f2ui", "f2ll", "f2ull", "d2i", "d2ui", "d2ll", "d2ull"}, head))
    return toInteger;
  if (is_contained({"i2f", "ui2f", "ll2f", "ull2f", "i2d", "ui2d", "ll2d", "ull2d"}, head))
    return nearest ? fromInteger : nullptr;
  if (head == "f2bf16" || head == "f2f16")
    return convert;
  if (head == "f2h" || head == "bf2h" || head == "d2f")
    return nearest ? convert : nullptr;
  if (head == "ff2bf16x2" || head == "ff2f16x2")
    return rest.starts_with("rs") ? nullptr : convertPair;
  return nullptr;
}
