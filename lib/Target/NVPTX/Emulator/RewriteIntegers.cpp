//===- RewriteIntegers.cpp - Integer instructions in line -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// dp4a and its kin as IR of the host.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

/// The `count` lanes of `width` bits of a word, each as i32.
static Value *unpack(Rewriter &r, Value *word, unsigned count, unsigned width, bool isSigned) {
  Value *lanes = r.builder.CreateBitCast(word, FixedVectorType::get(r.builder.getIntNTy(width), count));
  Type *wide = FixedVectorType::get(r.builder.getInt32Ty(), count);
  return isSigned ? r.builder.CreateSExt(lanes, wide) : r.builder.CreateZExt(lanes, wide);
}

/// idp4a.A.B: four products of bytes and a sum.
static Value *dot4(Rewriter &r, CallInst &call, StringRef name) {
  Value *a = unpack(r, call.getArgOperand(0), 4, 8, name[6] == 's');
  Value *b = unpack(r, call.getArgOperand(1), 4, 8, name[8] == 's');
  return r.builder.CreateAdd(r.builder.CreateAddReduce(r.builder.CreateMul(a, b)), call.getArgOperand(2));
}

/// idp2a.A.B: two 16-bit numbers times the low or the high two bytes.
static Value *dot2(Rewriter &r, CallInst &call, StringRef name) {
  Value *a = unpack(r, call.getArgOperand(0), 2, 16, name[6] == 's');
  Value *b = unpack(r, call.getArgOperand(1), 4, 8, name[8] == 's');
  Value *low = r.builder.CreateShuffleVector(b, {0, 1}), *high = r.builder.CreateShuffleVector(b, {2, 3});
  Value *half = r.builder.CreateSelect(call.getArgOperand(2), high, low);
  return r.builder.CreateAdd(r.builder.CreateAddReduce(r.builder.CreateMul(a, half)), call.getArgOperand(3));
}

/// prmt[.MODE]: bytes of two words chosen by the nibbles of a third.
static Value *permute(Rewriter &r, CallInst &call, StringRef name) {
  IRBuilder<> &b = r.builder;
  int mode = StringSwitch<int>(name)
                 .Case("prmt.f4e", 1)
                 .Case("prmt.b4e", 2)
                 .Case("prmt.rc8", 3)
                 .Case("prmt.ecl", 4)
                 .Case("prmt.ecr", 5)
                 .Case("prmt.rc16", 6)
                 .Default(0);
  bool two = mode >= 3;
  Value *first = call.getArgOperand(0), *second = two ? first : call.getArgOperand(1);
  Value *selector = call.getArgOperand(two ? 1 : 2);
  auto *known = dyn_cast<ConstantInt>(selector);
  if (mode == 0 && known && !(known->getZExtValue() & 0x8888)) {
    Type *bytes = FixedVectorType::get(b.getInt8Ty(), 4);
    int order[4];
    for (int i = 0; i < 4; ++i)
      order[i] = known->getZExtValue() >> 4 * i & 7;
    return b.CreateBitCast(b.CreateShuffleVector(b.CreateBitCast(first, bytes), b.CreateBitCast(second, bytes), order),
                           b.getInt32Ty());
  }
  return r.callHost("setunEmulatorPermute", b.getInt32Ty(), {first, second, selector, b.getInt32(mode)});
}

/// fshl.clamp and fshr.clamp: a shift of two words by no more than one word.
static Value *funnel(Rewriter &r, CallInst &call, StringRef name) {
  bool left = name.starts_with("fshl");
  Value *high = call.getArgOperand(0), *low = call.getArgOperand(1), *count = call.getArgOperand(2);
  Value *shifted =
      r.builder.CreateIntrinsic(left ? Intrinsic::fshl : Intrinsic::fshr, {high->getType()}, {high, low, count});
  Value *all =
      r.builder.CreateICmpUGE(count, ConstantInt::get(count->getType(), count->getType()->getIntegerBitWidth()));
  return r.builder.CreateSelect(all, left ? low : high, shifted);
}

static bool isUnsigned(StringRef name) { return name.rsplit('.').second.starts_with("u"); }

