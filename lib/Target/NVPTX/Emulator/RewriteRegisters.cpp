//===- RewriteRegisters.cpp - Special registers, memory and fences -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Also inline assembly, of which a few forms are known: those that LLVM has no
// intrinsic for, or gets wrong.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

/// "tid.x" and its like.
static Value *readRegister(Rewriter &r, CallInst &call, StringRef name) {
  name.consume_front("read.ptx.sreg.");
  Type *word = r.builder.getInt32Ty();
  auto [family, axis] = name.rsplit('.');
  if (axis.size() == 1 && StringRef("xyz").contains(axis)) {
    size_t offset = 4 * (axis[0] - 'x');
    if (family == "tid")
      return r.loadField(r.thread, offsetof(Thread, id) + offset, word);
    return r.loadField(r.block,
                       offset + StringSwitch<size_t>(family)
                                    .Case("ntid", offsetof(Block, size))
                                    .Case("ctaid", offsetof(Block, id))
                                    .Default(offsetof(Block, grid)),
                       word);
  }
  Value *lane = r.loadField(r.thread, offsetof(Thread, lane), word);
  if (name == "laneid")
    return lane;
  if (name == "warpsize")
    return r.builder.getInt32(32);
  if (name == "warpid") {
    Value *warp = r.loadField(r.thread, offsetof(Thread, warp), r.builder.getPtrTy());
    return r.loadField(warp, offsetof(Warp, index), word);
  }
  if (name == "dynamic_smem_size")
    return r.loadField(r.block, offsetof(Block, dynamicShared), word);
  if (name == "total_smem_size")
    return r.loadField(r.block, offsetof(Block, totalShared), word);
  if (name.consume_front("lanemask.")) {
    Value *own = r.builder.CreateShl(r.builder.getInt32(1), lane);
    Value *below = r.builder.CreateSub(own, r.builder.getInt32(1));
    Value *upTo = r.builder.CreateOr(own, below);
    return StringSwitch<Value *>(name)
        .Case("eq", own)
        .Case("lt", below)
        .Case("le", upTo)
        .Case("ge", r.builder.CreateNot(below))
        .Default(r.builder.CreateNot(upTo));
  }
  // A clock that counts its readings.
  Value *address = r.builder.CreateConstInBoundsGEP1_64(r.builder.getInt8Ty(), r.block, offsetof(Block, clock));
  Value *next = r.builder.CreateAdd(r.builder.CreateLoad(r.builder.getInt64Ty(), address), r.builder.getInt64(1));
  r.builder.CreateStore(next, address);
  return r.builder.CreateZExtOrTrunc(next, call.getType());
}

static bool isKnownRegister(StringRef name) {
  auto [family, axis] = name.rsplit('.');
  if (axis == "x" || axis == "y" || axis == "z")
    return family == "tid" || family == "ntid" || family == "ctaid" || family == "nctaid";
  return StringSwitch<bool>(name)
      .Cases({"laneid", "warpsize", "warpid", "dynamic_smem_size", "total_smem_size"}, true)
      .Cases({"lanemask.eq", "lanemask.lt", "lanemask.le", "lanemask.ge", "lanemask.gt"}, true)
      .Cases({"clock", "clock64", "globaltimer", "globaltimer.lo"}, true)
      .Default(false);
}

static Value *ignore(Rewriter &, CallInst &, StringRef) { return nullptr; }
static Value *forward(Rewriter &, CallInst &call, StringRef) { return call.getArgOperand(0); }

static Value *fence(Rewriter &r, CallInst &, StringRef) {
  r.builder.CreateFence(AtomicOrdering::SequentiallyConsistent);
  return nullptr;
}

static Value *sleep(Rewriter &r, CallInst &, StringRef name) {
  r.call(spinOnce, r.addSite(name));
  return nullptr;
}

