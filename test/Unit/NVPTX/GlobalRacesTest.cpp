//===- GlobalRacesTest.cpp - Blocks that touch the same memory --------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a device does and blocks one after the other would hide: work in place that reads what a later block writes,
// and parts that meet by a ticket, with and without the fences around it.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "llvm/Support/FormatVariadic.h"

#include "gtest/gtest.h"

#include <set>

using namespace llvm;
using namespace setun;
using namespace setun::nvptx;

/// The text with one place in it replaced.
static std::string replace(std::string text, StringRef from, StringRef to) {
  size_t at = text.find(from.str());
  EXPECT_NE(at, std::string::npos) << from.str();
  return text.replace(at, from.size(), to.str());
}

static std::string run(StringRef text, std::vector<const void *> params, uint32_t blocks, uint64_t seed) {
  EmulatorOptions options;
  options.seed = seed;
  options.checkRaces = true;
  auto emulator = DeviceEmulator::load(kernels::assemble(text), options);
  EXPECT_TRUE(bool(emulator)) << toString(emulator.takeError());
  Error error = (*emulator)->launch("k", {blocks, 1, 1}, {32, 1, 1}, 0, params.data(), params.size() * sizeof(void *));
  return error ? toString(std::move(error)) : "";
}

/// Each block writes its own 32 bytes, and reads those of the next one, or its own.
static const char *kNeighbours = R"(
define ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %start = mul i32 %block, 32
  %own = add i32 %start, %tid
  %further = add i32 %own, 32
  %from = getelementptr i8, ptr addrspace(1) %in, i32 %further
  %value = load i8, ptr addrspace(1) %from
  %to = getelementptr i8, ptr addrspace(1) %out, i32 %own
  store i8 %value, ptr addrspace(1) %to
  ret void
}
)";

TEST(GlobalRaces, WorkInPlace) {
  std::vector<uint8_t> in(33 * 8 * 4, 1), out(in.size());
  std::string own = replace(kNeighbours, "%own, 32", "%own, 0");
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(run(kNeighbours, {in.data(), out.data()}, 5, seed), "");
    EXPECT_EQ(run(own, {in.data(), in.data()}, 5, seed), "");
    std::string message = run(kNeighbours, {in.data(), in.data()}, 5, seed);
    EXPECT_NE(message.find("nothing orders the two"), std::string::npos) << seed << message;
    // From an address that is no multiple of four, too.
    message = run(kNeighbours, {in.data() + 1, in.data() + 1}, 5, seed);
    EXPECT_NE(message.find("nothing orders the two"), std::string::npos) << seed << message;
  }
  EXPECT_EQ(run(kNeighbours, {in.data(), in.data()}, 5, 0),
            formatv("kernel 'k', block (1,0,0), thread (0,0,0): store of 1 bytes at {0:x}, which block 0 has read, and "
                    "nothing orders the two",
                    reinterpret_cast<uint64_t>(in.data()) + 32)
                .str());
}

/// Blocks come in an order of their own, as on a device: the same block is not always the first.
TEST(GlobalRaces, OrderOfBlocks) {
  const char *text = R"(
define ptx_kernel void @k(ptr addrspace(1) %count, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %first = icmp eq i32 %tid, 0
  br i1 %first, label %add, label %done
add:
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %old = atomicrmw add ptr addrspace(1) %count, i32 1 syncscope("device") monotonic
  %to = getelementptr i32, ptr addrspace(1) %out, i32 %block
  store i32 %old, ptr addrspace(1) %to
  br label %done
done:
  ret void
}
)";
  std::set<std::vector<uint32_t>> orders;
  for (uint64_t seed = 0; seed < 9; ++seed) {
    uint32_t count = 0;
    std::vector<uint32_t> out(12);
    EXPECT_EQ(run(text, {&count, out.data()}, out.size(), seed), "");
    orders.insert(out);
    EXPECT_EQ(std::set<uint32_t>(out.begin(), out.end()).size(), out.size()); // each block once
  }
  EXPECT_GT(orders.size(), 3u);
}

/// Each block writes a number, takes a ticket, and the last one adds them all.
static const char *kTicket = R"(
define ptx_kernel void @k(ptr addrspace(1) %ticket, ptr addrspace(1) %parts, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %blocks = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
  %first = icmp eq i32 %tid, 0
  br i1 %first, label %write, label %done
write:
  %to = getelementptr i32, ptr addrspace(1) %parts, i32 %block
  store i32 %block, ptr addrspace(1) %to
  fence syncscope("device") release
  %old = atomicrmw add ptr addrspace(1) %ticket, i32 1 syncscope("device") monotonic
  fence syncscope("device") acquire
  %before = add i32 %blocks, -1
  %last = icmp eq i32 %old, %before
  br i1 %last, label %sum, label %done
sum:
  %i = phi i32 [ 0, %write ], [ %next, %sum ]
  %all = phi i32 [ 0, %write ], [ %more, %sum ]
  %from = getelementptr i32, ptr addrspace(1) %parts, i32 %i
  %part = load i32, ptr addrspace(1) %from
  %more = add i32 %all, %part
  %next = add i32 %i, 1
  %end = icmp eq i32 %next, %blocks
  br i1 %end, label %tell, label %sum
tell:
  store i32 %more, ptr addrspace(1) %out
  br label %done
done:
  ret void
}
)";

TEST(GlobalRaces, Tickets) {
  auto add = [](StringRef text, uint64_t seed) {
    uint32_t ticket = 0, sum = 0;
    std::vector<uint32_t> parts(7);
    std::string message = run(text, {&ticket, parts.data(), &sum}, parts.size(), seed);
    EXPECT_EQ(sum, message.empty() ? 21u : 0u);
    return message;
  };
  // LLVM makes a plain atom of an atomicrmw of any ordering, so that it needs fences around it all the same.
  std::string ordered = replace(kTicket, "monotonic", "acq_rel");
  std::string blockAlone = replace(kTicket, "\"device\") release", "\"block\") release");
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(add(kTicket, seed), "");
    for (std::string text : {replace(kTicket, "  fence syncscope(\"device\") release\n", ""), blockAlone,
                             replace(kTicket, "  fence syncscope(\"device\") acquire\n", ""),
                             replace(ordered, "  fence syncscope(\"device\") release\n", "")}) {
      std::string message = add(text, seed);
      EXPECT_NE(message.find("has written, and nothing orders the two"), std::string::npos) << seed << message;
    }
  }
}
