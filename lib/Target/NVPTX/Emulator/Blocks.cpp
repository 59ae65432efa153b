//===- Blocks.cpp - Blocks come and go -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Part of Machine: the state of a block at its start and end, and messages.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

Block::~Block() {
  for (Thread &thread : threads)
    delete thread.copies;
  for (Thread &thread : threads)
    delete thread.products;
}

void setun::nvptx::emulator::poison(uint8_t *begin, uint64_t bytes) {
  static constexpr uint8_t kPattern[8] = {0xa5, 0xff, 0xa5, 0xff, 0xa5, 0xff, 0xa5, 0xff};
  uint64_t i = 0;
  for (; i + 8 <= bytes; i += 8)
    std::memcpy(begin + i, kPattern, 8);
  for (; i < bytes; ++i)
    begin[i] = kPattern[i % 8];
}

uint64_t Machine::blockAt(uint64_t count) const {
  switch (order) {
  case Order::Forward:
  case Order::Lead:
    return count;
  case Order::Backward:
    return numBlocks - 1 - count;
  case Order::Random:
  case Order::Starve:
    return (count * stride + stride / 2) % numBlocks;
  }
  llvm_unreachable("an order");
}

/// Brings the next block in, all of its threads ready.
Block *Machine::admit() {
  if (spare.empty())
    spare.push_back(std::make_unique<Block>());
  std::unique_ptr<Block> taken = std::move(spare.back());
  spare.pop_back();
  Block &block = *taken;
  uint64_t index = blockAt(nextBlock++);
  block.id[0] = index % config.grid[0];
  block.id[1] = index / config.grid[0] % config.grid[1];
  block.id[2] = index / config.grid[0] / config.grid[1];
  for (int i = 0; i < 3; ++i) {
    block.size[i] = config.block[i];
    block.grid[i] = config.grid[i];
  }
  block.machine = this;
  block.cache = cache.data();
  block.clock = 0;
  block.numThreads = block.alive = config.block[0] * config.block[1] * config.block[2];
  block.numWarps = (block.numThreads + 31) / 32;
  block.readyWarps = block.numWarps == 32 ? ~0u : (1u << block.numWarps) - 1;
  block.warp = block.exited = 0;
  std::memset(block.barriers, 0, sizeof block.barriers);

  block.dynamicShared = config.sharedBytes;
  block.sharedSize = kernel->info->sharedBytes + config.sharedBytes;
  block.totalShared = block.sharedSize;
  // The lower bits of an address are those of the place in shared memory, as on a device: some descriptors hold them.
  constexpr uint64_t kWindow = 256 << 10;
  if (block.memory.size() < block.sharedSize + kWindow)
    block.memory.resize(block.sharedSize + kWindow);
  block.shared = reinterpret_cast<uint8_t *>(alignTo(reinterpret_cast<uintptr_t>(block.memory.data()), kWindow));
  poison(block.shared, block.sharedSize);
  if (kernel->checksRaces)
    forgetAccesses(block);
  else
    block.bytes.clear();

  if (block.threads.size() < block.numThreads)
    block.threads.resize(block.numThreads);
  if (block.warps.size() < block.numWarps)
    block.warps.resize(block.numWarps);
  block.groups.assign((block.numWarps + 3) / 4, GroupMeeting{0, nullptr});
  uint32_t id[3] = {0, 0, 0};
  for (uint32_t w = 0, t = 0; w < block.numWarps; ++w) {
    Warp &warp = block.warps[w];
    uint32_t lanes = std::min(32u, block.numThreads - t);
    warp.threads = &block.threads[t];
    warp.block = &block;
    warp.index = w;
    warp.exists = warp.alive = warp.ready = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warp.numMeetings = warp.time = 0;
    std::memset(warp.barrierSite, 0, sizeof warp.barrierSite);
    for (uint32_t lane = 0; lane < lanes; ++lane, ++t) {
      Thread &thread = block.threads[t];
      std::memcpy(thread.id, id, sizeof id);
      thread.lane = lane;
      thread.block = &block;
      thread.warp = &warp;
      thread.fiber = nullptr;
      thread.wait = Wait::None;
      thread.spins = thread.releases = 0;
      if (thread.copies) // of a launch that failed, or that nobody waited for
        *thread.copies = {};
      if (thread.products)
        *thread.products = {};
      if (++id[0] == block.size[0]) {
        id[0] = 0;
        if (++id[1] == block.size[1]) {
          id[1] = 0;
          ++id[2];
        }
      }
    }
  }
  resident.push_back(std::move(taken));
  return resident.back().get();
}

/// Takes the current block, whose threads have all ended, out.
void Machine::retire() {
  for (auto &block : resident)
    if (block.get() == current) {
      std::swap(block, resident.back());
      break;
    }
  spare.push_back(std::move(resident.back()));
  resident.pop_back();
  current = resident.empty() ? nullptr : resident.front().get();
}

