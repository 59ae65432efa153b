//===- GroupProducts.cpp - Products of matrices by four warps -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma. A product begins when the 128 threads of four warps have come to it, and is done when the first of them has
// waited for it, or at once, if the schedule wants so. Until a thread has waited, its registers of sums hold marks,
// which mean nothing to anything but the next product on the same sums.
//
// B is described by 64 bits: bits 0 to 13 are the start, 32 to 45 the distance from eight rows to the next, both in 16
// bytes; bits 62 and 63 the width of rows that are exchanged: 1, which is 128 bytes, is known. Bits 4 to 6 of an
// address are then xored with its bits 7 to 9.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static constexpr uint32_t kGroup = 128, kDepth = 32, kMark = 0x5a000000;

/// The matrices of a product, and what its threads add to.
struct setun::nvptx::emulator::GroupProduct {
  const Site *site;
  uint64_t tokens;
  uint32_t columns;
  int8_t weights[64][kDepth];
  std::shared_ptr<std::vector<uint32_t>> sums[kGroup];
  bool done = false, told = false; // `told`: that it reads no more
};

static uint64_t wide(const uint32_t *slot) { return uint64_t(slot[1]) << 32 | slot[0]; }

static GroupProducts &productsOf(Thread &thread) {
  if (!thread.products)
    thread.products = new GroupProducts;
  return *thread.products;
}

bool setun::nvptx::emulator::hasProducts(const Thread &thread) {
  return thread.products && !(thread.products->groups.empty() && thread.products->open.empty());
}

/// The sums that a register's mark belongs to, or null.
static PendingSums *findSums(Thread &thread, uint32_t mark) {
  for (PendingSums &sums : productsOf(thread).sums)
    if (mark - sums.mark < sums.values->size())
      return &sums;
  return nullptr;
}

/// Where 16 bytes of a row of B lie: a distance from the start of shared memory.
static uint64_t pieceOf(uint64_t tokens, uint32_t row, uint32_t piece) {
  uint64_t start = (tokens & 0x3fff) << 4, distance = (tokens >> 32 & 0x3fff) << 4;
  uint64_t at = start + row / 8 * distance + row % 8 * 128 + 16 * piece;
  return at ^ (at >> 7 & 7) << 4;
}

static void touchTokens(Thread &thread, const GroupProduct &product, Access kind) {
  Block &block = *thread.block;
  if (block.bytes.empty())
    return;
  for (uint32_t row = 0; row < product.columns; ++row)
    for (uint32_t piece = 0; piece < kDepth / 16; ++piece) {
      uint64_t at = pieceOf(product.tokens, row, piece);
      touchShared(thread, *product.site, reinterpret_cast<uint64_t>(block.shared) + at, 16, kind);
    }
}

static void perform(Block &block, GroupProduct &product) {
  if (product.done)
    return;
  product.done = true;
  int8_t row[kDepth];
  for (uint32_t column = 0; column < product.columns; ++column) {
    for (uint32_t piece = 0; piece < kDepth / 16; ++piece)
      std::memcpy(row + 16 * piece, block.shared + pieceOf(product.tokens, column, piece), 16);
    for (uint32_t line = 0; line < 64; ++line) {
      int32_t sum = 0;
      for (uint32_t k = 0; k < kDepth; ++k)
        sum += product.weights[line][k] * row[k];
      uint32_t number = line / 16 * 32 + line % 8 * 4 + column % 8 / 2;
      uint32_t word = column / 8 * 4 + line % 16 / 8 * 2 + column % 2;
      (*product.sums[number])[word] += static_cast<uint32_t>(sum);
    }
  }
}

/// What 64 bits say that is not so, or is not known.
static std::string checkTokens(const Block &block, const GroupProduct &product) {
  if (product.tokens >> 62 != 1)
    return formatv("exchanges rows in a way ({0}) that the emulator does not know", product.tokens >> 62);
  if (product.tokens >> 49 & 7)
    return "begins within a pattern of exchanged rows, which the emulator does not know";
  for (uint32_t row = 0; row < product.columns; row += product.columns - 1)
    for (uint32_t piece = 0; piece < kDepth / 16; ++piece)
      if (uint64_t at = pieceOf(product.tokens, row, piece); at + 16 > block.sharedSize)
        return formatv("reads byte {0} of {1} bytes of shared memory", at, block.sharedSize);
  return "";
}

