//===- RewriteCollectives.cpp - Calls of the machine -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a thread cannot do alone: barriers, collectives of a warp, matrices,
// asynchronous copies.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

/// A collective without results or with some in out[].
static Value *meetAt(Rewriter &r, CallInst &call, StringRef name, Compute compute, int mode, bool fullWarp) {
  Site &site = r.addSite(name);
  site.compute = compute;
  site.mode = mode;
  site.fullWarp = fullWarp;
  site.aligned = fullWarp;
  r.call(meet, site);
  Type *type = call.getType();
  if (type->isVoidTy())
    return nullptr;
  SmallVector<Value *> fields;
  auto *all = dyn_cast<StructType>(type);
  for (unsigned i = 0; i < (all ? all->getNumElements() : 1); ++i)
    fields.push_back(r.result(i, all ? all->getElementType(i) : type));
  return r.pack(type, fields);
}

/// barrier.cta.sync.all and its relatives: KIND[.REDUCTION][.aligned].(all|count)
static Value *blockBarrier(Rewriter &r, CallInst &call, StringRef name) {
  Site &site = r.addSite(name);
  site.aligned = name.contains(".aligned");
  bool counts = name.ends_with(".count");
  r.pass(0, call.getArgOperand(0));
  if (counts)
    r.pass(1, call.getArgOperand(1));
  else
    r.pass(1, 0u);
  if (name.contains(".arrive")) {
    r.call(barrierArrive, site);
    return nullptr;
  }
  if (!name.contains(".red.")) {
    r.pass(2, 0u);
    r.call(barrier, site);
    return nullptr;
  }
  site.mode = name.contains(".red.popc") ? kCount : name.contains(".red.and") ? kBarrierAnd : kBarrierOr;
  r.pass(2, call.getArgOperand(counts ? 2 : 1));
  r.call(barrier, site);
  return r.result(0, call.getType());
}

static Value *warpBarrier(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, call.getArgOperand(0));
  return meetAt(r, call, name, computeNothing, 0, /*fullWarp=*/false);
}

static Value *activeMask(Rewriter &r, CallInst &call, StringRef) {
  Value *warp = r.loadField(r.thread, offsetof(Thread, warp), r.builder.getPtrTy());
  return r.loadField(warp, offsetof(Warp, alive), r.builder.getInt32Ty(), /*constant=*/false);
}

static Value *shuffle(Rewriter &r, CallInst &call, StringRef name) {
  for (unsigned i = 0; i < 4; ++i)
    r.pass(i, call.getArgOperand(i));
  int mode = name.contains(".up.")     ? kUp
             : name.contains(".down.") ? kDown
             : name.contains(".bfly.") ? kButterfly
                                       : kIndex;
  return meetAt(r, call, name, computeShuffle, mode, false);
}

static Value *vote(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, call.getArgOperand(0));
  r.pass(1, call.getArgOperand(1));
  int mode = name.contains(".all") ? kAll : name.contains(".any") ? kAny : name.contains(".uni") ? kUniform : kBallot;
  return meetAt(r, call, name, computeVote, mode, false);
}

static Value *reduceWarp(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, call.getArgOperand(1));
  r.pass(1, call.getArgOperand(0));
  StringRef kind = name.substr(StringRef("redux.sync.").size());
  if (kind.starts_with("f")) {
    int mode = (kind.starts_with("fmax") ? 1 : 0) | (kind.contains(".abs") ? 2 : 0) | (kind.contains(".NaN") ? 4 : 0);
    return meetAt(r, call, name, computeReduceFloat, mode, false);
  }
  int mode = StringSwitch<int>(kind)
                 .Case("add", kAdd)
                 .Case("min", kMin)
                 .Case("max", kMax)
                 .Case("umin", kUMin)
                 .Case("umax", kUMax)
                 .Case("and", kAnd)
                 .Case("or", kOr)
                 .Default(kXor);
  return meetAt(r, call, name, computeReduce, mode, false);
}

static Value *match(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, call.getArgOperand(0));
  r.pass(2, r.builder.CreateZExt(call.getArgOperand(1), r.builder.getInt64Ty()));
  return meetAt(r, call, name, name.contains(".any.") ? computeMatchAny : computeMatchAll, 0, false);
}

static Value *elect(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, call.getArgOperand(0));
  return meetAt(r, call, name, computeElect, 0, false);
}

