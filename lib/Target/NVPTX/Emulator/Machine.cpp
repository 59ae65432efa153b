//===- Machine.cpp - Which thread runs when -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks run one after the other. Only where threads spin, waiting for what another
// block writes, further blocks come in beside them; and before the dependencies of a
// launch are done, its first blocks stop at griddepcontrol.wait.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <cstring>
#include <numeric>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

Machine::Machine() : fibers(&Machine::runFiber, this) {}

Machine::~Machine() = default;

uint32_t Machine::random(uint32_t bound) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return static_cast<uint32_t>((rng >> 32) * bound >> 32);
}

bool Machine::hurries() { return haste && random(16) < haste; }

Error Machine::start(const CompiledKernel &newKernel, const LaunchConfig &newConfig, uint64_t seed, uint64_t turn,
                     const MemoryTable *newMemory, uint32_t early) {
  kernel = &newKernel;
  config = newConfig;
  memory = newMemory;
  params.assign(config.paramsSize / 8 + 1, 0);
  if (config.paramsSize)
    std::memcpy(params.data(), config.params, config.paramsSize);
  cache.assign(kernel->numChecks, Checked{0, 0});
  fibers.reserve(kernel->stackBytes);
  nextBlock = 0;
  numBlocks = uint64_t(config.grid[0]) * config.grid[1] * config.grid[2];
  spinsInARow = 0;
  error.clear();
  rng = (seed + turn + 1) * 0x9e3779b97f4a7c15ull; // odd factor: never 0 but for one seed
  rng += !rng;
  random(1);
  order = seed == 0 ? Order::Forward : static_cast<Order>(1 + (seed - 1) % 4);
  uint32_t numWarps = (config.block[0] * config.block[1] * config.block[2] + 31) / 32;
  special = seed == 0 ? 0 : random(numWarps);
  stride = 1 + random(std::min<uint64_t>(numBlocks, UINT32_MAX));
  while (std::gcd(stride, std::max<uint64_t>(numBlocks, 1)) != 1)
    ++stride;
  globalRaces.begin(numBlocks);
  static constexpr unsigned kHaste[] = {0, 16, 4, 1};
  haste = seed == 0 ? 0 : kHaste[(seed - 1) / 4 % 4];
  current = nullptr;
  dependenciesDone = false;
  admitLimit = early;
  return early && numBlocks ? run() : Error::success();
}

Error Machine::finish() {
  dependenciesDone = true;
  admitLimit = numBlocks;
  for (auto &block : resident)
    for (Thread &thread : block->threads)
      if (thread.wait == Wait::Grid && thread.fiber && !(thread.warp->ready >> thread.lane & 1) &&
          (thread.warp->alive >> thread.lane & 1))
        wake(thread);
  if (nextBlock < numBlocks || !resident.empty())
    return run();
  return Error::success();
}

Error Machine::run() {
  if (Thread *next = pick()) {
    running = next;
    if (!next->fiber)
      next->fiber = &fibers.take();
    switchFiber(host, *next->fiber);
  }
  if (error.empty())
    return Error::success();
  for (auto &block : resident)
    spare.push_back(std::move(block));
  resident.clear();
  current = nullptr;
  fibers.reset();
  return createStringError(error);
}

/// The life of a fiber: one thread after the other.
void Machine::runFiber(void *argument) {
  auto *machine = static_cast<Machine *>(argument);
  for (;;) {
    Thread *thread = machine->running;
    Fiber &self = *thread->fiber;
    machine->kernel->entry(thread, machine->params.data());
    machine->end(*thread);
    Thread *next = machine->pick();
    machine->running = next;
    if (next && !next->fiber) {
      next->fiber = &self;
      continue;
    }
    machine->fibers.give(self);
    switchFiber(self, next ? *next->fiber : machine->host);
  }
}

void Machine::leave(Thread &thread, Thread *next) {
  if (next == &thread)
    return;
  running = next;
  if (next && !next->fiber)
    next->fiber = &fibers.take();
  switchFiber(*thread.fiber, next ? *next->fiber : host);
}