static Value *endThread(Rewriter &r, CallInst &call, StringRef) {
  BasicBlock *head = call.getParent();
  SplitBlock(head, &call);
  ReplaceInstWithInst(head->getTerminator(), ReturnInst::Create(call.getContext()));
  return nullptr;
}

static Value *loadUniform(Rewriter &r, CallInst &call, StringRef) {
  return r.builder.CreateLoad(call.getType(), call.getArgOperand(0));
}

/// atomic.OP.gen.[if].SCOPE
static Value *atomic(Rewriter &r, CallInst &call, StringRef name) {
  name.consume_front("atomic.");
  Value *address = call.getArgOperand(0), *value = call.getArgOperand(1);
  auto ordering = AtomicOrdering::Monotonic;
  if (name.starts_with("cas")) {
    Value *both =
        r.builder.CreateAtomicCmpXchg(address, value, call.getArgOperand(2), MaybeAlign(), ordering, ordering);
    return r.builder.CreateExtractValue(both, 0);
  }
  auto operation = StringSwitch<AtomicRMWInst::BinOp>(name.split('.').first)
                       .Case("add", call.getType()->isFloatingPointTy() ? AtomicRMWInst::FAdd : AtomicRMWInst::Add)
                       .Case("and", AtomicRMWInst::And)
                       .Case("or", AtomicRMWInst::Or)
                       .Case("xor", AtomicRMWInst::Xor)
                       .Case("exch", AtomicRMWInst::Xchg)
                       .Case("max", AtomicRMWInst::Max)
                       .Case("min", AtomicRMWInst::Min)
                       .Case("inc", AtomicRMWInst::UIncWrap)
                       .Default(AtomicRMWInst::UDecWrap);
  return r.builder.CreateAtomicRMW(operation, address, value, MaybeAlign(), ordering);
}

static Value *isShared(Rewriter &r, CallInst &call, StringRef name) {
  IRBuilder<> &b = r.builder;
  Value *base = r.loadField(r.block, offsetof(Block, shared), b.getPtrTy());
  Value *offset = b.CreateSub(r.pointerBits(call.getArgOperand(0)), r.pointerBits(base));
  Value *inside = b.CreateICmpULT(offset, r.loadField(r.block, offsetof(Block, sharedSize), b.getInt64Ty()));
  return name.ends_with("global") ? b.CreateNot(inside) : inside;
}

static Value *dependency(Rewriter &r, CallInst &, StringRef name) {
  r.call(waitForGrid, r.addSite(name));
  return nullptr;
}

Handler setun::nvptx::emulator::lookupRegister(StringRef name) {
  StringRef rest = name;
  if (rest.consume_front("read.ptx.sreg."))
    return isKnownRegister(rest) ? readRegister : nullptr;
  if (name == "griddepcontrol.wait")
    return dependency;
  if (name == "griddepcontrol.launch.dependents" || name.starts_with("prefetch") ||
      name.starts_with("applypriority.") || name.starts_with("discard.") || name.starts_with("pm.event") ||
      name.starts_with("setmaxnreg."))
    return ignore;
  if (name.starts_with("membar.") || name == "fence.sc.cluster" || name.starts_with("fence.proxy.async"))
    return fence;
  if (name.starts_with("move.") || name.starts_with("internal.addrspace.wrap"))
    return forward;
  if (name.starts_with("atomic."))
    return atomic;
  if (name.starts_with("ldu.global."))
    return loadUniform;
  if (name == "isspacep.shared" || name == "isspacep.global")
    return isShared;
  return StringSwitch<Handler>(name).Case("nanosleep", sleep).Case("exit", endThread).Default(nullptr);
}

