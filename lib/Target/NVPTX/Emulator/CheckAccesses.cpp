//===- CheckAccesses.cpp - Checks before loads and stores -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A site remembers the range that its last access fell into, so that the next one
// costs a compare. Only what is new goes through the table of allocations.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

namespace {
struct Place {
  Instruction *instruction;
  Value *pointer;
  Value *bytes; // null: `size`
  uint64_t size, align;
  const char *what;
  Access kind;
};
} // namespace

static void collect(Instruction &instruction, SmallVectorImpl<Place> &accesses) {
  const DataLayout &layout = instruction.getDataLayout();
  auto add = [&](Value *pointer, Type *type, Align align, const char *what, Access kind) {
    accesses.push_back({&instruction, pointer, nullptr, layout.getTypeStoreSize(type), align.value(), what,
                        instruction.isAtomic() ? Access::Atomic : kind});
  };
  if (auto *load = dyn_cast<LoadInst>(&instruction))
    add(load->getPointerOperand(), load->getType(), load->getAlign(), "load", Access::Load);
  else if (auto *store = dyn_cast<StoreInst>(&instruction))
    add(store->getPointerOperand(), store->getValueOperand()->getType(), store->getAlign(), "store", Access::Store);
  else if (auto *atomic = dyn_cast<AtomicRMWInst>(&instruction))
    add(atomic->getPointerOperand(), atomic->getType(), atomic->getAlign(), "atomicrmw", Access::Atomic);
  else if (auto *exchange = dyn_cast<AtomicCmpXchgInst>(&instruction))
    add(exchange->getPointerOperand(), exchange->getNewValOperand()->getType(), exchange->getAlign(), "cmpxchg",
        Access::Atomic);
  else if (auto *memory = dyn_cast<MemIntrinsic>(&instruction)) {
    accesses.push_back({memory, memory->getDest(), memory->getLength(), 0, memory->getDestAlign().valueOrOne().value(),
                        isa<MemSetInst>(memory) ? "memset" : "memcpy to", Access::Store});
    if (auto *transfer = dyn_cast<MemTransferInst>(memory))
      accesses.push_back({memory, transfer->getSource(), memory->getLength(), 0,
                          transfer->getSourceAlign().valueOrOne().value(), "memcpy from", Access::Load});
  }
}

/// Whether the machine itself made the access, or it goes to the thread's own stack.
static bool isOwn(const Place &access, Rewriter &rewriter) {
  const Value *object = getUnderlyingObject(access.pointer, /*MaxLookup=*/0);
  if (isa<AllocaInst>(object) || object == rewriter.thread || object == rewriter.block)
    return true;
  return isa<Argument>(object) /* parameters */ || access.instruction->hasMetadata("setun.machine");
}

/// Of an atomic access, of a cmpxchg when it succeeds. NVPTX makes a plain atom of any atomicrmw, whose ordering is
/// lost: it counts as none.
static AtomicOrdering getOrdering(const Instruction &instruction) {
  if (auto *load = dyn_cast<LoadInst>(&instruction))
    return load->getOrdering();
  if (auto *store = dyn_cast<StoreInst>(&instruction))
    return store->getOrdering();
  if (auto *exchange = dyn_cast<AtomicCmpXchgInst>(&instruction))
    return exchange->getSuccessOrdering();
  return isa<AtomicRMWInst>(instruction) ? AtomicOrdering::Monotonic : AtomicOrdering::NotAtomic;
}

/// Whether other blocks are behind it as well.
static bool isOfDevice(const FenceInst &fence) {
  SmallVector<StringRef, 8> names;
  fence.getContext().getSyncScopeNames(names);
  StringRef name = names[fence.getSyncScopeID()];
  return name.empty() || name == "device";
}

void setun::nvptx::emulator::checkAccesses(Function &function, Rewriter &r) {
  if (r.kernel.checksRaces)
    for (Instruction &instruction : make_early_inc_range(instructions(function)))
      if (auto *fence = dyn_cast<FenceInst>(&instruction); fence && isOfDevice(*fence)) {
        r.builder.SetInsertPoint(fence);
        r.call(fenceGlobal, r.addSite("fence"));
      }
  SmallVector<Place> accesses;
  for (Instruction &instruction : instructions(function))
    collect(instruction, accesses);
  erase_if(accesses, [&](const Place &access) { return isOwn(access, r); });
  IRBuilder<> &b = r.builder;
  MDNode *unlikely = MDBuilder(function.getContext()).createUnlikelyBranchWeights();
  auto *entryPoint = cast<Instruction>(r.block)->getNextNode();
  b.SetInsertPoint(entryPoint);
  Value *cache = r.loadField(r.block, offsetof(Block, cache), b.getPtrTy());
  Value *shared = r.loadField(r.block, offsetof(Block, shared), b.getInt64Ty());
  Value *sharedSize = r.loadField(r.block, offsetof(Block, sharedSize), b.getInt64Ty());
  for (Place &access : accesses) {
    b.SetInsertPoint(access.instruction);
    Site &site = r.addSite(access.what);
    site.bytes = access.size;
    site.align = access.align;
    Value *address = r.pointerBits(access.pointer);
    bool isShared = access.pointer->getType()->getPointerAddressSpace() == 3;
    Value *bad = nullptr;
    if (isShared) {
      Value *bytes = access.bytes ? b.CreateZExtOrTrunc(access.bytes, b.getInt64Ty()) : b.getInt64(access.size);
      Value *offset = b.CreateSub(address, shared);
      bad = b.CreateOr(b.CreateICmpUGT(offset, b.CreateSub(sharedSize, bytes)), b.CreateICmpULT(sharedSize, bytes));
    } else if (!access.bytes) {
      site.index = r.kernel.numChecks++;
      Value *entry = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), cache, sizeof(Checked) * site.index);
      Value *offset = b.CreateSub(address, r.loadField(entry, offsetof(Checked, begin), b.getInt64Ty(), false));
      bad = b.CreateICmpUGE(offset, r.loadField(entry, offsetof(Checked, size), b.getInt64Ty(), false));
    }
    if (bad && access.align > 1)
      bad = b.CreateOr(bad, b.CreateICmpNE(b.CreateAnd(address, access.align - 1), b.getInt64(0)));
    if (r.kernel.checksRaces) {
      Site &race = r.addSite(access.what);
      race.bytes = access.size;
      race.mode = static_cast<int>(access.kind);
      AtomicOrdering ordering = getOrdering(*access.instruction);
      race.writes = access.instruction->mayWriteToMemory() && !isa<LoadInst>(access.instruction);
      race.acquires = isAcquireOrStronger(ordering);
      race.releases = isReleaseOrStronger(ordering);
      r.pass(0, address);
      if (access.bytes)
        r.pass(2, b.CreateZExtOrTrunc(access.bytes, b.getInt64Ty()));
      r.call(touch, race);
    }
    if (bad)
      b.SetInsertPoint(SplitBlockAndInsertIfThen(bad, access.instruction, /*Unreachable=*/false, unlikely));
    r.pass(0, address);
    if (access.bytes)
      r.pass(2, b.CreateZExtOrTrunc(access.bytes, b.getInt64Ty()));
    r.call(isShared ? failShared : checkSlowly, site);
  }
}
