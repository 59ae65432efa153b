//===- PersistentLoop.h - The loop of the persistent kernel -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM IR with names in angle brackets for numbers that PersistentKernel.cpp puts in.
//
//   waited    whether this thread knows that the step before is done
//   counter   of the step before: how many blocks are through with it; `target`: how many must be
//   team      threads of a block that work as one block of a step's grid, with a barrier of their own
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_PERSISTENTLOOP_H
#define SETUN_LIB_TARGET_NVPTX_PERSISTENTLOOP_H

namespace setun::nvptx {

/// Parameters of setun.run, which are those of bodies, too. Of a block there are three.
enum RunParameter : unsigned { kKernel, kStep, kBlock, kThread = kBlock + 3, kTeam, kWaited, kCounter, kTarget };

inline constexpr const char *kPersistentLoop = R"(
@setun.steps = internal addrspace(3) global [2 x [<ENTRY> x i8]] poison, align 128
; Of each thread: which block of the step's grid its team is at. A body needs the register; and that which the address
; would take, so that it is made of what the step says.
@setun.places = internal addrspace(3) global [<THREADS> x i32] poison, align 16

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.nvvm.barrier.cta.sync.aligned.count(i32, i32)
declare void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3), ptr addrspace(1))
declare void @llvm.nvvm.cp.async.wait.all()

; One block (x, y, z) of the grid of `step`, by one team. Gives whether the thread knows now.
declare i1 @setun.run(i32 %kernel, ptr addrspace(3) %step, i32 %x, i32 %y, i32 %z, i32 %thread, i32 %team, i1 %waited,
                      ptr addrspace(1) %counter, i32 %target)

; Word `i` of a step; how many blocks its grid has.
define internal i32 @setun.word(ptr addrspace(3) %step, i32 %i) #0 {
  %p = getelementptr i32, ptr addrspace(3) %step, i32 %i
  %v = load i32, ptr addrspace(3) %p, align 4
  ret i32 %v
}
define internal i32 @setun.total(ptr addrspace(3) %step) #0 {
  %x = call i32 @setun.word(ptr addrspace(3) %step, i32 4)
  %y = call i32 @setun.word(ptr addrspace(3) %step, i32 5)
  %z = call i32 @setun.word(ptr addrspace(3) %step, i32 6)
  %xy = mul i32 %x, %y
  %xyz = mul i32 %xy, %z
  ret i32 %xyz
}

define internal ptr addrspace(3) @setun.place(ptr addrspace(3) %step, i32 %thread, i32 %team) #0 {
  %teams = call i32 @setun.word(ptr addrspace(3) %step, i32 3)
  %first = mul i32 %thread, %teams
  %i = add i32 %first, %team
  %p = getelementptr i32, ptr addrspace(3) @setun.places, i32 %i
  ret ptr addrspace(3) %p
}

; Asks for the step at byte `from` of the list. Its size is a multiple of 16. The sum is of 32 bits, so that no register
; holds a thread's own begin of the list.
define internal void @setun.ask(ptr addrspace(1) %list, i32 %from, i32 %bytes, ptr addrspace(3) %to, i32 %thread) #0 {
  %at = shl i32 %thread, 4
  %mine = icmp ult i32 %at, %bytes
  br i1 %mine, label %copy, label %done
copy:
  %place = add i32 %from, %at
  %p = getelementptr i8, ptr addrspace(1) %list, i32 %place
  %q = getelementptr i8, ptr addrspace(3) %to, i32 %at
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %q, ptr addrspace(1) %p)
  br label %done
done:
  ret void
}

; Until the step before is done: a team's first thread looks, the others trust it.
define internal void @setun.wait(ptr %waited, ptr addrspace(1) %counter, i32 %target, i32 %thread, i32 %barrier,
                                 i32 %threads) #0 {
  %known = load i1, ptr %waited
  br i1 %known, label %done, label %ask
ask:
  %first = icmp eq i32 %thread, 0
  br i1 %first, label %spin, label %meet