/// A thread has come to its kernel's end: an error if others count on it.
void Machine::end(Thread &thread) {
  Warp &warp = *thread.warp;
  Block &block = *thread.block;
  uint32_t bit = 1u << thread.lane;
  if (thread.copies)
    finishCopies(thread, 0);
  if (hasProducts(thread))
    fail(thread, "ends while products of its are not done: no wgmma.wait_group has come");
  if (block.numWarps > 3 && block.groups[warp.index / 4].arrived)
    fail(thread, formatv("ends while {0} threads of its four warps wait in {1}", block.groups[warp.index / 4].arrived,
                         block.groups[warp.index / 4].site->what));
  for (uint32_t i = 0; i < warp.numMeetings; ++i)
    if (warp.meetings[i].arrived && (warp.meetings[i].mask & bit))
      fail(thread, formatv("ends while lanes {0:x8} wait for it in {1}", warp.meetings[i].arrived,
                           warp.meetings[i].site->what));
  for (uint32_t i = 0; i < 16; ++i)
    if (block.barriers[i].arrived && block.barriers[i].expected == block.numThreads)
      fail(thread, formatv("ends while {0} of {1} threads wait for it in {2}", block.barriers[i].arrived,
                           block.numThreads, block.barriers[i].site->what));
  warp.alive &= ~bit;
  warp.ready &= ~bit;
  if (!warp.ready)
    block.readyWarps &= ~(1u << warp.index);
  --block.alive;
  ++block.exited;
  spinsInARow = 0;
}

std::string setun::nvptx::emulator::describe(const Thread &thread) {
  const Block &block = *thread.block;
  return formatv("block ({0},{1},{2}), thread ({3},{4},{5})", block.id[0], block.id[1], block.id[2], thread.id[0],
                 thread.id[1], thread.id[2]);
}

void Machine::fail(const Thread &thread, const Twine &message) {
  if (error.empty())
    error = ("kernel '" + kernel->info->name + "', " + describe(thread) + ": " + message).str();
  Fiber abandoned;
  switchFiber(running ? *running->fiber : abandoned, host);
  llvm_unreachable("a fiber that failed does not run again");
}

void Machine::reportDeadlock() {
  raw_string_ostream stream(error);
  stream << "kernel '" << kernel->info->name << "': no thread can go on: ";
  unsigned told = 0, waiting = 0;
  const Thread *last = nullptr;
  for (auto &block : resident)
    for (uint32_t t = 0; t < block->numThreads; ++t) {
      const Thread &thread = block->threads[t];
      if (!(thread.warp->alive >> thread.lane & 1) || thread.wait == Wait::None)
        continue;
      ++waiting;
      if (last && last->site == thread.site && last->waitsFor == thread.waitsFor && last->warp == thread.warp)
        continue;
      last = &thread;
      if (++told > 4)
        continue;
      stream << (told > 1 ? "; " : "") << describe(thread) << " waits in " << thread.site->what;
      if (thread.wait == Wait::Collective)
        stream << formatv(" for lanes {0:x8}", thread.waitsFor);
      else if (thread.wait == Wait::Barrier)
        stream << formatv(" at barrier {0}, {1} of {2} threads have come", thread.waitsFor,
                          block->barriers[thread.waitsFor].arrived, block->barriers[thread.waitsFor].expected);
    }
  stream << formatv(" ({0} threads wait)", waiting);
}

const MemoryRange *MemoryTable::find(uint64_t address) const {
  auto after =
      llvm::upper_bound(ranges, address, [](uint64_t value, const MemoryRange &range) { return value < range.begin; });
  return after == ranges.begin() ? nullptr : &*std::prev(after);
}

static bool contains(const MemoryRange &range, uint64_t address, uint64_t bytes) {
  return address >= range.begin && bytes <= range.size && address - range.begin <= range.size - bytes;
}

void Machine::checkRange(Thread &thread, const Site &site, uint64_t address, uint64_t bytes, bool remember) {
  Checked found = {0, ~0ull};
  const MemoryRange *nearest = nullptr;
  if (memory->known) {
    nearest = memory->find(address);
    const MemoryRange *range = nearest && contains(*nearest, address, bytes) ? nearest : nullptr;
    for (const MemoryRange &constant : kernel->constants)
      if (!range && contains(constant, address, bytes))
        range = &constant;
    if (range)
      found = {range->begin, range->size - bytes + 1};
    else if (contains({reinterpret_cast<uint64_t>(thread.block->shared), thread.block->sharedSize}, address, bytes) ||
             fibers.isOnStack(*thread.fiber, reinterpret_cast<void *>(address), bytes))
      return;
    else if (!nearest)
      fail(thread, formatv("{0} of {1} bytes at {2:x} is outside of every allocation", site.what, bytes, address));
    else
      fail(thread,
           formatv("{0} of {1} bytes at {2:x} is outside of every allocation: {3} bytes behind the start of one "
                   "of {4} bytes",
                   site.what, bytes, address, address - nearest->begin, nearest->size));
  }
  if (remember)
    cache[site.index] = found;
}
