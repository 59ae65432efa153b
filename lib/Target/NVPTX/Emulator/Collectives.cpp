//===- Collectives.cpp - Where threads meet -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Barriers of blocks, and what the lanes of a warp do together. Rules are strict: all
// that a GPU would leave undefined, or only allows, is an error.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

[[noreturn]] static LLVM_ATTRIBUTE_NOINLINE void failMask(Thread &thread, const Site &site, uint32_t mask) {
  Warp &warp = *thread.warp;
  if (!(mask >> thread.lane & 1))
    warp.block->machine->fail(thread, formatv("{0} with the mask {1:x8}, in which the thread's own lane {2} is missing",
                                              site.what, mask, thread.lane));
  uint32_t missing = mask & ~warp.alive;
  warp.block->machine->fail(thread, formatv("{0} with the mask {1:x8}, of which lanes {2:x8} {3}", site.what, mask,
                                            missing, missing & warp.exists ? "have ended" : "do not exist"));
}

[[noreturn]] static LLVM_ATTRIBUTE_NOINLINE void failMeeting(Thread &thread, const Site &site, const Meeting &meeting) {
  thread.block->machine->fail(thread, formatv("{0} (place {1}) while lanes {2:x8} are in {3} (place {4})", site.what,
                                              site.index, meeting.arrived, meeting.site->what, meeting.site->index));
}

/// The meeting of those lanes: the one that some of them have come to, or a new one.
static LLVM_ATTRIBUTE_NOINLINE Meeting &findMeeting(Warp &warp, uint32_t mask) {
  Meeting *empty = nullptr;
  for (uint32_t i = 0; i < warp.numMeetings; ++i) {
    if (!warp.meetings[i].arrived)
      empty = &warp.meetings[i];
    else if (warp.meetings[i].mask == mask)
      return warp.meetings[i];
  }
  Meeting &meeting = empty ? *empty : warp.meetings[warp.numMeetings++];
  meeting = {mask, 0, nullptr};
  return meeting;
}

void setun::nvptx::emulator::meet(Thread *thread, const Site *site) {
  Warp &warp = *thread->warp;
  uint32_t bit = 1u << thread->lane, mask = site->fullWarp ? ~0u : thread->in[0];
  if (LLVM_UNLIKELY(!(mask & bit) || mask & ~warp.alive))
    failMask(*thread, *site, mask);
  Meeting *meeting = &warp.meetings[0];
  if (!meeting->arrived || meeting->mask != mask)
    meeting = &findMeeting(warp, mask);
  if (!meeting->arrived)
    meeting->site = site;
  else if (LLVM_UNLIKELY(meeting->site != site && (site->aligned || meeting->site->compute != site->compute ||
                                                   meeting->site->mode != site->mode)))
    failMeeting(*thread, *site, *meeting);
  meeting->arrived |= bit;
  if (meeting->arrived != mask) {
    warp.block->machine->block(*thread, Wait::Collective, *site, mask);
    return;
  }
  meeting->arrived = 0;
  site->compute(warp, mask, *site);
  warp.ready |= mask;
  warp.block->readyWarps |= 1u << warp.index;
  warp.block->machine->reconsider(*thread);
}

[[noreturn]] static LLVM_ATTRIBUTE_NOINLINE void failBarrier(Thread &thread, const Site &site, uint32_t number,
                                                             uint32_t count, uint32_t expected) {
  Block &block = *thread.block;
  Machine &machine = *block.machine;
  if (number >= 16)
    machine.fail(thread, formatv("{0} at barrier {1}: there are 16", site.what, number));
  if (!count && block.exited)
    machine.fail(thread, formatv("{0} waits for all {1} threads of the block, of which {2} have ended", site.what,
                                 block.numThreads, block.exited));
  if (count % 32 || count > alignTo(block.numThreads, 32))
    machine.fail(thread, formatv("{0} for {1} threads: not a number of whole warps of the block", site.what, count));
  if (block.barriers[number].expected != expected)
    machine.fail(thread, formatv("{0} at barrier {1} for {2} threads, others wait there for {3}", site.what, number,
                                 expected, block.barriers[number].expected));
  const Site &place = *thread.warp->barrierSite[number];
  machine.fail(thread,
               formatv("{0} (place {1}) at barrier {2}, where another thread of its warp came to {3} (place {4})",
                       site.what, site.index, number, place.what, place.index));
}

