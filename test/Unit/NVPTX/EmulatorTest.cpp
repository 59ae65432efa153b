//===- EmulatorTest.cpp - Right kernels pass, wrong ones are caught -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each kernel runs under several seeds. Each mutant of it, a text replaced by another,
// must fail under one of few: by an error or by a wrong result.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using kernels::assemble;

/// Memory of the device: vectors with their ranges, not to be read beyond.
struct Buffers {
  std::vector<MemoryRange> ranges;
  template <class T> uint64_t add(std::vector<T> &values) {
    ranges.push_back({reinterpret_cast<uint64_t>(values.data()), values.size() * sizeof(T)});
    return ranges.back().begin;
  }
};

/// A kernel, how it is launched, and what it must have done: "" or what is wrong.
using Run = std::string (*)(DeviceEmulator &emulator);

static std::string launched(Error error) { return error ? toString(std::move(error)) : ""; }

static std::string differ(uint64_t index) { return "wrong at " + std::to_string(index); }

static std::string runReduce(DeviceEmulator &emulator) {
  std::vector<int32_t> in(3 * 256), out(3);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = i * i % 1001 - 300;
  Buffers buffers;
  uint64_t params[] = {buffers.add(in), buffers.add(out)};
  emulator.setMemory(buffers.ranges);
  std::string message = launched(emulator.launch("reduce", {3, 1, 1}, {256, 1, 1}, 0, params, sizeof params));
  for (size_t b = 0; message.empty() && b < out.size(); ++b) {
    int32_t sum = 0;
    for (size_t i = 0; i < 256; ++i)
      sum += in[256 * b + i];
    if (sum != out[b])
      message = differ(b);
  }
  return message;
}

static std::string runPipeline(DeviceEmulator &emulator) {
  struct Params {
    uint64_t in, out;
    uint32_t tiles;
  };
  std::vector<uint64_t> in(128 * 7), out(in.size()); // seven tiles of 1024 bytes
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = i * 0x9e3779b97f4a7c15;
  Buffers buffers;
  Params params = {buffers.add(in), buffers.add(out), 7};
  emulator.setMemory(buffers.ranges);
  std::string message = launched(emulator.launch("pipeline", {1, 1, 1}, {64, 1, 1}, 0, &params, 20));
  for (size_t i = 0; message.empty() && i < in.size(); ++i)
    if (in[i] != out[i])
      message = differ(i);
  return message;
}

static std::string runProduct(DeviceEmulator &emulator) {
  alignas(16) int8_t a[16 * 32];
  alignas(16) uint8_t b[8 * 32];
  alignas(16) int32_t c[16 * 8], expected[16 * 8];
  for (int i = 0; i < 16 * 32; ++i)
    a[i] = i * 37 % 251;
  for (int i = 0; i < 8 * 32; ++i)
    b[i] = i * 91 % 253;
  for (int i = 0; i < 16 * 8; ++i) {
    c[i] = expected[i] = i - 40;
    for (int k = 0; k < 32; ++k)
      expected[i] += a[i / 8 * 32 + k] * b[i % 8 * 32 + k];
  }
  const void *params[] = {a, b, c};
  emulator.setMemory({{reinterpret_cast<uint64_t>(a), sizeof a},
                      {reinterpret_cast<uint64_t>(b), sizeof b},
                      {reinterpret_cast<uint64_t>(c), sizeof c}});
  std::string message = launched(emulator.launch("product", {1, 1, 1}, {32, 1, 1}, 0, params, sizeof params));
  for (int i = 0; message.empty() && i < 16 * 8; ++i)
    if (c[i] != expected[i])
      message = differ(i);
  return message;
}

static std::string runDot(DeviceEmulator &emulator) {
  struct Params {
    uint64_t a, x, y;
    uint32_t words, rows;
  };
  constexpr uint32_t kWords = 9, kRows = 100;
  std::vector<uint8_t> a(4 * kWords * kRows);
  std::vector<int8_t> x(4 * kWords);
  std::vector<int32_t> y(kRows);
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = i * 101;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i * 53;
  Buffers buffers;
  Params params = {buffers.add(a), buffers.add(x), buffers.add(y), kWords, kRows};
  emulator.setMemory(buffers.ranges);
  std::string message = launched(emulator.launch("dot", {2, 1, 1}, {64, 1, 1}, 0, &params, sizeof params));
  for (size_t row = 0; message.empty() && row < kRows; ++row) {
    int32_t sum = 0;
    for (size_t k = 0; k < x.size(); ++k)
      sum += a[row * x.size() + k] * x[k];
    if (sum != y[row])
      message = differ(row);
  }
  return message;
}