static Value *multiplyHigh(Rewriter &r, CallInst &call, StringRef name) {
  unsigned width = call.getType()->getIntegerBitWidth();
  Type *wide = r.builder.getIntNTy(2 * width);
  auto extend = [&](Value *value) {
    return isUnsigned(name) ? r.builder.CreateZExt(value, wide) : r.builder.CreateSExt(value, wide);
  };
  Value *all = r.builder.CreateMul(extend(call.getArgOperand(0)), extend(call.getArgOperand(1)));
  return r.builder.CreateTrunc(r.builder.CreateLShr(all, width), call.getType());
}

static Value *multiply24(Rewriter &r, CallInst &call, StringRef name) {
  auto narrow = [&](Value *value) {
    Value *top = r.builder.CreateShl(value, 8);
    return isUnsigned(name) ? r.builder.CreateLShr(top, 8) : r.builder.CreateAShr(top, 8);
  };
  return r.builder.CreateMul(narrow(call.getArgOperand(0)), narrow(call.getArgOperand(1)));
}

/// sad: |a - b| + c
static Value *sumDifference(Rewriter &r, CallInst &call, StringRef name) {
  Value *a = call.getArgOperand(0), *b = call.getArgOperand(1);
  bool isPlain = isUnsigned(name);
  Value *most = r.binary(isPlain ? Intrinsic::umax : Intrinsic::smax, a, b);
  Value *least = r.binary(isPlain ? Intrinsic::umin : Intrinsic::smin, a, b);
  return r.builder.CreateAdd(r.builder.CreateSub(most, least), call.getArgOperand(2));
}

/// flo: the number of the highest bit that differs from the sign; all ones if there is none.
static Value *findLeading(Rewriter &r, CallInst &call, StringRef name) {
  IRBuilder<> &b = r.builder;
  Value *value = call.getArgOperand(0);
  Type *type = value->getType();
  unsigned width = type->getIntegerBitWidth();
  if (name.starts_with("flo.s"))
    value = b.CreateXor(value, b.CreateAShr(value, width - 1));
  Value *zeros = b.CreateIntrinsic(Intrinsic::ctlz, {type}, {value, b.getFalse()});
  bool shiftAmount = cast<ConstantInt>(call.getArgOperand(1))->isOne();
  Value *found = shiftAmount ? zeros : b.CreateSub(ConstantInt::get(type, width - 1), zeros);
  Value *none = b.CreateICmpEQ(value, ConstantInt::get(type, 0));
  return b.CreateTrunc(b.CreateSelect(none, ConstantInt::getAllOnesValue(type), found), b.getInt32Ty());
}

/// bmsk: `count` ones from bit `start` on; sext, zext: the low `count` bits extended.
static Value *bitField(Rewriter &r, CallInst &call, StringRef name) {
  return r.callHost("setunEmulatorBitField", r.builder.getInt32Ty(),
                    {call.getArgOperand(0), call.getArgOperand(1),
                     r.builder.getInt32(name.starts_with("bmsk")   ? 0
                                        : name.starts_with("zext") ? 1
                                                                   : 2),
                     r.builder.getInt32(name.ends_with("wrap"))});
}

Handler setun::nvptx::emulator::lookupInteger(StringRef name) {
  return StringSwitch<Handler>(name)
      .StartsWith("idp4a.", dot4)
      .StartsWith("idp2a.", dot2)
      .Cases({"prmt", "prmt.f4e", "prmt.b4e", "prmt.rc8", "prmt.ecl", "prmt.ecr", "prmt.rc16"}, permute)
      .StartsWith("fshl.clamp", funnel)
      .StartsWith("fshr.clamp", funnel)
      .StartsWith("mulhi.", multiplyHigh)
      .StartsWith("mul24.", multiply24)
      .StartsWith("sad.", sumDifference)
      .StartsWith("flo.", findLeading)
      .Cases({"bmsk.clamp", "bmsk.wrap", "zext.clamp", "zext.wrap", "sext.clamp", "sext.wrap"}, bitField)
      .Default(nullptr);
}
