//===- PersistentTest.cpp - One launch does what many do -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Steps that each need all of the one before, by teams of several sizes; and kernels in which the barrier between
// steps is broken, which must be noticed.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "setun/Target/NVPTX/PersistentKernel.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "setun-rt/abi.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace llvm;
using namespace setun::nvptx;

namespace {

/// y[i] = x[(i + 97) % n] + 1, through shared memory, by the thread that stands opposite. `early` counts its blocks
/// before it waits.
const char *kSteps = R"(
@wide = internal addrspace(3) global [128 x i32] poison, align 16
@narrow = internal addrspace(3) global [32 x i32] poison, align 16
declare void @llvm.nvvm.griddepcontrol.wait()
declare void @llvm.nvvm.griddepcontrol.launch.dependents()
define ptx_kernel void @turn(ptr %frame, ptr %x, ptr %y, i32 %n) #0 {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %base = mul i32 %b, 128
  %i = add i32 %base, %t
  %far = add i32 %i, 97
  %from = urem i32 %far, %n
  call void @llvm.nvvm.griddepcontrol.launch.dependents()
  call void @llvm.nvvm.griddepcontrol.wait()
  %px = getelementptr i32, ptr %x, i32 %from
  %v = load i32, ptr %px
  %w = add i32 %v, 1
  %ps = getelementptr i32, ptr addrspace(3) @wide, i32 %t
  store i32 %w, ptr addrspace(3) %ps
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %u = sub i32 127, %t
  %pu = getelementptr i32, ptr addrspace(3) @wide, i32 %u
  %r = load i32, ptr addrspace(3) %pu
  %o = add i32 %base, %u
  %in = icmp ult i32 %o, %n
  br i1 %in, label %write, label %done
write:
  %py = getelementptr i32, ptr %y, i32 %o
  store i32 %r, ptr %py
  br label %done
done:
  ret void
}
define ptx_kernel void @narrowly(ptr %frame, ptr %x, ptr %y, i32 %n) #1 {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %base = mul i32 %b, 32
  %i = add i32 %base, %t
  %far = add i32 %i, 97
  %from = urem i32 %far, %n
  %px = getelementptr i32, ptr %x, i32 %from
  %v = load i32, ptr %px
  %w = add i32 %v, 1
  %ps = getelementptr i32, ptr addrspace(3) @narrow, i32 %t
  store i32 %w, ptr addrspace(3) %ps
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %u = xor i32 %t, 31
  %pu = getelementptr i32, ptr addrspace(3) @narrow, i32 %u
  %r = load i32, ptr addrspace(3) %pu
  %o = add i32 %base, %u
  %in = icmp ult i32 %o, %n
  br i1 %in, label %write, label %done
write:
  %py = getelementptr i32, ptr %y, i32 %o
  store i32 %r, ptr %py
  br label %done
done:
  ret void
}
define ptx_kernel void @never(ptr %frame) {
  ret void
}
attributes #0 = { "nvvm.reqntid"="128" }
attributes #1 = { "nvvm.reqntid"="32,1,1" }
)";

struct Made {
  std::string bitcode;
  std::vector<uint32_t> forms;
};

/// With the persistent kernel, changed by `mutate`.
Made make(function_ref<void(Module &)> mutate = nullptr) {
  LLVMContext context;
  SMDiagnostic problem;
  auto module = parseAssemblyString((kernels::kHeader + std::string(kSteps)), problem, context);
  EXPECT_NE(module, nullptr) << problem.getMessage().str();
  Made made;
  std::vector<std::string> names{"turn", "narrowly", "never"};
  SmallVector<bool> excluded(3, false);
  made.forms = cantFail(addPersistentKernel(*module, names, excluded));
  if (mutate)
    mutate(*module);
  raw_string_ostream stream(made.bitcode);
  WriteBitcodeToFile(*module, stream);
  return made;
}

struct Params {
  void *frame;
  const uint32_t *x;
  uint32_t *y;
  uint32_t n;
};

/// Runs `steps` steps on `blocks` blocks, twice. Whether both runs are right.
bool runs(const Made &made, uint32_t n, unsigned steps, uint32_t blocks, uint64_t seed, std::string *why = nullptr) {
  EmulatorOptions options;
  options.checkRaces = true;
  options.seed = seed;
  auto emulator = cantFail(DeviceEmulator::load(made.bitcode, options));
  std::vector<uint32_t> counters(2 * SETUN_DEVICE_STEPS, 0);
  std::fill(counters.begin() + SETUN_DEVICE_STEPS, counters.end(), 7); // what an earlier launch has left
  for (uint32_t half : {0, 1}) {
    std::vector<uint32_t> expected(n), x(n), y(n, 0xdead);
    for (uint32_t i = 0; i < n; ++i)
      expected[i] = x[i] = i * 2654435761u;
    constexpr size_t kSize = sizeof(setun_device_step) + sizeof(Params);
    static_assert(kSize % 16 == 0);
    std::vector<uint8_t> list(steps * kSize);
    for (unsigned step = 0; step < steps; ++step) {
      unsigned kernel = step % 3 == 1;
      uint32_t form = made.forms[kernel], threads = form & 0xffff;
      setun_device_step head = {kernel, step + 1 < steps ? uint32_t(kSize) : 0, threads, form >> 16, {}, 0};
      head.grid[0] = (n + threads - 1) / threads;
      head.grid[1] = head.grid[2] = 1;
      Params params = {nullptr, step % 2 ? y.data() : x.data(), step % 2 ? x.data() : y.data(), n};
      memcpy(&list[step * kSize], &head, sizeof head);
      memcpy(&list[step * kSize + sizeof head], &params, sizeof params);
      std::vector<uint32_t> next(n);
      for (uint32_t i = 0; i < n; ++i)
        next[i] = expected[(i + 97) % n] + 1;
      expected = next;
    }
    struct {
      void *frame, *list, *counters;
      uint32_t first, half;
    } params = {nullptr, list.data(), counters.data(), kSize, half};
    if (Error error = emulator->launch(kPersistentKernel, {blocks, 1, 1}, {256, 1, 1}, 0, &params, sizeof params)) {
      std::string text = toString(std::move(error));
      if (why)
        *why = text;
      return false;
    }
    if ((steps % 2 ? y : x) != expected)
      return false;
    for (uint32_t i = 0; i < SETUN_DEVICE_STEPS; ++i)
      if (counters[(1 - half) * SETUN_DEVICE_STEPS + i])
        return false;
  }
  return true;
}