/// red.ORDER.SCOPE.global.OP.TYPE [$0], $1;
static Value *reduction(Rewriter &r, CallInst &call, StringRef text) {
  bool isAdd = text.contains(".add.");
  bool isMax = text.contains(".max."), isSigned = text.contains(".s32") || text.contains(".s64");
  auto operation = isAdd   ? AtomicRMWInst::Add
                   : isMax ? (isSigned ? AtomicRMWInst::Max : AtomicRMWInst::UMax)
                           : (isSigned ? AtomicRMWInst::Min : AtomicRMWInst::UMin);
  Value *address = call.getArgOperand(0);
  if (!address->getType()->isPointerTy())
    address = r.builder.CreateIntToPtr(address, r.builder.getPtrTy(1));
  r.builder.CreateAtomicRMW(operation, address, call.getArgOperand(1), MaybeAlign(),
                            AtomicOrdering::SequentiallyConsistent);
  return nullptr;
}

static Value *loadAcquire(Rewriter &r, CallInst &call, StringRef) {
  Value *address = call.getArgOperand(0);
  if (!address->getType()->isPointerTy())
    address = r.builder.CreateIntToPtr(address, r.builder.getPtrTy(1));
  LoadInst *load = r.builder.CreateLoad(call.getType(), address);
  load->setAtomic(AtomicOrdering::SequentiallyConsistent);
  load->setAlignment(r.builder.GetInsertBlock()->getDataLayout().getABITypeAlign(call.getType()));
  return load;
}

static Value *storeRelease(Rewriter &r, CallInst &call, StringRef) {
  Value *address = call.getArgOperand(0), *value = call.getArgOperand(1);
  if (!address->getType()->isPointerTy())
    address = r.builder.CreateIntToPtr(address, r.builder.getPtrTy(1));
  StoreInst *store = r.builder.CreateStore(value, address);
  store->setAtomic(AtomicOrdering::SequentiallyConsistent);
  store->setAlignment(r.builder.GetInsertBlock()->getDataLayout().getABITypeAlign(value->getType()));
  return nullptr;
}

static Value *assemblyFloat(Rewriter &r, CallInst &call, StringRef text) {
  StringRef mnemonic = text.trim().split(' ').first;
  if (mnemonic.starts_with("tanh."))
    return r.callHost("tanhf", call.getType(), {call.getArgOperand(0)});
  mnemonic.consume_back(".f32");
  std::string name = (mnemonic + ".f").str();
  return lookupFloat(name)(r, call, name);
}

/// One instruction of PTX. What it does, not how its operands are written, decides: constraints have been checked when
/// it was made.
Handler setun::nvptx::emulator::lookupAssembly(StringRef text) {
  text = text.trim();
  text.consume_back(";");
  text = text.trim();
  if (text.contains(';'))
    return nullptr;
  StringRef mnemonic = text.split(' ').first;
  if (mnemonic.empty() || mnemonic == "griddepcontrol.launch_dependents")
    return ignore;
  if (mnemonic == "griddepcontrol.wait")
    return dependency;
  if (mnemonic.starts_with("fence.") || mnemonic.starts_with("membar."))
    return fence;
  bool whole = mnemonic.ends_with(".u32") || mnemonic.ends_with(".s32") || mnemonic.ends_with(".u64") ||
               mnemonic.ends_with(".b32") || mnemonic.ends_with(".b64");
  if (mnemonic.starts_with("red.") && whole &&
      (mnemonic.contains(".add.") || mnemonic.contains(".max.") || mnemonic.contains(".min.")))
    return reduction;
  if (mnemonic.starts_with("ld.acquire.") && whole)
    return loadAcquire;
  if (mnemonic.starts_with("st.release.") && whole)
    return storeRelease;
  if (mnemonic == "tanh.approx.f32")
    return assemblyFloat;
  for (StringRef known : {"ex2.approx.f32", "ex2.approx.ftz.f32", "lg2.approx.f32", "lg2.approx.ftz.f32",
                          "rsqrt.approx.f32", "rsqrt.approx.ftz.f32", "rcp.approx.ftz.f32", "sqrt.approx.f32"})
    if (mnemonic == known)
      return assemblyFloat;
  return nullptr;
}
