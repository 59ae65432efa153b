//===- GlobalRaces.cpp - Blocks that touch the same memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every block has a time, which goes on with each of its fences, and knows up to which time of others it has come
// behind them. A fence, then an atomic write, hands on what the block knows; an atomic read of the same address, then a
// fence, takes it. Within a block no order is looked at: threads of one count as one. Of several readers only the last
// is remembered, so a race with an earlier one may go unnoticed where blocks wait for each other.
//
//===----------------------------------------------------------------------===//

#include "GlobalRaces.h"

#include "Machine.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static constexpr uint64_t kMostThatWait = 2048; // blocks whose times are kept apart

void GlobalRaces::begin(uint64_t count) {
  numBlocks = count;
  tooMany = false;
  pages.clear();
  lastPage = ~0ull;
  orders.clear();
  handed.clear();
  lastHanded = nullptr;
}

void GlobalRaces::join(Times &to, const Times &from) const {
  if (from.empty())
    return;
  to.resize(numBlocks);
  for (uint64_t i = 0; i < numBlocks; ++i)
    to[i] = std::max(to[i], from[i]);
}

void GlobalRaces::fence(uint32_t block) {
  if (numBlocks > kMostThatWait || numBlocks == 1)
    return;
  if (orders.empty())
    orders.resize(numBlocks);
  Order &order = orders[block];
  if (!order.changed)
    return;
  order.changed = false;
  join(order.known, order.heard);
  order.known.resize(numBlocks);
  order.known[block] = order.time++;
  order.fenced = order.known;
}

bool GlobalRaces::isBefore(const Last &last, uint32_t block) const {
  if (last.time == 0 || (last.block == block && !last.many))
    return true;
  if (orders.empty() || orders[block].known.empty())
    return false;
  return last.block == block || orders[block].known[last.block] >= last.time;
}

void GlobalRaces::synchronize(uint32_t block, const GlobalAccess &access) {
  if (access.releases)
    fence(block);
  if (!lastHanded || lastAddress != access.address) {
    lastHanded = &handed[access.address];
    lastAddress = access.address;
  }
  Handed &here = *lastHanded;
  if (orders.empty())
    orders.resize(numBlocks);
  Order &order = orders[block];
  if (order.heardFrom != access.address || order.heardVersion != here.version) {
    join(order.heard, here.times);
    order.heardFrom = access.address;
    order.heardVersion = here.version;
    order.changed = true;
  }
  if (access.writes) {
    join(here.times, order.fenced);
    ++here.version;
  }
  if (access.acquires)
    fence(block);
}

std::string GlobalRaces::touch(uint32_t block, const GlobalAccess &access) {
  if (numBlocks == 1 || tooMany)
    return "";
  if (access.atomic) {
    tooMany = numBlocks > kMostThatWait;
    if (tooMany)
      return "";
    synchronize(block, access);
  }
  uint32_t time = 1;
  if (!orders.empty()) {
    time = orders[block].time;
    orders[block].changed |= !access.atomic || access.writes;
  }
  for (uint64_t at = access.address & ~3ull; at < access.address + access.bytes; at += 4) {
    uint64_t page = at / (4 * kWords);
    if (page != lastPage) {
      auto &words = pages[page];
      if (!words)
        words = std::make_unique<Word[]>(kWords);
      lastWords = words.get();
      lastPage = page;
    }
    Word &word = lastWords[at / 4 % kWords];
    uint8_t bytes = 15;
    if (at < access.address)
      bytes &= 15 << (access.address - at);
    if (at + 4 > access.address + access.bytes)
      bytes &= 15 >> (at + 4 - access.address - access.bytes);
    auto races = [&](const Last &last) {
      return (last.bytes & bytes) && !(last.atomic && access.atomic) && !isBefore(last, block);
    };
    if (races(word.written))
      return formatv("block {0} has written, and nothing orders the two", word.written.block);
    if (access.writes && races(word.read))
      return formatv("{0} read, and nothing orders the two",
                     word.read.many ? "other blocks have" : formatv("block {0} has", word.read.block).str());
    Last &last = access.writes ? word.written : word.read;
    bool same = last.time && last.block == block;
    bool many = !access.writes && last.time && (last.many || !same) && !isBefore(last, block);
    last = {block, time, uint8_t(same || many ? last.bytes | bytes : bytes), many, access.atomic};
  }
  return "";
}

void setun::nvptx::emulator::touchGlobal(Thread &thread, const Site &site, uint64_t address, uint64_t bytes,
                                         Access kind) {
  const Block &block = *thread.block;
  uint32_t number = block.id[0] + block.grid[0] * (block.id[1] + block.grid[1] * block.id[2]);
  GlobalAccess access = {address,
                         bytes,
                         kind == Access::Store || (kind == Access::Atomic && site.writes),
                         kind == Access::Atomic,
                         site.acquires,
                         site.releases};
  if (std::string why = block.machine->globalRaces.touch(number, access); !why.empty())
    block.machine->fail(thread, formatv("{0} of {1} bytes at {2:x}, which {3}", site.what, bytes, address, why));
}

void setun::nvptx::emulator::fenceGlobal(Thread *thread, const Site *) {
  const Block &block = *thread->block;
  block.machine->globalRaces.fence(block.id[0] + block.grid[0] * (block.id[1] + block.grid[1] * block.id[2]));
}
