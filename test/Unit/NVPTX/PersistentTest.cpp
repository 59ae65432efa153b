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

/// y[i] = x[(i + 97) % n] + 1, through shared memory, by the thread that stands opposite.
const char *kTurn = R"(
@memory<T> = internal addrspace(3) global [<T> x i32] poison, align 16
define ptx_kernel void @turn<T>(ptr %frame, ptr %x, ptr %y, i32 %n) "nvvm.reqntid"="<T>,1,1" {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %base = mul i32 %b, <T>
  %i = add i32 %base, %t
  %far = add i32 %i, 97
  %from = urem i32 %far, %n
  <WAIT>
  %px = getelementptr i32, ptr %x, i32 %from
  %v = load i32, ptr %px
  %w = add i32 %v, 1
  %ps = getelementptr i32, ptr addrspace(3) @memory<T>, i32 %t
  store i32 %w, ptr addrspace(3) %ps
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %u = sub i32 <LAST>, %t
  %pu = getelementptr i32, ptr addrspace(3) @memory<T>, i32 %u
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
)";

/// Its sum over a row of x is written by the last of a loop without loops in it.
const char *kOther = R"(
declare void @llvm.nvvm.griddepcontrol.wait()
declare void @llvm.nvvm.griddepcontrol.launch.dependents()
define ptx_kernel void @never(ptr %frame) {
  ret void
}
define ptx_kernel void @sum(ptr %frame, ptr %x, ptr %y, i32 %n) "nvvm.reqntid"="32" {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %i1, %loop ]
  %s = phi i32 [ 0, %entry ], [ %s1, %loop ]
  %p = getelementptr i32, ptr %x, i32 %i
  %v = load i32, ptr %p
  %s1 = add i32 %s, %v
  %i1 = add i32 %i, 1
  %more = icmp ult i32 %i1, %n
  br i1 %more, label %loop, label %write
write:
  store i32 %s1, ptr %y
  ret void
}
)";

/// The kernels. The one of 128 threads does some of its work before it waits.
std::string getText() {
  std::string text = kernels::kHeader + std::string(kOther);
  for (unsigned threads : {128, 32, 96}) {
    std::string turn = kTurn;
    const std::pair<StringRef, std::string> parts[] = {
        {"<T>", std::to_string(threads)},
        {"<LAST>", std::to_string(threads - 1)},
        {"<WAIT>", threads == 128 ? "call void @llvm.nvvm.griddepcontrol.launch.dependents()\n"
                                    "  call void @llvm.nvvm.griddepcontrol.wait()"
                                  : ""}};
    for (const auto &[name, part] : parts)
      for (size_t at; (at = turn.find(name.str())) != std::string::npos;)
        turn.replace(at, name.size(), part);
    text += turn;
  }
  return text;
}

const std::vector<std::string> kNames = {"turn128", "turn32", "turn96", "never"};

std::unique_ptr<Module> parse(LLVMContext &context) {
  SMDiagnostic problem;
  auto module = parseAssemblyString(getText(), problem, context);
  EXPECT_NE(module, nullptr) << problem.getMessage().str();
  return module;
}

struct Made {
  std::string bitcode;
  std::vector<uint32_t> forms;
};

/// With the persistent kernel, changed by `mutate`.
Made make(function_ref<void(Module &)> mutate = nullptr) {
  LLVMContext context;
  auto module = parse(context);
  Made made;
  made.forms = cantFail(addPersistentKernel(*module, kNames, SmallVector<bool>(kNames.size(), false)));
  sinkPersistentParameters(*module);
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
      unsigned kernel = step % 3;
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
  ASSERT_EQ(made.forms, (std::vector<uint32_t>{128 | 2 << 16, 32 | 8 << 16, 96 | 2 << 16, 0}));
  std::string why;
  for (uint64_t seed = 0; seed < 9; ++seed)
    for (uint32_t blocks : {1, 3, 7})
      EXPECT_TRUE(runs(made, 777, 9, blocks, seed, &why)) << seed << ", " << blocks << " blocks: " << why;
  EXPECT_TRUE(runs(made, 5, 1, 2, 0, &why)) << why;
}

TEST(Persistent, NothingToDo) {
  LLVMContext context;
  auto module = parse(context);
  EXPECT_TRUE(cantFail(addPersistentKernel(*module, {"turn128", "turn32", "never"}, {true, false, false})).empty());
  EXPECT_EQ(module->getFunction(kPersistentKernel), nullptr);
}

TEST(Persistent, ParametersHoldNoRegisters) {
  LLVMContext context;
  auto module = parse(context);
  cantFail(addPersistentKernel(*module, {"sum", "turn32"}, {false, false}));
  sinkPersistentParameters(*module);
  Function &body = *module->getFunction((kPersistentBody + "sum").str());
  EXPECT_TRUE(body.hasLocalLinkage());
  StringMap<unsigned> reads; // parameters and what a step says, by block
  for (Instruction &instruction : instructions(body))
    if (auto *load = dyn_cast<LoadInst>(&instruction); load && load->getPointerAddressSpace() == 3) {
      EXPECT_TRUE(load->isVolatile());
      ++reads[load->getParent()->getName()];
    }
  EXPECT_EQ(reads["entry"], 2u); // x, n: of the loop
  EXPECT_EQ(reads["loop"], 0u);
  EXPECT_EQ(reads["write"], 1u); // y
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
