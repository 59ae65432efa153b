//===- GlobalRaces.h - Blocks that touch the same memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The device's memory as the blocks of one launch see it. A device runs them in any order and side by side: what one
// writes, no other may read or write, unless an atomic access with fences around orders the two.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_EMULATOR_GLOBALRACES_H
#define SETUN_LIB_TARGET_NVPTX_EMULATOR_GLOBALRACES_H

#include "llvm/ADT/DenseMap.h"

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace setun::nvptx::emulator {

struct GlobalAccess {
  uint64_t address, bytes;
  bool writes, atomic, acquires, releases;
};

class GlobalRaces {
public:
  /// Forgets all: a launch of so many blocks begins.
  void begin(uint64_t numBlocks);
  /// What another block did that nothing orders before this access; empty if there is nothing.
  std::string touch(uint32_t block, const GlobalAccess &access);
  void fence(uint32_t block);

private:
  /// Of each block, up to which of its times somebody knows what it did. Empty: nothing.
  using Times = std::vector<uint32_t>;
  /// Of four bytes: who did it last, when, and to which of the bytes.
  struct Last {
    uint32_t block = 0, time = 0; // time 0: nobody
    uint8_t bytes = 0;
    bool many = false, atomic = false;
  };
  struct Word {
    Last written, read;
  };
  static constexpr uint64_t kWords = 256; // of a page
  struct Order {
    uint32_t time = 1;          // goes on with each fence
    Times known, heard, fenced; // `heard`: known from the next fence on; `fenced`: what atomics hand on
    bool changed = true;        // since the last fence
    uint64_t heardFrom = 0;     // the last address, and how much had been handed on there
    uint32_t heardVersion = 0;
  };
  struct Handed {
    Times times;
    uint32_t version = 0;
  };

  bool isBefore(const Last &last, uint32_t block) const;
  void join(Times &to, const Times &from) const;
  void synchronize(uint32_t block, const GlobalAccess &access);

  uint64_t numBlocks = 0;
  bool tooMany = false; // blocks that count on each other: nothing is checked
  llvm::DenseMap<uint64_t, std::unique_ptr<Word[]>> pages;
  uint64_t lastPage = ~0ull;
  Word *lastWords = nullptr;
  std::vector<Order> orders;                   // empty as long as blocks do not synchronize
  std::unordered_map<uint64_t, Handed> handed; // by the atomics of an address
  uint64_t lastAddress = 0;
  Handed *lastHanded = nullptr;
};

} // namespace setun::nvptx::emulator

#endif // SETUN_LIB_TARGET_NVPTX_EMULATOR_GLOBALRACES_H