/// Notes a thread's arrival; whether it was the last one.
static bool arrive(Thread &thread, const Site &site, uint32_t number, uint32_t count) {
  Block &block = *thread.block;
  uint32_t expected = count ? std::min(count, block.numThreads) : block.numThreads;
  if (LLVM_UNLIKELY(number >= 16 || (!count && block.exited) || count % 32 || count > alignTo(block.numThreads, 32)))
    failBarrier(thread, site, number, count, expected);
  Barrier &barrier = block.barriers[number];
  if (!barrier.arrived)
    barrier = {0, expected, 0, &site};
  const Site *&place = thread.warp->barrierSite[number];
  if (LLVM_UNLIKELY(barrier.expected != expected || (site.aligned && place && place != &site)))
    failBarrier(thread, site, number, count, expected);
  place = &site;
  return ++barrier.arrived == barrier.expected;
}

void setun::nvptx::emulator::barrier(Thread *thread, const Site *site) {
  Block &block = *thread->block;
  uint32_t number = thread->in[0];
  bool last = arrive(*thread, *site, number, thread->in[1]);
  Barrier &barrier = block.barriers[number];
  barrier.sum += thread->in[2] & 1;
  if (!last) {
    block.machine->block(*thread, Wait::Barrier, *site, number);
    return;
  }
  uint32_t sum = barrier.sum, all = barrier.expected;
  uint32_t results[] = {0, sum, sum == all, sum != 0};
  barrier.arrived = 0;
  ++block.time;
  for (uint32_t w = 0; w < block.numWarps; ++w) {
    Warp &warp = block.warps[w];
    if (!warp.barrierSite[number])
      continue;
    warp.barrierSite[number] = nullptr;
    if (all == block.numThreads && site->mode == kSync) { // nobody can be anywhere else
      warp.ready = warp.alive;
      block.readyWarps |= 1u << w;
      continue;
    }
    for (uint32_t lanes = warp.alive; lanes; lanes &= lanes - 1) {
      Thread &other = warp.threads[llvm::countr_zero(lanes)];
      bool waits = !(warp.ready >> other.lane & 1) && other.wait == Wait::Barrier && other.waitsFor == number;
      if (&other == thread || waits) {
        other.out[0] = results[other.site && waits ? other.site->mode : site->mode];
        Machine::wake(other);
      }
    }
  }
  block.machine->reconsider(*thread);
}

void setun::nvptx::emulator::barrierArrive(Thread *thread, const Site *site) {
  Block &block = *thread->block;
  uint32_t number = thread->in[0];
  if (!arrive(*thread, *site, number, thread->in[1]))
    return;
  block.barriers[number].arrived = 0;
  ++block.time;
  for (uint32_t w = 0; w < block.numWarps; ++w) {
    Warp &warp = block.warps[w];
    warp.barrierSite[number] = nullptr;
    for (uint32_t lanes = warp.alive & ~warp.ready; lanes; lanes &= lanes - 1) {
      Thread &other = warp.threads[llvm::countr_zero(lanes)];
      if (other.wait == Wait::Barrier && other.waitsFor == number)
        Machine::wake(other);
    }
  }
}

template <class F> static void forLanes(uint32_t lanes, F body) {
  for (; lanes; lanes &= lanes - 1)
    body(llvm::countr_zero(lanes));
}

void setun::nvptx::emulator::computeNothing(Warp &warp, uint32_t, const Site &) { ++warp.time; }

[[noreturn]] static LLVM_ATTRIBUTE_NOINLINE void failSource(Thread &thread, const Site &site, int from,
                                                            uint32_t lanes) {
  thread.block->machine->fail(
      thread, formatv("{0} reads lane {1}, which the mask {2:x8} does not name", site.what, from, lanes));
}

void setun::nvptx::emulator::computeShuffle(Warp &warp, uint32_t lanes, const Site &site) {
  forLanes(lanes, [&](int lane) {
    Thread &thread = warp.threads[lane];
    int b = thread.in[2] & 31, clamp = thread.in[3] & 31, segment = thread.in[3] >> 8 & 31;
    int least = lane & segment, most = least | (clamp & ~segment & 31), from = lane;
    switch (site.mode) {
    case kUp:
      from = lane - b;
      break;
    case kDown:
      from = lane + b;
      break;
    case kButterfly:
      from = lane ^ b;
      break;
    case kIndex:
      from = least | (b & ~segment & 31);
      break;
    }
    bool valid = site.mode == kUp ? from >= most : from <= most;
    if (!valid)
      from = lane;
    if (LLVM_UNLIKELY(!(lanes >> from & 1)))
      failSource(thread, site, from, lanes);
    thread.out[0] = warp.threads[from].in[1];
    thread.out[1] = valid;
  });
}

