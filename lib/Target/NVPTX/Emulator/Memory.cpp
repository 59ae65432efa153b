//===- Memory.cpp - Asynchronous copies, checks, and the end of a launch -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A copy's destination is poisoned when the copy is asked for; the bytes come when it
// is waited for, or at some switch before.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static uint64_t wide(const uint32_t *slot) { return uint64_t(slot[1]) << 32 | slot[0]; }

static void perform(const AsyncCopy &copy) {
  std::memcpy(copy.destination, copy.source, copy.sourceBytes);
  std::memset(copy.destination + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
}

void setun::nvptx::emulator::copyAsync(Thread *thread, const Site *site) {
  Machine &machine = *thread->block->machine;
  uint64_t to = wide(thread->in), from = wide(thread->in + 2);
  uint32_t bytes = site->bytes, sourceBytes = thread->in[4];
  uint64_t offset = to - reinterpret_cast<uint64_t>(thread->block->shared);
  if (offset >= thread->block->sharedSize || thread->block->sharedSize - offset < bytes)
    machine.fail(*thread, formatv("{0} to byte {1} of {2} bytes of shared memory", site->what, int64_t(offset),
                                  thread->block->sharedSize));
  if (to % bytes || from % bytes)
    machine.fail(*thread, formatv("{0} from {1:x} to byte {2} of shared memory: both must be multiples of {3}",
                                  site->what, from, offset, bytes));
  if (sourceBytes > bytes)
    machine.fail(*thread, formatv("{0} of {1} bytes", site->what, sourceBytes));
  if (sourceBytes)
    machine.checkRange(*thread, *site, from, sourceBytes, /*remember=*/false);
  if (!thread->block->bytes.empty()) {
    touchShared(*thread, *site, to, bytes, Access::Request);
    if (sourceBytes)
      touchGlobal(*thread, *site, from, sourceBytes, Access::Load);
  }
  auto *destination = reinterpret_cast<uint8_t *>(to);
  poison(destination, bytes);
  if (!thread->copies)
    thread->copies = new AsyncCopies;
  thread->copies->open.push_back({destination, reinterpret_cast<const uint8_t *>(from), bytes, sourceBytes, false});
  if (machine.hurries()) {
    perform(thread->copies->open.back());
    thread->copies->open.back().early = true;
  }
}

void setun::nvptx::emulator::commitCopies(Thread *thread, const Site *) {
  if (!thread->copies)
    thread->copies = new AsyncCopies;
  thread->copies->groups.push_back(std::move(thread->copies->open));
  thread->copies->open.clear();
}

/// A copy has been waited for.
static void arrive(Thread &thread, const AsyncCopy &copy) {
  if (!copy.early)
    perform(copy);
  if (!thread.block->bytes.empty())
    touchShared(thread, Site(), reinterpret_cast<uint64_t>(copy.destination), copy.bytes, Access::Arrive);
}

void setun::nvptx::emulator::finishCopies(Thread &thread, size_t groupsThatStay) {
  if (!thread.copies)
    return;
  auto &groups = thread.copies->groups;
  while (groups.size() > groupsThatStay) {
    for (const AsyncCopy &copy : groups.front())
      arrive(thread, copy);
    groups.pop_front();
  }
}

void setun::nvptx::emulator::hurryCopies(Thread &thread) {
  if (thread.copies && !thread.copies->groups.empty() && thread.block->machine->hurries())
    for (AsyncCopy &copy : thread.copies->groups.front()) {
      if (!copy.early)
        perform(copy);
      copy.early = true;
    }
}

void setun::nvptx::emulator::waitCopies(Thread *thread, const Site *) { finishCopies(*thread, thread->in[0]); }

void setun::nvptx::emulator::waitAllCopies(Thread *thread, const Site *) {
  finishCopies(*thread, 0);
  if (!thread->copies)
    return;
  for (const AsyncCopy &copy : thread->copies->open)
    arrive(*thread, copy);
  thread->copies->open.clear();
}

void setun::nvptx::emulator::waitForGrid(Thread *thread, const Site *site) {
  Machine &machine = *thread->block->machine;
  if (!machine.dependenciesDone)
    machine.block(*thread, Wait::Grid, *site, 0);
}

void setun::nvptx::emulator::spinOnce(Thread *thread, const Site *) { thread->block->machine->spin(*thread); }

void setun::nvptx::emulator::trap(Thread *thread, const Site *site) {
  thread->block->machine->fail(*thread, site->what + " was reached");
}

void setun::nvptx::emulator::checkSlowly(Thread *thread, const Site *site) {
  Machine &machine = *thread->block->machine;
  uint64_t address = wide(thread->in), bytes = site->bytes ? site->bytes : wide(thread->in + 2);
  if (address % site->align)
    machine.fail(*thread, formatv("{0} of {1} bytes at {2:x}, which is not a multiple of {3}", site->what, bytes,
                                  address, site->align));
  if (bytes)
    machine.checkRange(*thread, *site, address, bytes, /*remember=*/site->bytes != 0);
}

void setun::nvptx::emulator::failShared(Thread *thread, const Site *site) {
  uint64_t offset = wide(thread->in) - reinterpret_cast<uint64_t>(thread->block->shared);
  uint64_t bytes = site->bytes ? site->bytes : wide(thread->in + 2);
  if (offset < thread->block->sharedSize && bytes <= thread->block->sharedSize - offset)
    thread->block->machine->fail(*thread,
                                 formatv("{0} of {1} bytes at byte {2} of shared memory, which is not a multiple "
                                         "of {3}",
                                         site->what, bytes, offset, site->align));
  thread->block->machine->fail(*thread, formatv("{0} of {1} bytes at byte {2} of {3} bytes of shared memory",
                                                site->what, bytes, int64_t(offset), thread->block->sharedSize));
}
