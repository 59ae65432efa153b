//===- PersistentParameters.cpp - Parameters, read where they are used ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launched kernel's parameters are constants that instructions name; those of a body of the persistent kernel lie in
// shared memory, and attention has more of them than there are registers to hold them from its begin on. So what the
// optimizer has left at the top, and what little it has made of it there, is read and made again in front of each use,
// but not in a loop without loops in it: in front of that. The reads are volatile, so that no later pass puts them
// together again. The number of a thread is made of such a read, too.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/PersistentKernel.h"

#include "PersistentLoop.h"

#include "setun-rt/abi.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace setun;
using namespace setun::nvptx;

/// The most instructions that are done again to make a value where it is used.
constexpr unsigned kMostAgain = 16;

namespace {

/// Whether a value is `step` at a distance that is known.
bool pointsInto(Value *address, Argument *step) {
  const DataLayout &layout = step->getParent()->getDataLayout();
  APInt offset(layout.getIndexTypeSizeInBits(address->getType()), 0);
  return address->stripAndAccumulateConstantOffsets(layout, offset, /*AllowNonInbounds=*/true) == step;
}

/// Where a parameter that `use` needs is read.
Instruction *placeFor(Use &use, const LoopInfo &loops) {
  auto *user = cast<Instruction>(use.getUser());
  auto *phi = dyn_cast<PHINode>(user);
  Instruction *place = phi ? phi->getIncomingBlock(use)->getTerminator() : user;
  const Loop *loop = loops.getLoopFor(place->getParent());
  if (loop && loop->isInnermost())
    if (BasicBlock *before = loop->getLoopPreheader())
      return before->getTerminator();
  return place;
}

/// Makes `value` again in front of all its uses, once for each block.
void makeWhereUsed(Value *value, const LoopInfo &loops, function_ref<Value *(Instruction *)> make) {
  MapVector<BasicBlock *, SmallVector<std::pair<Use *, Instruction *>>> places;
  for (Use &use : value->uses()) {
    Instruction *place = placeFor(use, loops);
    places[place->getParent()].push_back({&use, place});
  }
  for (auto &[block, uses] : places) {
    Instruction *first = uses.front().second;
    for (auto [use, place] : uses)
      if (place->comesBefore(first))
        first = place;
    Value *again = make(first);
    for (auto [use, place] : uses)
      use->set(again);
  }
  if (auto *instruction = dyn_cast<Instruction>(value))
    instruction->eraseFromParent();
}

struct BodyReader {
  Function &function;
  Argument *step = function.getArg(kStep);
  unsigned threads = function.getArg(kThread)->getRange()->getUpper().getZExtValue();
  DominatorTree dominators{function};
  LoopInfo loops{dominators};
  SmallVector<LoadInst *> loads = {};   // parameters, as the optimizer has left them
  SmallVector<Instruction *> sums = {}; // what is cheap to make of them, operands first
  DenseMap<Value *, unsigned> sizes{};  // of both: instructions that make it

  /// How many instructions make it; none if that is not cheap, or not of parameters alone.
  std::optional<unsigned> sizeOf(Instruction &instruction) {
    if (!isa<CastInst, GetElementPtrInst, ICmpInst, SelectInst, BinaryOperator>(instruction) ||
        instruction.isIntDivRem() || instruction.getType()->isVectorTy())
      return std::nullopt;
    unsigned size = 1;
    for (Value *operand : instruction.operands()) {
      auto found = sizes.find(operand);
      if (found != sizes.end())
        size += found->second;
      else if (!isa<Constant, Argument>(operand))
        return std::nullopt;
    }
    return size <= kMostAgain ? std::optional(size) : std::nullopt;
  }

  void find() {
    for (BasicBlock *block : ReversePostOrderTraversal(&function))
      for (Instruction &instruction : *block) {
        auto *load = dyn_cast<LoadInst>(&instruction);
        if (load && load->isSimple() && pointsInto(load->getPointerOperand(), step)) {
          loads.push_back(load);
          sizes[load] = 1;
        } else if (std::optional<unsigned> size = sizeOf(instruction)) {
          sums.push_back(&instruction);
          sizes[&instruction] = *size;
        }
      }
  }

  void readWhereUsed() {
    find();
    for (Instruction *sum : llvm::reverse(sums)) // users first, whose operands are made at their new places then
      makeWhereUsed(sum, loops, [&](Instruction *place) {
        Instruction *again = sum->clone();
        again->insertBefore(place->getIterator());
        return again;
      });
    for (LoadInst *load : loads)
      makeWhereUsed(load, loops, [&](Instruction *place) { return readParameter(load, place); });
    if (!isPowerOf2_32(threads))
      return;
    makeWhereUsed(function.getArg(kThread), loops, [&](Instruction *place) {
      IRBuilder<> builder(place);
      auto [number, mask] = readThread(builder);
      return builder.CreateAnd(number, mask);
    });
    makeWhereUsed(function.getArg(kTeam), loops, [&](Instruction *place) {
      IRBuilder<> builder(place);
      auto [number, mask] = readThread(builder);
      return builder.CreateLShr(builder.CreateAnd(number, builder.CreateNot(mask)), Log2_32(threads));
    });
  }

  /// The thread's number in its block, and a mask for that in its team. What is made of a number that can be read at
  /// any time would be made at the top; so the mask comes from the step.
  std::pair<Value *, Value *> readThread(IRBuilder<> &builder) {
    Value *address = builder.CreatePtrAdd(step, builder.getInt32(offsetof(setun_device_step, threads)));
    Value *size = builder.CreateAlignedLoad(builder.getInt32Ty(), address, Align(4), /*isVolatile=*/true);
    return {builder.CreateIntrinsic(Intrinsic::nvvm_read_ptx_sreg_tid_x, {}),
            builder.CreateSub(size, builder.getInt32(1))};
  }

  Value *readParameter(LoadInst *load, Instruction *place) {
    const DataLayout &layout = function.getDataLayout();
    APInt offset(layout.getIndexTypeSizeInBits(step->getType()), 0);
    load->getPointerOperand()->stripAndAccumulateConstantOffsets(layout, offset, /*AllowNonInbounds=*/true);
    IRBuilder<> builder(place);
    Value *address = builder.CreatePtrAdd(step, builder.getInt(offset));
    return builder.CreateAlignedLoad(load->getType(), address, load->getAlign(), /*isVolatile=*/true);
  }
};

} // namespace

void nvptx::sinkPersistentParameters(Module &code) {
  for (Function &function : code)
    if (function.getName().starts_with(kPersistentBody)) {
      BodyReader{function}.readWhereUsed();
      function.setLinkage(GlobalValue::InternalLinkage);
    }
}