/// Some seed notices it.
bool isNoticed(function_ref<void(Module &)> mutate) {
  Made made = make(mutate);
  for (uint64_t seed = 0; seed < 9; ++seed)
    for (uint32_t blocks : {4, 1})
      if (!runs(made, 777, 9, blocks, seed))
        return true;
  return false;
}

Instruction *find(Module &module, StringRef function, function_ref<bool(Instruction &)> is) {
  for (Instruction &instruction : instructions(*module.getFunction(function)))
    if (is(instruction))
      return &instruction;
  return nullptr;
}

} // namespace

TEST(Persistent, DoesWhatLaunchesDo) {
  Made made = make();
  ASSERT_EQ(made.forms, (std::vector<uint32_t>{128 | 2 << 16, 32 | 8 << 16, 0}));
  std::string why;
  for (uint64_t seed = 0; seed < 9; ++seed)
    for (uint32_t blocks : {1, 3, 7})
      EXPECT_TRUE(runs(made, 777, 9, blocks, seed, &why)) << seed << ", " << blocks << " blocks: " << why;
  EXPECT_TRUE(runs(made, 5, 1, 2, 0, &why)) << why;
}

TEST(Persistent, NothingToDo) {
  LLVMContext context;
  SMDiagnostic problem;
  auto module = parseAssemblyString((kernels::kHeader + std::string(kSteps)), problem, context);
  EXPECT_TRUE(cantFail(addPersistentKernel(*module, {"turn", "narrowly", "never"}, {true, false, false})).empty());
  EXPECT_EQ(module->getFunction(kPersistentKernel), nullptr);
}

TEST(Persistent, MutantsAreNoticed) {
  // Nobody waits for the step before.
  EXPECT_TRUE(isNoticed([](Module &module) {
    auto *early = find(module, "setun.wait", [](Instruction &i) { return i.getName() == "early"; });
    early->replaceAllUsesWith(ConstantInt::getFalse(module.getContext()));
  }));
  // One block fewer is waited for.
  EXPECT_TRUE(isNoticed([](Module &module) {
    auto *arrivals = find(module, kPersistentKernel, [](Instruction &i) { return i.getName() == "arrivals"; });
    auto *fewer = BinaryOperator::CreateSub(arrivals, ConstantInt::get(arrivals->getType(), 1), "fewer",
                                            std::next(arrivals->getIterator()));
    arrivals->replaceUsesWithIf(fewer, [&](Use &use) { return use.getUser() != fewer; });
  }));
  // Nobody says that it is through.
  EXPECT_TRUE(isNoticed([](Module &module) {
    find(module, kPersistentKernel, [](Instruction &i) { return isa<AtomicRMWInst>(i); })->eraseFromParent();
  }));
  // A block says so before all of its teams are.
  EXPECT_TRUE(isNoticed([](Module &module) {
    Instruction *last = nullptr;
    for (Instruction &instruction : instructions(*module.getFunction(kPersistentKernel)))
      if (auto *call = dyn_cast<CallInst>(&instruction);
          call && call->getCalledFunction()->getName() == "llvm.nvvm.barrier.cta.sync.aligned.all")
        last = &instruction;
    last->eraseFromParent();
  }));
  // The first of a team does not let the others know.
  EXPECT_TRUE(isNoticed([](Module &module) {
    find(module, "setun.wait", [](Instruction &i) { return isa<CallInst>(i); })->eraseFromParent();
  }));
  // A block of a team begins before the one in front of it ends.
  EXPECT_TRUE(isNoticed([](Module &module) {
    find(module, kPersistentKernel, [](Instruction &i) {
      auto *call = dyn_cast<CallInst>(&i);
      return call && call->getCalledFunction()->getName() == "llvm.nvvm.barrier.cta.sync.aligned.count";
    })->eraseFromParent();
  }));
  // The counters of the launch before stay as they are.
  EXPECT_TRUE(isNoticed([](Module &module) {
    find(module, kPersistentKernel, [](Instruction &i) {
      return isa<StoreInst>(i) && i.getParent()->getName() == "cleaning";
    })->eraseFromParent();
  }));
}