spin:
  %now = load atomic i32, ptr addrspace(1) %counter syncscope("device") acquire, align 4
  %early = icmp ult i32 %now, %target
  br i1 %early, label %spin, label %meet
meet:
  call void @llvm.nvvm.barrier.cta.sync.aligned.count(i32 %barrier, i32 %threads)
  store i1 true, ptr %waited
  br label %done
done:
  ret void
}

; The steps from `list` on. `counters` has two halves of <STEPS>: this launch counts in `half`, where zeros are, and
; leaves zeros in the other one. `first`: bytes of the first step.
define ptx_kernel void @setun_persistent_coop(ptr %frame, ptr %list.any, ptr %counters.any, i32 %first, i32 %half) #1 {
entry:
  %waited = alloca i1
  %list = addrspacecast ptr %list.any to ptr addrspace(1)
  %counters.all = addrspacecast ptr %counters.any to ptr addrspace(1)
  %thread = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %blocks = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
  %isfirst = icmp eq i32 %thread, 0
  %start = mul i32 %half, <STEPS>
  %counters = getelementptr i32, ptr addrspace(1) %counters.all, i32 %start
  call void @setun.ask(ptr addrspace(1) %list, i32 0, i32 %first, ptr addrspace(3) @setun.steps, i32 %thread)
  %cleans = icmp eq i32 %block, 0
  br i1 %cleans, label %clean, label %arrived
clean:
  %slot = phi i32 [ %thread, %entry ], [ %slot1, %cleaning ]
  %dirty = icmp ult i32 %slot, <STEPS>
  br i1 %dirty, label %cleaning, label %arrived
cleaning:
  %otherhalf = sub i32 1, %half
  %otherstart = mul i32 %otherhalf, <STEPS>
  %otherslot = add i32 %otherstart, %slot
  %other = getelementptr i32, ptr addrspace(1) %counters.all, i32 %otherslot
  store i32 0, ptr addrspace(1) %other
  %slot1 = add i32 %slot, <THREADS>
  br label %clean
arrived:
  call void @llvm.nvvm.cp.async.wait.all()
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  br label %step

step:
  %number = phi i32 [ 0, %arrived ], [ %number1, %next ]
  %from = phi i32 [ 0, %arrived ], [ %from1, %next ]
  %bytes = phi i32 [ %first, %arrived ], [ %following, %next ]
  %target = phi i32 [ 0, %arrived ], [ %arrivals, %next ]
  %odd = and i32 %number, 1
  %there = xor i32 %odd, 1
  %here = getelementptr [<ENTRY> x i8], ptr addrspace(3) @setun.steps, i32 %odd
  %to = getelementptr [<ENTRY> x i8], ptr addrspace(3) @setun.steps, i32 %there
  %from1 = add i32 %from, %bytes
  %next.bytes = call i32 @setun.word(ptr addrspace(3) %here, i32 1)
  call void @setun.ask(ptr addrspace(1) %list, i32 %from1, i32 %next.bytes, ptr addrspace(3) %to, i32 %thread)
  %nothing = icmp eq i32 %number, 0
  store i1 %nothing, ptr %waited
  %before = add i32 %number, -1
  %counter = getelementptr i32, ptr addrspace(1) %counters, i32 %before
  %threads0 = call i32 @setun.word(ptr addrspace(3) %here, i32 2)
  %team0 = udiv i32 %thread, %threads0
  %teams0 = call i32 @setun.word(ptr addrspace(3) %here, i32 3)
  %team0.first = mul i32 %team0, %blocks
  %v0 = add i32 %team0.first, %block
  %in.team = icmp ult i32 %team0, %teams0
  br i1 %in.team, label %rounds, label %meet
