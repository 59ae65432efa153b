//===- Fiber.cpp - Stacks that take turns -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A switch saves what the calling convention asks a function to keep, and nothing
// else. It ends with a jump, not a return: fibers mostly wait at the same place, so
// the jump is predicted where the return would not be.
//
//===----------------------------------------------------------------------===//

#include "Fiber.h"

#include "llvm/Support/ErrorHandling.h"

#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define SETUN_UNPOISON(begin, size) __asan_unpoison_memory_region(begin, size)
#endif
#endif
#ifndef SETUN_UNPOISON
#define SETUN_UNPOISON(begin, size)
#endif

using namespace setun::nvptx::emulator;

#if defined(__x86_64__)
extern "C" void setunEmulatorStart();
asm(R"(
  .text
  .p2align 4
  .globl setunEmulatorSwitch
  .hidden setunEmulatorSwitch
  .type setunEmulatorSwitch,@function
setunEmulatorSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
  .size setunEmulatorSwitch, .-setunEmulatorSwitch
  .globl setunEmulatorStart
  .hidden setunEmulatorStart
  .type setunEmulatorStart,@function
setunEmulatorStart:
  movq %rbx, %rdi
  jmpq *%r12
  .size setunEmulatorStart, .-setunEmulatorStart
)");
enum : size_t { kSaved = 8, kArgument = 4, kStart = 3, kLink = 6 }; // words: r15 r14 r13 r12 rbx rbp, address, a zero
#elif defined(__aarch64__)
extern "C" void setunEmulatorStart();
asm(R"(
  .text
  .p2align 4
  .globl setunEmulatorSwitch
  .hidden setunEmulatorSwitch
  .type setunEmulatorSwitch,%function
setunEmulatorSwitch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  mov x9, x30
  br x9
  .size setunEmulatorSwitch, .-setunEmulatorSwitch
  .globl setunEmulatorStart
  .hidden setunEmulatorStart
  .type setunEmulatorStart,%function
setunEmulatorStart:
  mov x0, x19
  br x20
  .size setunEmulatorStart, .-setunEmulatorStart
)");
enum : size_t { kSaved = 20, kArgument = 0, kStart = 1, kLink = 11 }; // words: x19 to x30, d8 to d15
#else
static void enter(unsigned startHigh, unsigned startLow, unsigned argumentHigh, unsigned argumentLow) {
  auto join = [](unsigned high, unsigned low) { return (uintptr_t)((uint64_t)high << 32 | low); };
  reinterpret_cast<void (*)(void *)>(join(startHigh, startLow))((void *)join(argumentHigh, argumentLow));
}
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
void setun::nvptx::emulator::switchFiber(Fiber &from, Fiber &to) {
  if (!from.stackPointer) // the host's own
    from.stackPointer = new ucontext_t;
  swapcontext(static_cast<ucontext_t *>(from.stackPointer), static_cast<ucontext_t *>(to.stackPointer));
}
#endif

/// Puts a fiber at its start. Stack tops differ in their low bits: at the same offset of a page, the stacks of a block
/// would all want the same few lines of the first cache.
void FiberPool::prepare(Fiber &fiber, size_t index) {
  SETUN_UNPOISON(fiber.stack, stackSize);
  char *top = fiber.stack + stackSize - (index * 192 % 3840);
#if defined(__x86_64__) || defined(__aarch64__)
  auto **words = reinterpret_cast<void **>(top) - kSaved;
  std::memset(words, 0, kSaved * sizeof(void *));
  words[kArgument] = argument;
  words[kStart] = reinterpret_cast<void *>(start);
  words[kLink] = reinterpret_cast<void *>(&setunEmulatorStart);
  fiber.stackPointer = words;
#else
  auto *context = fiber.stackPointer ? static_cast<ucontext_t *>(fiber.stackPointer) : new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = fiber.stack;
  context->uc_stack.ss_size = stackSize - (top - fiber.stack);
  context->uc_link = nullptr;
  auto s = (uint64_t)(uintptr_t)start, a = (uint64_t)(uintptr_t)argument;
  makecontext(context, (void (*)())enter, 4, (unsigned)(s >> 32), (unsigned)s, (unsigned)(a >> 32), (unsigned)a);
  fiber.stackPointer = context;
#endif
}

void FiberPool::grow() {
  size_t page = sysconf(_SC_PAGESIZE), stride = stackSize + page, bytes = kSlab * stride;
  void *slab = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (slab == MAP_FAILED)
    llvm::report_fatal_error("the emulator cannot map stacks");
  slabs.push_back(slab);
  slabBytes.push_back(bytes);
  fibers.push_back(std::make_unique<Fiber[]>(kSlab));
  for (size_t i = kSlab; i-- > 0;) {
    char *guard = static_cast<char *>(slab) + i * stride;
    if (fibers.size() < 256) // a process may have 65530 mappings
      mprotect(guard, page, PROT_NONE);
    Fiber &fiber = fibers.back()[i];
    fiber.stack = guard + page;
    prepare(fiber, i);
    give(fiber);
  }
}

void FiberPool::reset() {
  idle = nullptr;
  for (size_t slab = fibers.size(); slab-- > 0;)
    for (size_t i = kSlab; i-- > 0;) {
      prepare(fibers[slab][i], i);
      give(fibers[slab][i]);
    }
}

void FiberPool::reserve(size_t bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  size_t wanted = (bytes + (48 << 10) + page - 1) / page * page;
  if (wanted <= stackSize)
    return;
  release();
  stackSize = wanted;
}

bool FiberPool::isOnStack(const Fiber &fiber, const void *address, size_t bytes) const {
  auto offset = (uintptr_t)address - (uintptr_t)fiber.stack;
  return fiber.stack && offset < stackSize && bytes <= stackSize - offset;
}

void FiberPool::release() {
#if !defined(__x86_64__) && !defined(__aarch64__)
  for (auto &slab : fibers)
    for (size_t i = 0; i < kSlab; ++i)
      delete static_cast<ucontext_t *>(slab[i].stackPointer);
#endif
  for (size_t i = 0; i < slabs.size(); ++i)
    munmap(slabs[i], slabBytes[i]);
  fibers.clear();
  slabs.clear();
  slabBytes.clear();
  idle = nullptr;
}

FiberPool::~FiberPool() { release(); }