static std::string runDiverge(DeviceEmulator &emulator) {
  struct Params {
    uint64_t out;
    uint32_t count;
  };
  std::vector<int32_t> out(45);
  Buffers buffers;
  Params params = {buffers.add(out), 45};
  emulator.setMemory(buffers.ranges);
  std::string message = launched(emulator.launch("diverge", {1, 1, 1}, {64, 1, 1}, 0, &params, 12));
  for (int i = 0; message.empty() && i < 45; ++i)
    if (out[i] != (i < 32 ? 31 * 32 / 2 : 44 * 45 / 2 - 31 * 32 / 2))
      message = differ(i);
  return message;
}

static std::string runGroup(DeviceEmulator &emulator) {
  std::vector<int8_t> a(64 * 64), b(16 * 128);
  std::vector<int32_t> c(64 * 16);
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = i * 37 % 251;
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = i * 91 % 253;
  Buffers buffers;
  uint64_t params[] = {buffers.add(a), buffers.add(b), buffers.add(c)};
  emulator.setMemory(buffers.ranges);
  std::string message = launched(emulator.launch("group", {1, 1, 1}, {128, 1, 1}, 0, params, sizeof params));
  for (int i = 0; message.empty() && i < 64 * 16; ++i) {
    int32_t sum = 0;
    for (int k = 0; k < 64; ++k)
      sum += a[i / 16 * 64 + k] * b[i % 16 * 128 + k];
    if (sum != c[i])
      message = differ(i);
  }
  return message;
}

struct Mutant {
  const char *what, *from, *to;
};

struct Case {
  const char *name, *text;
  Run run;
  std::vector<Mutant> mutants;
};

static std::vector<Case> cases() {
  const char *barrier = "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";
  return {
      {"Reduce",
       kernels::kReduce,
       runReduce,
       {{"a barrier removed", barrier, ""},
        {"a shuffle's mask", "i32 -1, i32 %v2, i32 4", "i32 65535, i32 %v2, i32 4"},
        {"another shuffle's mask", "i32 -1, i32 %v3, i32 2", "i32 -2, i32 %v3, i32 2"},
        {"a shuffle's distance", "i32 %v1, i32 8, i32 31", "i32 %v1, i32 4, i32 31"},
        {"a sum's mask", "i32 %p, i32 255", "i32 %p, i32 511"},
        {"a load out of bounds", "getelementptr i32, ptr addrspace(1) %in, i32 %index",
         "getelementptr i32, ptr addrspace(1) %in, i32 4096"},
        {"a misaligned load", "getelementptr i32, ptr addrspace(1) %in, i32 %index",
         "getelementptr i8, ptr addrspace(1) %in, i32 %index"},
        {"a shared store out of bounds", "ptr addrspace(3) @partial, i32 %warp\n",
         "ptr addrspace(3) @partial, i32 %tid\n"},
        {"threads that end early", "  %block = call",
         "  %early = icmp eq i32 %tid, 255\n"
         "  br i1 %early, label %done, label %goes\n"
         "goes:\n  %block = call"}}},
      {"Pipeline",
       kernels::kPipeline,
       runPipeline,
       {{"a barrier removed", barrier, ""},
        {"a wait count off by one", "wait.group(i32 1)", "wait.group(i32 2)"},
        {"a stage too few", "%stage2 = urem i32 %i2, 3", "%stage2 = urem i32 %i2, 2"},
        {"a commit too few", "use:\n  call void @llvm.nvvm.cp.async.commit.group()\n", "use:\n"},
        {"a tile too many", "%more = icmp ult i32 %i2, %tiles", "%more = icmp ule i32 %i2, %tiles"},
        {"a misaligned copy", "%own = shl i32 %tid, 4", "%own = shl i32 %tid, 3"}}},
      {"Product",
       kernels::kProduct,
       runProduct,
       {{"rows in another order", "%row = and i32 %lane, 15", "%row = and i32 %lane, 7"},
        {"a misaligned row", "%halfat = shl i32 %half, 4", "%halfat = shl i32 %half, 3"},
        {"operands exchanged", "i32 %b0, i32 %b1, i32 %c0", "i32 %b1, i32 %b0, i32 %c0"},
        {"a missing lane", "  %own = shl i32 %lane, 4\n",
         "  %own = shl i32 %lane, 4\n"
         "  %early = icmp eq i32 %lane, 31\n"
         "  br i1 %early, label %done, label %goes\n"
         "done:\n  ret void\n"
         "goes:\n"}}},
      {"Dot",
       kernels::kDot,
       runDot,
       {{"no bound", "%in = icmp ult i32 %row, %rows", "%in = icmp ult i32 %row, 1000"},
        {"a word too many", "%again = icmp ult i32 %next", "%again = icmp ule i32 %next"}}},
      {"Diverge",
       kernels::kDiverge,
       runDiverge,
       {{"all lanes instead of those that go on", "i32 %tid, i32 %mask", "i32 %tid, i32 -1"}}},
      {"Group",
       kernels::kGroup,
       runGroup,
       {{"a wait count off by one", "wgmma.wait_group.sync.aligned 0;", "wgmma.wait_group.sync.aligned 1;"},
        {"a commit too few",
         "%s1_7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 7\n"
         "  call void @llvm.nvvm.wgmma.commit_group.sync.aligned()\n",
         "%s1_7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 7\n"},
        {"sums of before the wait", "%v5 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 5",
         "%v5 = or i32 %s1_5, 0"},
        {"sums of the product before the last", "i32 %s0_3, i32 %s0_4", "i32 %z3, i32 %s0_4"},
        {"pieces not exchanged", "%turned = xor i32 %piece, %low", "%turned = or i32 %piece, 0"},
        {"no exchange in the description", "4611686293305360384", "274877972480"},
        {"another exchange in the description", "4611686293305360384", "9223372311732748288"},
        {"eight rows too near", "4611686293305360384", "4611686155866406912"},
        {"the same step twice", "%second = add i64 %first, 2", "%second = add i64 %first, 0"},
        {"a step too far", "%second = add i64 %first, 2", "%second = add i64 %first, 64"},
        {"a matrix of its own for a warp", "%second = add i64 %first, 2",
         "%w64 = zext i32 %tid to i64\n  %second = add i64 %first, %w64"},
        {"a warp that does not come", "  %base = ptrtoint",
         "  %early = icmp ugt i32 %tid, 95\n"
         "  br i1 %early, label %gone, label %goes\n"
         "gone:\n  ret void\n"
         "goes:\n  %base = ptrtoint"}}},
  };
}

