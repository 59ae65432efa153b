//===- RewriteGroups.cpp - Calls of products of four warps -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma in the forms that DeviceGroupMatrix.cpp writes, as inline assembly: its fence and its last wait have registers
// as operands and results, the same ones. So what is ordered by a fence can be told from the code alone: registers that
// a product takes come out of one, or, if they are sums, of another product.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static constexpr StringLiteral kFence = "wgmma.fence.sync.aligned;", kWait = "wgmma.wait_group.sync.aligned ",
                               kProduct = "wgmma.mma_async.sync.aligned.m64n";

/// N of a product, or 0: not one in the very form that is known.
static unsigned columnsOf(StringRef text) {
  StringRef rest = text;
  unsigned columns = 0;
  if (!rest.consume_front(kProduct) || rest.consumeInteger(10, columns) || columns < 8 || columns > 256 ||
      columns % (columns > 32 ? 16 : 8))
    return 0;
  unsigned count = columns / 2;
  std::string expected = kProduct.str() + std::to_string(columns) + "k32.s32.s8.s8 {";
  for (unsigned i = 0; i < count; ++i)
    expected += (i ? ", $" : "$") + std::to_string(i);
  expected += "}, {";
  for (unsigned i = 0; i < 4; ++i)
    expected += (i ? ", $" : "$") + std::to_string(count + i);
  expected += "}, $" + std::to_string(count + 4) + ", 1;";
  return text == expected ? columns : 0;
}

static StringRef textOf(const Value *value) {
  auto *call = dyn_cast<CallInst>(value);
  auto *assembly = call ? dyn_cast<InlineAsm>(call->getCalledOperand()) : nullptr;
  return assembly ? assembly->getAsmString() : StringRef();
}

/// Whether a register comes out of a fence, on every way; or out of a product, if `sums`.
static bool isOrdered(const Value *value, bool sums, SmallPtrSetImpl<const Value *> &seen) {
  if (auto *phi = dyn_cast<PHINode>(value)) {
    if (!seen.insert(phi).second)
      return true;
    return all_of(phi->incoming_values(), [&](const Use &use) { return isOrdered(use.get(), sums, seen); });
  }
  auto *extract = dyn_cast<ExtractValueInst>(value);
  StringRef text = extract ? textOf(extract->getAggregateOperand()) : "";
  return text == kFence || (sums && columnsOf(text));
}

Error setun::nvptx::emulator::checkGroups(const Function &function) {
  for (const Instruction &instruction : instructions(function))
    if (unsigned columns = columnsOf(textOf(&instruction))) {
      auto &call = cast<CallInst>(instruction);
      for (unsigned i = 0; i < call.arg_size(); ++i) {
        SmallPtrSet<const Value *, 16> seen;
        bool isSum = i > 4;
        if (i != 4 && !isOrdered(call.getArgOperand(i), isSum, seen))
          return createStringError("'" + function.getName() + "': wgmma.mma_async with " + Twine(columns) +
                                   " columns takes a register of " + (isSum ? "sums" : "A") +
                                   " that has not come through wgmma.fence");
      }
    }
  return Error::success();
}

/// Words in memory of the function, for as long as it runs.
static AllocaInst *addWords(Rewriter &r, unsigned count) {
  Function *function = r.builder.GetInsertBlock()->getParent();
  IRBuilder<> entry(&function->getEntryBlock(), function->getEntryBlock().getFirstInsertionPt());
  r.kernel.stackBytes += 4 * count + 16;
  return entry.CreateAlloca(ArrayType::get(entry.getInt32Ty(), count));
}

/// Puts operands from `first` on into memory, calls, and takes the results from there.
static Value *callWithRegisters(Rewriter &r, CallInst &call, unsigned first, unsigned slot, Site &site,
                                void (*function)(Thread *, const Site *)) {
  IRBuilder<> &b = r.builder;
  auto *type = cast<StructType>(call.getType());
  unsigned count = type->getNumElements();
  AllocaInst *words = addWords(r, count);
  auto at = [&](unsigned i) { return b.CreateConstInBoundsGEP1_32(b.getInt32Ty(), words, i); };
  for (unsigned i = 0; i < count; ++i)
    b.CreateStore(call.getArgOperand(first + i), at(i));
  r.pass(slot, words);
  r.call(function, site);
  SmallVector<Value *> results;
  for (unsigned i = 0; i < count; ++i)
    results.push_back(b.CreateLoad(b.getInt32Ty(), at(i)));
  return r.pack(type, results);
}

static Value *passThrough(Rewriter &r, CallInst &call, StringRef) {
  SmallVector<Value *> registers(call.args());
  return r.pack(call.getType(), registers);
}

static Value *multiply(Rewriter &r, CallInst &call, StringRef text) {
  Site &site = r.addSite(text.split(' ').first);
  site.mode = columnsOf(text);
  for (unsigned i = 0; i < 5; ++i)
    r.pass(i, call.getArgOperand(i));
  return callWithRegisters(r, call, 5, 6, site, multiplyGroup);
}

static Value *awaitSums(Rewriter &r, CallInst &call, StringRef text) {
  unsigned groups = 0;
  text.drop_front(kWait.size()).consumeInteger(10, groups);
  r.pass(0, groups);
  r.pass(4, uint32_t(call.arg_size()));
  return callWithRegisters(r, call, 0, 2, r.addSite("wgmma.wait_group"), waitProducts);
}

static Value *await(Rewriter &r, CallInst &call, StringRef name) {
  r.pass(0, r.builder.CreateTrunc(call.getArgOperand(0), r.builder.getInt32Ty()));
  r.pass(4, 0u);
  r.call(waitProducts, r.addSite(name));
  return nullptr;
}

static Value *commit(Rewriter &r, CallInst &, StringRef name) {
  r.call(commitProducts, r.addSite(name));
  return nullptr;
}

static Value *release(Rewriter &r, CallInst &, StringRef name) {
  r.call(releaseShared, r.addSite(name));
  return nullptr;
}

Handler setun::nvptx::emulator::lookupGroup(StringRef name) {
  if (name == "wgmma.commit_group.sync.aligned")
    return commit;
  if (name == "wgmma.wait_group.sync.aligned")
    return await;
  return name == "fence.proxy.async.shared_cta" ? release : nullptr;
}

Handler setun::nvptx::emulator::lookupGroupAssembly(StringRef text) {
  if (text == kFence)
    return passThrough;
  unsigned groups = 0;
  if (StringRef rest = text; rest.consume_front(kWait) && !rest.consumeInteger(10, groups) && rest == ";")
    return awaitSums;
  return columnsOf(text) ? multiply : nullptr;
}
