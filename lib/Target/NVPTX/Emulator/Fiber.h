//===- Fiber.h - Stacks that take turns -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A fiber runs until it switches to another. Stacks lie below guard pages and are
// used again: a finished GPU thread leaves its fiber to the next one.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_EMULATOR_FIBER_H
#define SETUN_LIB_TARGET_NVPTX_EMULATOR_FIBER_H

#include <cstddef>
#include <memory>
#include <vector>

namespace setun::nvptx::emulator {

struct Fiber {
  void *stackPointer = nullptr; // while it does not run
  Fiber *nextIdle = nullptr;
  char *stack = nullptr; // lowest byte; null: the host's own stack
};

#if defined(__x86_64__) || defined(__aarch64__)
extern "C" void setunEmulatorSwitch(void **save, void *load);
/// Leaves `from`, which runs, for `to`.
inline void switchFiber(Fiber &from, Fiber &to) { setunEmulatorSwitch(&from.stackPointer, to.stackPointer); }
#else
void switchFiber(Fiber &from, Fiber &to);
#endif

class FiberPool {
public:
  /// Fibers begin with `start(argument)`, which never returns.
  FiberPool(void (*start)(void *), void *argument) : start(start), argument(argument) {}
  FiberPool(const FiberPool &) = delete;
  ~FiberPool();

  /// A fiber that waits to be switched to, either at its start or where it was idle.
  Fiber &take() {
    if (!idle)
      grow();
    Fiber &fiber = *idle;
    idle = fiber.nextIdle;
    return fiber;
  }
  /// Gives back a fiber that will wait for work where it next leaves off.
  void give(Fiber &fiber) {
    fiber.nextIdle = idle;
    idle = &fiber;
  }
  /// Forgets what all fibers were at: they begin anew. None may run.
  void reset();
  /// Bytes of stack that a kernel's own variables may take; more needs larger stacks, which only come with reset.
  void reserve(size_t bytes);
  bool isOnStack(const Fiber &fiber, const void *address, size_t bytes) const;

private:
  [[gnu::noinline]] void grow();
  void prepare(Fiber &fiber, size_t index);
  void release();

  void (*start)(void *);
  void *argument;
  size_t stackSize = 64 << 10;
  static constexpr size_t kSlab = 32;
  std::vector<std::unique_ptr<Fiber[]>> fibers; // kSlab of them, close to each other
  std::vector<void *> slabs;
  std::vector<size_t> slabBytes;
  Fiber *idle = nullptr;
};

} // namespace setun::nvptx::emulator

#endif // SETUN_LIB_TARGET_NVPTX_EMULATOR_FIBER_H