TEST(Emulator, RunsKernelsUnderEverySeed) {
  for (const Case &kernel : cases()) {
    auto emulator = DeviceEmulator::load(assemble(kernel.text));
    ASSERT_TRUE(bool(emulator)) << kernel.name;
    for (uint64_t seed = 0; seed < 33; ++seed) {
      (*emulator)->setSeed(seed);
      EXPECT_EQ(kernel.run(**emulator), "") << kernel.name << ", seed " << seed;
    }
  }
}

TEST(Emulator, CatchesMutants) {
  for (const Case &kernel : cases())
    for (const Mutant &mutant : kernel.mutants) {
      std::string text = kernel.text, caught;
      size_t at = text.find(mutant.from);
      ASSERT_NE(at, std::string::npos) << kernel.name << ": " << mutant.what;
      text.replace(at, strlen(mutant.from), mutant.to);
      auto emulator = DeviceEmulator::load(assemble(text));
      ASSERT_TRUE(bool(emulator)) << kernel.name << ": " << mutant.what;
      uint64_t seed = 0;
      for (; seed < 8 && caught.empty(); ++seed) {
        (*emulator)->setSeed(seed);
        caught = kernel.run(**emulator);
      }
      EXPECT_NE(caught, "") << kernel.name << ": " << mutant.what;
      if (std::getenv("SETUN_TELL_MUTANTS"))
        outs() << kernel.name << ": " << mutant.what << ": seed " << seed - 1 << ": " << caught << "\n";
    }
}

/// With races looked for, a barrier too few is an error whatever the schedule.
TEST(Emulator, FindsRaces) {
  for (const Case &kernel : cases()) {
    auto emulator = DeviceEmulator::load(assemble(kernel.text), {0, true, /*checkRaces=*/true});
    ASSERT_TRUE(bool(emulator)) << kernel.name;
    for (uint64_t seed = 0; seed < 9; ++seed) {
      (*emulator)->setSeed(seed);
      EXPECT_EQ(kernel.run(**emulator), "") << kernel.name << ", seed " << seed;
    }
  }
  auto expect = [](const char *text, ::Run run, StringRef removed, StringRef replacement, StringRef told) {
    std::string mutant = text;
    mutant.replace(mutant.find(removed.str()), removed.size(), replacement.str());
    auto emulator = DeviceEmulator::load(assemble(mutant), {0, true, /*checkRaces=*/true});
    ASSERT_TRUE(bool(emulator));
    for (uint64_t seed = 0; seed < 9; ++seed) {
      (*emulator)->setSeed(seed);
      std::string message = run(**emulator);
      EXPECT_NE(message.find(told.str()), std::string::npos) << "seed " << seed << ": " << message;
    }
  };
  StringRef barrier = "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";
  expect(kernels::kReduce, runReduce, barrier, "", "of shared memory, which ");
  expect(kernels::kPipeline, runPipeline, barrier, "", "of shared memory, which ");
  expect(kernels::kPipeline, runPipeline, "wait.group(i32 1)", "wait.group(i32 2)", "of shared memory, which ");
  expect(kernels::kPipeline, runPipeline, "%stage2 = urem i32 %i2, 3", "%stage2 = urem i32 %i2, 2",
         "of shared memory, which ");
  expect(kernels::kProduct, runProduct, "  call void @llvm.nvvm.bar.warp.sync(i32 -1)\n", "",
         "written, with no barrier between");
}