/// ldmatrix and stmatrix .sync.aligned.m8n8.xN[.trans].b16
static Value *matrix(Rewriter &r, CallInst &call, StringRef name) {
  int count = name.contains(".x4") ? 4 : name.contains(".x2") ? 2 : 1;
  int mode = count << kCountShift | (name.contains(".trans") ? kTransposed : 0);
  for (unsigned i = 0; i < call.arg_size(); ++i)
    r.pass(i ? i + 1 : 0, call.getArgOperand(i));
  return meetAt(r, call, name, name.starts_with("ldmatrix") ? computeLoadMatrix : computeStoreMatrix, mode, true);
}

/// mma.mSHAPE.row.col[.satfinite].TYPES: the registers of A, B and C follow from the shape.
static Value *product(Rewriter &r, CallInst &call, StringRef name) {
  for (unsigned i = 0; i < call.arg_size(); ++i)
    r.pass(i, call.getArgOperand(i));
  StringRef types = name.split(".row.col.").second;
  if (types.contains("f16") || types.contains("f32")) {
    bool bf16 = types == "bf16", narrow = types == "f16.f16";
    int numA = name.contains("k16.") ? 4 : 2;
    int mode = numA << kCountShift | (bf16 ? kBF16 : 0) | (narrow ? kF16Accumulator : 0);
    return meetAt(r, call, name, computeMmaF16, mode, true);
  }
  bool saturates = types.consume_front("satfinite.");
  auto [a, b] = types.split('.');
  if (b.empty())
    b = a;
  int mode = (name.contains("k32.") ? 4 : 2) << kCountShift | (a == "s8" ? kASigned : 0) | (b == "s8" ? kBSigned : 0) |
             (saturates ? kSaturate : 0);
  return meetAt(r, call, name, computeMmaI8, mode, true);
}

static bool isKnownProduct(StringRef name) {
  if (!name.consume_front("mma.m16n8k"))
    return false;
  if (name == "16.row.col.bf16" || name == "8.row.col.bf16" || name == "16.row.col.f32.f32" ||
      name == "8.row.col.f32.f32" || name == "16.row.col.f16.f16" || name == "8.row.col.f16.f16")
    return true;
  if (!name.consume_front("32.row.col.") && !name.consume_front("16.row.col."))
    return false;
  name.consume_front("satfinite.");
  return name == "s8" || name == "u8" || name == "s8.u8" || name == "u8.s8";
}

/// cp.async.(ca|cg).shared.global.BYTES[.s]
static Value *copy(Rewriter &r, CallInst &call, StringRef name) {
  Site &site = r.addSite(name);
  bool partial = name.contains(".s.") || name.ends_with(".s");
  site.bytes = name.contains(".global.16") ? 16 : name.contains(".global.8") ? 8 : 4;
  r.pass(0, call.getArgOperand(0));
  r.pass(2, call.getArgOperand(1));
  if (partial)
    r.pass(4, call.getArgOperand(2));
  else
    r.pass(4, site.bytes);
  r.call(copyAsync, site);
  return nullptr;
}

static Value *commit(Rewriter &r, CallInst &, StringRef name) {
  r.call(commitCopies, r.addSite(name));
  return nullptr;
}

static Value *await(Rewriter &r, CallInst &call, StringRef name) {
  if (name.ends_with(".all")) {
    r.call(waitAllCopies, r.addSite(name));
    return nullptr;
  }
  r.pass(0, call.getArgOperand(0));
  r.call(waitCopies, r.addSite(name));
  return nullptr;
}

Handler setun::nvptx::emulator::lookupCollective(StringRef name) {
  if (name.starts_with("barrier.cta."))
    return blockBarrier;
  if (name.starts_with("shfl.sync."))
    return shuffle;
  if (name.starts_with("vote.") && name.ends_with(".sync"))
    return vote;
  if (name.starts_with("redux.sync."))
    return reduceWarp;
  if (name.starts_with("match."))
    return match;
  if (name.starts_with("ldmatrix.sync.aligned.m8n8.") || name.starts_with("stmatrix.sync.aligned.m8n8."))
    return matrix;
  if (name.starts_with("mma."))
    return isKnownProduct(name) ? product : nullptr;
  if (name.starts_with("cp.async.ca.shared.global.") || name.starts_with("cp.async.cg.shared.global."))
    return copy;
  return StringSwitch<Handler>(name)
      .Case("bar.warp.sync", warpBarrier)
      .Case("activemask", activeMask)
      .Case("elect.sync", elect)
      .Case("cp.async.commit.group", commit)
      .Cases({"cp.async.wait.group", "cp.async.wait.all"}, await)
      .Default(nullptr);
}