void setun::nvptx::emulator::computeVote(Warp &warp, uint32_t lanes, const Site &site) {
  uint32_t ballot = 0;
  forLanes(lanes, [&](int lane) { ballot |= (warp.threads[lane].in[1] & 1) << lane; });
  uint32_t result = 0;
  switch (site.mode) {
  case kAll:
    result = ballot == lanes;
    break;
  case kAny:
    result = ballot != 0;
    break;
  case kUniform:
    result = ballot == 0 || ballot == lanes;
    break;
  case kBallot:
    result = ballot;
    break;
  }
  forLanes(lanes, [&](int lane) { warp.threads[lane].out[0] = result; });
}

static uint32_t reduce(int mode, uint32_t a, uint32_t b) {
  switch (mode) {
  case kAdd:
    return a + b;
  case kMin:
    return std::min<int32_t>(a, b);
  case kMax:
    return std::max<int32_t>(a, b);
  case kUMin:
    return std::min(a, b);
  case kUMax:
    return std::max(a, b);
  case kAnd:
    return a & b;
  case kOr:
    return a | b;
  default:
    return a ^ b;
  }
}

void setun::nvptx::emulator::computeReduce(Warp &warp, uint32_t lanes, const Site &site) {
  uint32_t result = warp.threads[llvm::countr_zero(lanes)].in[1];
  forLanes(lanes & (lanes - 1), [&](int lane) { result = reduce(site.mode, result, warp.threads[lane].in[1]); });
  forLanes(lanes, [&](int lane) { warp.threads[lane].out[0] = result; });
}

/// Bits of the mode: 1 for the greatest, 2 for absolute values, 4 to let a NaN through.
void setun::nvptx::emulator::computeReduceFloat(Warp &warp, uint32_t lanes, const Site &site) {
  float result = NAN;
  bool sawNan = false;
  forLanes(lanes, [&](int lane) {
    float value;
    std::memcpy(&value, &warp.threads[lane].in[1], 4);
    value = site.mode & 2 ? std::fabs(value) : value;
    sawNan |= std::isnan(value);
    bool swap = site.mode & 1 ? value > result || (value == result && !std::signbit(value))
                              : value < result || (value == result && std::signbit(value));
    if (std::isnan(result) || swap)
      result = value;
  });
  uint32_t bits = 0x7fffffff;
  if (!std::isnan(result) && !(sawNan && site.mode & 4))
    std::memcpy(&bits, &result, 4);
  forLanes(lanes, [&](int lane) { warp.threads[lane].out[0] = bits; });
}

static uint64_t matched(const Thread &thread) { return uint64_t(thread.in[3]) << 32 | thread.in[2]; }

void setun::nvptx::emulator::computeMatchAny(Warp &warp, uint32_t lanes, const Site &site) {
  forLanes(lanes, [&](int lane) {
    uint32_t same = 0;
    forLanes(lanes, [&](int other) {
      same |= uint32_t(matched(warp.threads[other]) == matched(warp.threads[lane])) << other;
    });
    warp.threads[lane].out[0] = same;
  });
}

void setun::nvptx::emulator::computeMatchAll(Warp &warp, uint32_t lanes, const Site &site) {
  uint64_t first = matched(warp.threads[llvm::countr_zero(lanes)]);
  bool all = true;
  forLanes(lanes, [&](int lane) { all &= matched(warp.threads[lane]) == first; });
  forLanes(lanes, [&](int lane) {
    warp.threads[lane].out[0] = all ? lanes : 0;
    warp.threads[lane].out[1] = all;
  });
}

void setun::nvptx::emulator::computeElect(Warp &warp, uint32_t lanes, const Site &site) {
  int leader = llvm::countr_zero(lanes);
  forLanes(lanes, [&](int lane) {
    warp.threads[lane].out[0] = leader;
    warp.threads[lane].out[1] = lane == leader;
  });
}