/// What schedules need not show: copies that tensor cores have not been told of, and bytes written while they read.
TEST(Emulator, FindsRacesOfProducts) {
  auto run = [](StringRef from, StringRef to) {
    std::string text = kernels::kGroup;
    if (!from.empty())
      text.replace(text.find(from.str()), from.size(), to.str());
    auto emulator = DeviceEmulator::load(assemble(text), {0, true, /*checkRaces=*/true});
    return emulator ? runGroup(**emulator) : toString(emulator.takeError());
  };
  auto expect = [&](StringRef told, StringRef from, StringRef to) {
    std::string message = run(from, to);
    EXPECT_NE(message.find(told.str()), std::string::npos) << message;
  };
  EXPECT_EQ(run("", ""), "");
  expect("written, with no barrier between", "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n", "");
  expect("written, with no fence.proxy.async behind", "  call void @llvm.nvvm.fence.proxy.async.shared_cta()\n", "");
  expect("which a product that nobody has waited for reads",
         "  call void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 1)\n",
         "  store i8 7, ptr addrspace(3) @tokens, align 1\n");
  expect("no wgmma.wait_group has come", "wgmma.wait_group.sync.aligned 0;", "wgmma.wait_group.sync.aligned 2;");
}

/// Registers that no fence orders are told when the code is loaded.
TEST(Emulator, WantsRegistersOfProductsFenced) {
  auto expect = [](StringRef from, StringRef to, StringRef told) {
    std::string text = kernels::kGroup;
    text.replace(text.rfind(from.str()), from.size(), to.str());
    auto emulator = DeviceEmulator::load(assemble(text));
    ASSERT_FALSE(bool(emulator));
    EXPECT_EQ(toString(emulator.takeError()), told.str());
  };
  expect("(i32 %a10, ", "(i32 %w10, ",
         "'group': wgmma.mma_async with 16 columns takes a register of A that has not come through wgmma.fence");
  expect("i32 %z5, ", "i32 0, ",
         "'group': wgmma.mma_async with 16 columns takes a register of sums that has not come through wgmma.fence");
  expect("m64n16k32.s32.s8.s8", "m64n16k32.s32.s8.u8",
         "the emulator does not know the inline assembly 'wgmma.mma_async.sync.aligned.m64n16k32.s32.s8.u8 "
         "{$0, $1, $2, $3, $4, $5, $6, $7}, {$8, $9, $10, $11}, $12, 1;' in 'group'");
}

static std::string loadError(StringRef text) {
  auto emulator = DeviceEmulator::load(assemble(text));
  return emulator ? "" : toString(emulator.takeError());
}

TEST(Emulator, NamesWhatItDoesNotKnow) {
  EXPECT_EQ(
      loadError("declare void @llvm.nvvm.cp.async.bulk.commit.group()\n"
                "define ptx_kernel void @k() {\n  call void @llvm.nvvm.cp.async.bulk.commit.group()\n  ret void\n}"),
      "the emulator does not know the intrinsic 'llvm.nvvm.cp.async.bulk.commit.group'");
  EXPECT_EQ(
      loadError(
          "define ptx_kernel void @k() {\n  call void asm sideeffect \"barrier.cluster.arrive.aligned;\", \"\"()\n"
          "  ret void\n}"),
      "the emulator does not know the inline assembly 'barrier.cluster.arrive.aligned;' in 'k'");
  EXPECT_EQ(loadError("declare float @__nv_tanhf(float)\ndefine ptx_kernel void @k(ptr addrspace(1) %p) {\n"
                      "  %v = call float @__nv_tanhf(float 1.0)\n  store float %v, ptr addrspace(1) %p\n  ret void\n}"),
            "the device code calls '__nv_tanhf', which it does not define");
  auto damaged = DeviceEmulator::load("BC\xC0\xDE and nothing more");
  EXPECT_FALSE(bool(damaged));
  consumeError(damaged.takeError());
}
