//===- Races.cpp - Accesses of shared memory that nothing orders -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each byte remembers who wrote and who read it last. A barrier of the block orders all
// that was before it; bar.warp.sync orders a warp's. Shuffles, votes and matrices do
// not: PTX promises no order of memory for them. What an asynchronous copy brings is
// nobody's until its thread has waited for it. What products of four warps read is read from when they begin until one
// of their threads has waited for them; writes must have been made known to them by fence.proxy.async.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static constexpr uint16_t kNobody = 0xffff, kManyOfAWarp = 0xfffe, kMany = 0xfffd;

static uint16_t numberOf(const Thread &thread) { return &thread - thread.block->threads.data(); }

static std::string nameThread(const Block &block, uint16_t number) {
  if (number >= kMany)
    return "other threads have";
  const uint32_t *id = block.threads[number].id;
  return formatv("thread ({0},{1},{2}) has", id[0], id[1], id[2]);
}

/// Whether an access lies before what `thread` does now.
static bool isBefore(const AccessTime &access, const Thread &thread) {
  if (access.thread == kNobody || access.thread == numberOf(thread) || access.blockTime < thread.block->time)
    return true;
  return access.thread != kMany && access.warp == thread.warp->index && access.warpTime < thread.warp->time;
}

static AccessTime now(const Thread &thread) {
  return {numberOf(thread), static_cast<uint16_t>(thread.warp->index), thread.block->time, thread.warp->time};
}

void setun::nvptx::emulator::forgetAccesses(Block &block) {
  block.time = 0;
  AccessTime never = {kNobody, 0, 0, 0};
  block.bytes.assign(block.sharedSize, ByteState{never, never, false, 0, 0, false, 0});
}

[[noreturn]] static LLVM_ATTRIBUTE_NOINLINE void fail(Thread &thread, const Site &site, uint64_t offset,
                                                      const std::string &why) {
  thread.block->machine->fail(thread, formatv("{0} at byte {1} of shared memory, which {2}", site.what, offset, why));
}

void setun::nvptx::emulator::touchShared(Thread &thread, const Site &site, uint64_t address, uint64_t bytes,
                                         Access kind) {
  Block &block = *thread.block;
  uint64_t offset = address - reinterpret_cast<uint64_t>(block.shared);
  if (offset >= block.bytes.size() || bytes > block.bytes.size() - offset)
    return;                   // about to be told
  if (kind == Access::Atomic) // an order of its own, of which nothing more is known
    ++block.time;
  for (uint64_t i = offset; i < offset + bytes; ++i) {
    ByteState &byte = block.bytes[i];
    if (kind == Access::Arrive) {
      byte = {now(thread), byte.read, false, byte.wanted, thread.releases, false, 0};
      continue;
    }
    if (kind == Access::Done && byte.wanted)
      --byte.wanted;
    bool writes = kind == Access::Store || kind == Access::Request || kind == Access::Atomic;
    if (byte.wanted && writes)
      fail(thread, site, i, "a product that nobody has waited for reads");
    if (byte.pending)
      fail(thread, site, i,
           "an asynchronous copy is to bring: " + nameThread(block, byte.written.thread) + " not waited for it");
    if (byte.contested && block.shared[i] != byte.value)
      fail(thread, site, i, "several threads have written with different values, and no barrier between");
    bool isAlone = isBefore(byte.written, thread);
    if (!isAlone && kind != Access::Store)
      fail(thread, site, i, nameThread(block, byte.written.thread) + " written, with no barrier between");
    byte.contested = !isAlone; // what it writes is seen by the next who comes
    byte.value = block.shared[i];
    if (kind == Access::Want) {
      uint16_t writer = byte.written.thread;
      if (writer < kMany && byte.releases == block.threads[writer].releases)
        fail(thread, site, i, nameThread(block, writer) + " written, with no fence.proxy.async behind");
      ++byte.wanted;
    }
    if (!writes) {
      if (byte.written.thread == kNobody)
        fail(thread, site, i, "nobody has written");
      AccessTime read = now(thread);
      if (byte.read.thread != kNobody && byte.read.blockTime == read.blockTime && byte.read.thread != read.thread)
        read.thread = byte.read.thread != kMany && byte.read.warp == read.warp ? kManyOfAWarp : kMany;
      byte.read = read;
      continue;
    }
    if (!isBefore(byte.read, thread))
      fail(thread, site, i, nameThread(block, byte.read.thread) + " read, with no barrier between");
    byte.written = now(thread);
    byte.releases = thread.releases;
    byte.pending = kind == Access::Request;
  }
}

void setun::nvptx::emulator::touch(Thread *thread, const Site *site) {
  uint64_t address = uint64_t(thread->in[1]) << 32 | thread->in[0];
  uint64_t bytes = site->bytes ? site->bytes : uint64_t(thread->in[3]) << 32 | thread->in[2];
  bool isShared = address - reinterpret_cast<uint64_t>(thread->block->shared) < thread->block->bytes.size();
  (isShared ? touchShared : touchGlobal)(*thread, *site, address, bytes, static_cast<Access>(site->mode));
}