rounds:
  %v = phi i32 [ %v0, %step ], [ %v1, %run ]
  %total = call i32 @setun.total(ptr addrspace(3) %here)
  %threads = call i32 @setun.word(ptr addrspace(3) %here, i32 2)
  %team = udiv i32 %thread, %threads
  %team.start = mul i32 %team, %threads
  %team.thread = sub i32 %thread, %team.start
  %more = icmp ult i32 %v, %total
  br i1 %more, label %run, label %rest
run:
  %kernel = call i32 @setun.word(ptr addrspace(3) %here, i32 0)
  %gx = call i32 @setun.word(ptr addrspace(3) %here, i32 4)
  %gy = call i32 @setun.word(ptr addrspace(3) %here, i32 5)
  %x = urem i32 %v, %gx
  %yz = udiv i32 %v, %gx
  %y = urem i32 %yz, %gy
  %z = udiv i32 %yz, %gy
  %place = call ptr addrspace(3) @setun.place(ptr addrspace(3) %here, i32 %team.thread, i32 %team)
  store i32 %v, ptr addrspace(3) %place
  %knew = load i1, ptr %waited
  %knows = call i1 @setun.run(i32 %kernel, ptr addrspace(3) %here, i32 %x, i32 %y, i32 %z, i32 %team.thread, i32 %team,
                              i1 %knew, ptr addrspace(1) %counter, i32 %target)
  store i1 %knows, ptr %waited
  ; Its shared memory may be used again when all of the team are here. What was known of the step is read again, for a
  ; body needs the registers.
  %threads1 = call i32 @setun.word(ptr addrspace(3) %here, i32 2)
  %team1 = udiv i32 %thread, %threads1
  %barrier1 = add i32 %team1, 1
  call void @llvm.nvvm.barrier.cta.sync.aligned.count(i32 %barrier1, i32 %threads1)
  %teams1 = call i32 @setun.word(ptr addrspace(3) %here, i32 3)
  %stride = mul i32 %teams1, %blocks
  %team1.start = mul i32 %team1, %threads1
  %team1.thread = sub i32 %thread, %team1.start
  %place1 = call ptr addrspace(3) @setun.place(ptr addrspace(3) %here, i32 %team1.thread, i32 %team1)
  %v.again = load i32, ptr addrspace(3) %place1
  %v1 = add i32 %v.again, %stride
  br label %rounds
rest:
  ; Who says that this step is done must know that the ones before are.
  %team.first = mul i32 %team, %blocks
  %first.v = add i32 %team.first, %block
  %worked = icmp ult i32 %first.v, %total
  br i1 %worked, label %late, label %meet
late:
  %barrier = add i32 %team, 1
  call void @setun.wait(ptr %waited, ptr addrspace(1) %counter, i32 %target, i32 %team.thread, i32 %barrier, i32 %threads)
  br label %meet
meet:
  ; The step's own place is for the one after the next as soon as all are here.
  %following = call i32 @setun.word(ptr addrspace(3) %here, i32 1)
  %blocks.of.it = call i32 @setun.total(ptr addrspace(3) %here)
  call void @llvm.nvvm.cp.async.wait.all()
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %arrivals = call i32 @llvm.umin.i32(i32 %blocks.of.it, i32 %blocks)
  %last = icmp eq i32 %following, 0
  br i1 %last, label %done, label %tell
tell:
  %had.work = icmp ult i32 %block, %blocks.of.it
  %tells = and i1 %had.work, %isfirst
  br i1 %tells, label %arrive, label %next
arrive:
  fence syncscope("device") acq_rel
  %own = getelementptr i32, ptr addrspace(1) %counters, i32 %number
  %old = atomicrmw add ptr addrspace(1) %own, i32 1 syncscope("device") monotonic
  br label %next
next:
  %number1 = add i32 %number, 1
  br label %step
done:
  ret void
}
declare i32 @llvm.umin.i32(i32, i32)
attributes #0 = { alwaysinline convergent nounwind }
attributes #1 = { convergent nounwind "nvvm.reqntid"="<THREADS>" "nvvm.minctasm"="<BLOCKS>" }
)";

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_PERSISTENTLOOP_H