/// A thread's sums become those of a new product: marks in its registers.
static std::shared_ptr<std::vector<uint32_t>> takeSums(Thread &thread, const Site &site, uint32_t *registers,
                                                       uint32_t count) {
  GroupProducts &own = productsOf(thread);
  PendingSums *sums = findSums(thread, registers[0]);
  bool follows = sums && sums->mark == registers[0] && sums->values->size() == count;
  for (uint32_t i = 0; i < count; ++i)
    if (follows ? registers[i] != sums->mark + i : findSums(thread, registers[i]) != nullptr)
      thread.block->machine->fail(thread,
                                  formatv("{0} with a sum (register {1}) that another product works on", site.what, i));
  if (!follows) {
    own.sums.push_back({0, std::make_shared<std::vector<uint32_t>>(registers, registers + count)});
    sums = &own.sums.back();
  }
  // Marks of their own each time: whoever kept the last ones has something else.
  sums->mark = kMark + (own.marks++ << 8 & 0xffffff);
  for (uint32_t i = 0; i < count; ++i)
    registers[i] = sums->mark + i;
  return sums->values;
}

void setun::nvptx::emulator::multiplyGroup(Thread *thread, const Site *site) {
  Block &block = *thread->block;
  Machine &machine = *block.machine;
  uint32_t first = thread->warp->index / 4 * 4;
  if (first + 4 > block.numWarps)
    machine.fail(*thread, formatv("{0} by less than four warps", site->what));
  for (uint32_t w = first; w < first + 4; ++w)
    if (block.warps[w].alive != ~0u)
      machine.fail(*thread, formatv("{0} where threads of its four warps have ended or do not exist", site->what));
  GroupMeeting &meeting = block.groups[first / 4];
  if (meeting.arrived && meeting.site != site)
    machine.fail(*thread, formatv("{0} (place {1}) while {2} threads of its four warps are in {3} (place {4})",
                                  site->what, site->index, meeting.arrived, meeting.site->what, meeting.site->index));
  meeting.site = site;
  if (++meeting.arrived != kGroup) {
    machine.block(*thread, Wait::Collective, *site, ~0u);
    return;
  }
  meeting.arrived = 0;
  auto product = std::make_shared<GroupProduct>();
  product->site = site;
  product->tokens = wide(thread->in + 4);
  product->columns = site->mode;
  if (std::string why = checkTokens(block, *product); !why.empty())
    machine.fail(*thread, site->what + " " + why);
  for (uint32_t number = 0; number < kGroup; ++number) {
    Thread &other = block.threads[first * 32 + number];
    if (wide(other.in + 4) != product->tokens)
      machine.fail(other, formatv("{0} of another matrix in shared memory than other threads", site->what));
    uint32_t row = number / 32 * 16 + number % 32 / 4, k = number % 4 * 4;
    for (uint32_t r = 0; r < 4; ++r)
      std::memcpy(&product->weights[row + 8 * (r & 1)][k + 16 * (r >> 1)], &other.in[r], 4);
    auto *registers = reinterpret_cast<uint32_t *>(wide(other.in + 6));
    product->sums[number] = takeSums(other, *site, registers, product->columns / 2);
    productsOf(other).open.push_back(product);
    if (&other != thread)
      Machine::wake(other);
  }
  touchTokens(*thread, *product, Access::Want);
  if (machine.hurries())
    perform(block, *product);
  machine.reconsider(*thread);
}

void setun::nvptx::emulator::commitProducts(Thread *thread, const Site *) {
  GroupProducts &own = productsOf(*thread);
  own.groups.push_back(std::move(own.open));
  own.open.clear();
}

void setun::nvptx::emulator::waitProducts(Thread *thread, const Site *site) {
  GroupProducts &own = productsOf(*thread);
  while (own.groups.size() > thread->in[0]) {
    for (auto &product : own.groups.front()) {
      perform(*thread->block, *product);
      if (!product->told)
        touchTokens(*thread, *product, Access::Done);
      product->told = true;
    }
    own.groups.pop_front();
  }
  auto *registers = reinterpret_cast<uint32_t *>(wide(thread->in + 2));
  for (uint32_t i = 0; i < thread->in[4]; ++i) {
    PendingSums *sums = findSums(*thread, registers[i]);
    if (sums && !hasProducts(*thread))
      registers[i] = (*sums->values)[registers[i] - sums->mark];
  }
  if (thread->in[4] && !hasProducts(*thread))
    own.sums.clear();
}

void setun::nvptx::emulator::releaseShared(Thread *thread, const Site *) { ++thread->releases; }