void Machine::block(Thread &thread, Wait wait, const Site &site, uint32_t waitsFor) {
  thread.wait = wait;
  thread.site = &site;
  thread.waitsFor = waitsFor;
  Warp &warp = *thread.warp;
  uint32_t ready = warp.ready &= ~(1u << thread.lane);
  if (LLVM_LIKELY(ready && order == Order::Forward)) { // the short way: the next lane
    Thread &next = warp.threads[llvm::countr_zero(ready)];
    running = &next;
    if (!next.fiber)
      next.fiber = &fibers.take();
    switchFiber(*thread.fiber, *next.fiber);
    return;
  }
  if (!ready)
    thread.block->readyWarps &= ~(1u << warp.index);
  if (haste)
    hurryCopies(thread);
  leave(thread, pick());
}

void Machine::reconsider(Thread &thread) {
  if (order != Order::Forward)
    leave(thread, pick());
}

void Machine::wake(Thread &thread) {
  thread.wait = Wait::None;
  thread.warp->ready |= 1u << thread.lane;
  thread.block->readyWarps |= 1u << thread.warp->index;
}

/// A thread asks again and again for what another one writes.
void Machine::spin(Thread &thread) {
  if (++thread.spins % 16)
    return;
  constexpr uint64_t kPatience = 20'000'000;
  if (++spinsInARow > kPatience)
    fail(thread, "spins without end: all blocks are there, and none makes progress");
  if (spinsInARow % (2 * thread.block->alive) == 0) { // this block alone does not get on
    if (nextBlock < std::min(numBlocks, admitLimit))
      current = admit();
    else
      current = resident[random(resident.size())].get();
    if (!current->readyWarps)
      current = thread.block;
  }
  Thread *next = pickIn(*current, &thread);
  leave(thread, next);
}

/// The thread to run next, or null: all is done, or what remains waits for the launch's dependencies, or an error.
Thread *Machine::pick() {
  for (;;) {
    if (current && !current->alive)
      retire();
    if (current && current->readyWarps)
      return pickIn(*current, nullptr);
    auto ready = find_if(resident, [](const auto &block) { return block->readyWarps != 0; });
    if (ready != resident.end()) {
      current = ready->get();
      continue;
    }
    bool waitsForGrid = !dependenciesDone && all_of(resident, [](const auto &block) {
      return any_of(block->threads, [&](const Thread &thread) {
        return thread.wait == Wait::Grid && (thread.warp->alive >> thread.lane & 1);
      });
    });
    if (!resident.empty() && !waitsForGrid) {
      reportDeadlock();
      return nullptr;
    }
    if (nextBlock >= std::min(numBlocks, admitLimit))
      return nullptr;
    current = admit();
  }
}

static uint32_t lowest(uint32_t bits) { return llvm::countr_zero(bits); }
static uint32_t highest(uint32_t bits) { return 31 - llvm::countl_zero(bits); }
/// The bits above number `index`.
static uint32_t above(uint32_t bits, uint32_t index) { return index == 31 ? 0 : bits >> (index + 1) << (index + 1); }
/// The first bit from number `start` on, and around.
static uint32_t from(uint32_t bits, uint32_t start) { return (lowest(llvm::rotr(bits, start)) + start) & 31; }

/// Chooses among the block's ready threads; after `spinner`, another one if there is any.
Thread *Machine::pickIn(Block &block, Thread *spinner) {
  uint32_t warps = block.readyWarps;
  if (spinner && spinner->block == &block) {
    uint32_t lanes = above(spinner->warp->ready, spinner->lane);
    if (lanes)
      return spinner->warp->threads + lowest(lanes);
    uint32_t others = above(warps, spinner->warp->index);
    block.warp = lowest(others ? others : warps);
    return block.warps[block.warp].threads + lowest(block.warps[block.warp].ready);
  }
  bool stays = warps >> block.warp & 1;
  switch (order) {
  case Order::Forward:
    if (!stays) {
      uint32_t others = above(warps, block.warp);
      block.warp = lowest(others ? others : warps);
    }
    break;
  case Order::Random:
    block.warp = from(warps, random(32));
    break;
  case Order::Backward:
    if (!stays)
      block.warp = highest(warps);
    return block.warps[block.warp].threads + highest(block.warps[block.warp].ready);
  case Order::Starve: // one warp only when nothing else can run
    if (uint32_t others = warps & ~(1u << special))
      warps = others;
    block.warp = from(warps, random(32));
    break;
  case Order::Lead: // one warp as far as it gets
    block.warp = warps >> special & 1 ? special : from(warps, random(32));
    break;
  }
  Warp &warp = block.warps[block.warp];
  uint32_t lane = order == Order::Forward ? lowest(warp.ready) : from(warp.ready, random(32));
  return warp.threads + lane;
}
