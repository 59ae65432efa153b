//===- Kernels.h - Kernels to test the emulator with -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each is LLVM IR as the NVPTX backend would get it.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_UNIT_NVPTX_KERNELS_H
#define SETUN_TEST_UNIT_NVPTX_KERNELS_H

#include "llvm/ADT/StringRef.h"

#include <string>

namespace kernels {

/// Bitcode of kHeader and `text`; empty, and told on stderr, if the text is wrong.
std::string assemble(llvm::StringRef text);

inline constexpr const char *kHeader = R"(
target datalayout = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.laneid()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
declare i32 @llvm.nvvm.shfl.sync.down.i32(i32, i32, i32, i32)
declare i32 @llvm.nvvm.vote.ballot.sync(i32, i1)
declare i32 @llvm.nvvm.redux.sync.add(i32, i32)
declare i32 @llvm.nvvm.idp4a.u.s(i32, i32, i32)
declare void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3), ptr addrspace(1))
declare void @llvm.nvvm.cp.async.commit.group()
declare void @llvm.nvvm.cp.async.wait.group(i32 immarg)
declare void @llvm.nvvm.bar.warp.sync(i32)
declare { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3))
declare { i32, i32, i32, i32 } @llvm.nvvm.mma.m16n8k32.row.col.s8.u8(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32)
)";

/// out[block] = sum of 256 inputs, by shuffles, shared memory and a barrier.
inline constexpr const char *kReduce = R"(
@partial = internal addrspace(3) global [8 x i32] poison, align 16
define ptx_kernel void @reduce(ptr addrspace(1) %in, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %first = shl i32 %block, 8
  %index = add i32 %first, %tid
  %from = getelementptr i32, ptr addrspace(1) %in, i32 %index
  %v0 = load i32, ptr addrspace(1) %from, align 4
  %s0 = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %v0, i32 16, i32 31)
  %v1 = add i32 %v0, %s0
  %s1 = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %v1, i32 8, i32 31)
  %v2 = add i32 %v1, %s1
  %s2 = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %v2, i32 4, i32 31)
  %v3 = add i32 %v2, %s2
  %s3 = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %v3, i32 2, i32 31)
  %v4 = add i32 %v3, %s3
  %s4 = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %v4, i32 1, i32 31)
  %v5 = add i32 %v4, %s4
  %warp = lshr i32 %tid, 5
  %slot = getelementptr i32, ptr addrspace(3) @partial, i32 %warp
  store i32 %v5, ptr addrspace(3) %slot, align 4
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %few = icmp ult i32 %tid, 8
  br i1 %few, label %last, label %done
last:
  %mine = getelementptr i32, ptr addrspace(3) @partial, i32 %tid
  %p = load i32, ptr addrspace(3) %mine, align 4
  %all = call i32 @llvm.nvvm.redux.sync.add(i32 %p, i32 255)
  %zero = icmp eq i32 %tid, 0
  br i1 %zero, label %write, label %done
write:
  %to = getelementptr i32, ptr addrspace(1) %out, i32 %block
  store i32 %all, ptr addrspace(1) %to, align 4
  br label %done
done:
  ret void
}
)";

/// out = in, tile by tile of 64 x 16 bytes, three tiles in flight. A thread writes what its neighbour has fetched.
inline constexpr const char *kPipeline = R"(
@buffer = internal addrspace(3) global [3072 x i8] poison, align 128
define ptx_kernel void @pipeline(ptr addrspace(1) %in, ptr addrspace(1) %out, i32 %tiles) {
entry:
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %own = shl i32 %tid, 4
  %next = xor i32 %tid, 33
  %other = shl i32 %next, 4
  %in0 = getelementptr i8, ptr addrspace(1) %in, i32 %own
  %b0 = getelementptr i8, ptr addrspace(3) @buffer, i32 %own
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %b0, ptr addrspace(1) %in0)
  call void @llvm.nvvm.cp.async.commit.group()
  %in1 = getelementptr i8, ptr addrspace(1) %in0, i32 1024
  %b1 = getelementptr i8, ptr addrspace(3) %b0, i32 1024
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %b1, ptr addrspace(1) %in1)
  call void @llvm.nvvm.cp.async.commit.group()
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %i1, %latch ]
  call void @llvm.nvvm.cp.async.wait.group(i32 1)
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %i2 = add i32 %i, 2
  %more = icmp ult i32 %i2, %tiles
  br i1 %more, label %fetch, label %use
fetch:
  %stage2 = urem i32 %i2, 3
  %at2 = shl i32 %stage2, 10
  %to2 = getelementptr i8, ptr addrspace(3) %b0, i32 %at2
  %far = shl i32 %i2, 10
  %from2 = getelementptr i8, ptr addrspace(1) %in0, i32 %far
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %to2, ptr addrspace(1) %from2)
  br label %use
use:
  call void @llvm.nvvm.cp.async.commit.group()
  %stage = urem i32 %i, 3
  %at = shl i32 %stage, 10
  %offset = add i32 %at, %other
  %p = getelementptr i8, ptr addrspace(3) @buffer, i32 %offset
  %v = load <4 x i32>, ptr addrspace(3) %p, align 16
  %tile = shl i32 %i, 10
  %where = add i32 %tile, %other
  %q = getelementptr i8, ptr addrspace(1) %out, i32 %where
  store <4 x i32> %v, ptr addrspace(1) %q, align 16
  br label %latch
latch:
  %i1 = add i32 %i, 1
  %again = icmp ult i32 %i1, %tiles
  br i1 %again, label %loop, label %done
done:
  ret void
}
)";

/// C = A B + C of bytes, A through ldmatrix: A is 16 x 32 and row-major, B 32 x 8 and column-major.
inline constexpr const char *kProduct = R"(
@tile = internal addrspace(3) global [512 x i8] poison, align 128
define ptx_kernel void @product(ptr addrspace(1) %a, ptr addrspace(1) %b, ptr addrspace(1) %c) {
  %lane = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %own = shl i32 %lane, 4
  %from = getelementptr i8, ptr addrspace(1) %a, i32 %own
  %part = load <4 x i32>, ptr addrspace(1) %from, align 16
  %to = getelementptr i8, ptr addrspace(3) @tile, i32 %own
  store <4 x i32> %part, ptr addrspace(3) %to, align 16
  call void @llvm.nvvm.bar.warp.sync(i32 -1)
  %row = and i32 %lane, 15
  %half = lshr i32 %lane, 4
  %rowat = shl i32 %row, 5
  %halfat = shl i32 %half, 4
  %at = or i32 %rowat, %halfat
  %p = getelementptr i8, ptr addrspace(3) @tile, i32 %at
  %m = call { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3) %p)
  %a0 = extractvalue { i32, i32, i32, i32 } %m, 0
  %a1 = extractvalue { i32, i32, i32, i32 } %m, 1
  %a2 = extractvalue { i32, i32, i32, i32 } %m, 2
  %a3 = extractvalue { i32, i32, i32, i32 } %m, 3
  %group = lshr i32 %lane, 2
  %quad = and i32 %lane, 3
  %column = shl i32 %group, 3
  %word = add i32 %column, %quad
  %pb = getelementptr i32, ptr addrspace(1) %b, i32 %word
  %b0 = load i32, ptr addrspace(1) %pb, align 4
  %pb1 = getelementptr i32, ptr addrspace(1) %pb, i32 4
  %b1 = load i32, ptr addrspace(1) %pb1, align 4
  %crow = shl i32 %group, 3
  %ccol = shl i32 %quad, 1
  %cat = add i32 %crow, %ccol
  %pc = getelementptr i32, ptr addrspace(1) %c, i32 %cat
  %c01 = load <2 x i32>, ptr addrspace(1) %pc, align 8
  %pc2 = getelementptr i32, ptr addrspace(1) %pc, i32 64
  %c23 = load <2 x i32>, ptr addrspace(1) %pc2, align 8
  %c0 = extractelement <2 x i32> %c01, i32 0
  %c1 = extractelement <2 x i32> %c01, i32 1
  %c2 = extractelement <2 x i32> %c23, i32 0
  %c3 = extractelement <2 x i32> %c23, i32 1
  %d = call { i32, i32, i32, i32 } @llvm.nvvm.mma.m16n8k32.row.col.s8.u8(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, i32 %c0, i32 %c1, i32 %c2, i32 %c3)
  %d0 = extractvalue { i32, i32, i32, i32 } %d, 0
  %d1 = extractvalue { i32, i32, i32, i32 } %d, 1
  %d2 = extractvalue { i32, i32, i32, i32 } %d, 2
  %d3 = extractvalue { i32, i32, i32, i32 } %d, 3
  %e0 = insertelement <2 x i32> poison, i32 %d0, i32 0
  %e01 = insertelement <2 x i32> %e0, i32 %d1, i32 1
  store <2 x i32> %e01, ptr addrspace(1) %pc, align 8
  %e2 = insertelement <2 x i32> poison, i32 %d2, i32 0
  %e23 = insertelement <2 x i32> %e2, i32 %d3, i32 1
  store <2 x i32> %e23, ptr addrspace(1) %pc2, align 8
  ret void
}
)";

/// y[row] = sum of unsigned bytes a times signed bytes x over `words` words, a row a thread; `rows` of them.
inline constexpr const char *kDot = R"(
define ptx_kernel void @dot(ptr addrspace(1) %a, ptr addrspace(1) %x, ptr addrspace(1) %y, i32 %words, i32 %rows) {
entry:
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %first = shl i32 %block, 6
  %row = add i32 %first, %tid
  %start = mul i32 %row, %words
  %in = icmp ult i32 %row, %rows
  br i1 %in, label %loop, label %done
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i32 [ 0, %entry ], [ %more, %loop ]
  %at = add i32 %start, %i
  %pa = getelementptr i32, ptr addrspace(1) %a, i32 %at
  %wa = load i32, ptr addrspace(1) %pa, align 4
  %px = getelementptr i32, ptr addrspace(1) %x, i32 %i
  %wx = load i32, ptr addrspace(1) %px, align 4
  %more = call i32 @llvm.nvvm.idp4a.u.s(i32 %wa, i32 %wx, i32 %sum)
  %next = add i32 %i, 1
  %again = icmp ult i32 %next, %words
  br i1 %again, label %loop, label %write
write:
  %py = getelementptr i32, ptr addrspace(1) %y, i32 %row
  store i32 %more, ptr addrspace(1) %py, align 4
  br label %done
done:
  ret void
}
)";

/// Each of the first `count` threads of the block adds the numbers of those of its warp that go on.
inline constexpr const char *kDiverge = R"(
define ptx_kernel void @diverge(ptr addrspace(1) %out, i32 %count) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %in = icmp ult i32 %tid, %count
  %mask = call i32 @llvm.nvvm.vote.ballot.sync(i32 -1, i1 %in)
  br i1 %in, label %go, label %done
go:
  %sum = call i32 @llvm.nvvm.redux.sync.add(i32 %tid, i32 %mask)
  %to = getelementptr i32, ptr addrspace(1) %out, i32 %tid
  store i32 %sum, ptr addrspace(1) %to, align 4
  br label %done
done:
  ret void
}
)";

/// `first` lets `second` start early, then writes in[i] + 1; `second` waits for it and adds 1 to what it finds there.
inline constexpr const char *kDependent = R"(
declare void @llvm.nvvm.griddepcontrol.wait()
declare void @llvm.nvvm.griddepcontrol.launch.dependents()
define ptx_kernel void @first(ptr addrspace(1) %in, ptr addrspace(1) %out) {
  call void @llvm.nvvm.griddepcontrol.launch.dependents()
  call void @llvm.nvvm.griddepcontrol.wait()
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr i32, ptr addrspace(1) %in, i32 %tid
  %v = load i32, ptr addrspace(1) %p, align 4
  %w = add i32 %v, 1
  %q = getelementptr i32, ptr addrspace(1) %out, i32 %tid
  store i32 %w, ptr addrspace(1) %q, align 4
  ret void
}
define ptx_kernel void @second(ptr addrspace(1) %in, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %p = getelementptr i32, ptr addrspace(1) %in, i32 %tid
  call void @llvm.nvvm.griddepcontrol.wait()
  %v = load i32, ptr addrspace(1) %p, align 4
  %w = add i32 %v, 1
  %q = getelementptr i32, ptr addrspace(1) %out, i32 %tid
  store i32 %w, ptr addrspace(1) %q, align 4
  ret void
}
)";

/// c (64 x 16) = a (64 x 64) times b (16 rows of 128 bytes, of which 64 count), by four warps, in two steps.
inline constexpr const char *kGroup = R"(
declare void @llvm.nvvm.fence.proxy.async.shared_cta()
declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
declare void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 immarg)
@tokens = internal addrspace(3) global [2048 x i8] poison, align 1024
define ptx_kernel void @group(ptr addrspace(1) %a, ptr addrspace(1) %b, ptr addrspace(1) %c) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %row = lshr i32 %tid, 3
  %piece = and i32 %tid, 7
  %low = and i32 %row, 7
  %turned = xor i32 %piece, %low
  %rowat = shl i32 %row, 7
  %pieceat = shl i32 %turned, 4
  %at = or i32 %rowat, %pieceat
  %to = getelementptr i8, ptr addrspace(3) @tokens, i32 %at
  %own = shl i32 %tid, 4
  %from = getelementptr i8, ptr addrspace(1) %b, i32 %own
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %to, ptr addrspace(1) %from)
  call void @llvm.nvvm.cp.async.commit.group()
  call void @llvm.nvvm.cp.async.wait.group(i32 0)
  call void @llvm.nvvm.fence.proxy.async.shared_cta()
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %base = ptrtoint ptr addrspace(3) @tokens to i64
  %sixteens = lshr i64 %base, 4
  %start = and i64 %sixteens, 16383
  %first = or i64 %start, 4611686293305360384
  %second = add i64 %first, 2
  %warp = lshr i32 %tid, 5
  %group = lshr i32 %tid, 2
  %g = and i32 %group, 7
  %q = and i32 %tid, 3
  %warprow = shl i32 %warp, 4
  %line = or i32 %warprow, %g
  %lineat = shl i32 %line, 6
  %word = shl i32 %q, 2
  %start0 = or i32 %lineat, %word
  %at00 = add i32 %start0, 0
  %p00 = getelementptr i8, ptr addrspace(1) %a, i32 %at00
  %w00 = load i32, ptr addrspace(1) %p00, align 4
  %at01 = add i32 %start0, 512
  %p01 = getelementptr i8, ptr addrspace(1) %a, i32 %at01
  %w01 = load i32, ptr addrspace(1) %p01, align 4
  %at02 = add i32 %start0, 16
  %p02 = getelementptr i8, ptr addrspace(1) %a, i32 %at02
  %w02 = load i32, ptr addrspace(1) %p02, align 4
  %at03 = add i32 %start0, 528
  %p03 = getelementptr i8, ptr addrspace(1) %a, i32 %at03
  %w03 = load i32, ptr addrspace(1) %p03, align 4
  %at10 = add i32 %start0, 32
  %p10 = getelementptr i8, ptr addrspace(1) %a, i32 %at10
  %w10 = load i32, ptr addrspace(1) %p10, align 4
  %at11 = add i32 %start0, 544
  %p11 = getelementptr i8, ptr addrspace(1) %a, i32 %at11
  %w11 = load i32, ptr addrspace(1) %p11, align 4
  %at12 = add i32 %start0, 48
  %p12 = getelementptr i8, ptr addrspace(1) %a, i32 %at12
  %w12 = load i32, ptr addrspace(1) %p12, align 4
  %at13 = add i32 %start0, 560
  %p13 = getelementptr i8, ptr addrspace(1) %a, i32 %at13
  %w13 = load i32, ptr addrspace(1) %p13, align 4
  %zeros = call { i32, i32, i32, i32, i32, i32, i32, i32 } asm sideeffect "wgmma.fence.sync.aligned;", "=r,=r,=r,=r,=r,=r,=r,=r,0,1,2,3,4,5,6,7"(i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0)
  %z0 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 0
  %z1 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 1
  %z2 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 2
  %z3 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 3
  %z4 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 4
  %z5 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 5
  %z6 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 6
  %z7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %zeros, 7
  %f0 = call { i32, i32, i32, i32 } asm sideeffect "wgmma.fence.sync.aligned;", "=r,=r,=r,=r,0,1,2,3"(i32 %w00, i32 %w01, i32 %w02, i32 %w03)
  %a00 = extractvalue { i32, i32, i32, i32 } %f0, 0
  %a01 = extractvalue { i32, i32, i32, i32 } %f0, 1
  %a02 = extractvalue { i32, i32, i32, i32 } %f0, 2
  %a03 = extractvalue { i32, i32, i32, i32 } %f0, 3
  %s0 = call { i32, i32, i32, i32, i32, i32, i32, i32 } asm sideeffect "wgmma.mma_async.sync.aligned.m64n16k32.s32.s8.s8 {$0, $1, $2, $3, $4, $5, $6, $7}, {$8, $9, $10, $11}, $12, 1;", "=r,=r,=r,=r,=r,=r,=r,=r,r,r,r,r,l,0,1,2,3,4,5,6,7"(i32 %a00, i32 %a01, i32 %a02, i32 %a03, i64 %first, i32 %z0, i32 %z1, i32 %z2, i32 %z3, i32 %z4, i32 %z5, i32 %z6, i32 %z7)
  %s0_0 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 0
  %s0_1 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 1
  %s0_2 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 2
  %s0_3 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 3
  %s0_4 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 4
  %s0_5 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 5
  %s0_6 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 6
  %s0_7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s0, 7
  call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  %f1 = call { i32, i32, i32, i32 } asm sideeffect "wgmma.fence.sync.aligned;", "=r,=r,=r,=r,0,1,2,3"(i32 %w10, i32 %w11, i32 %w12, i32 %w13)
  %a10 = extractvalue { i32, i32, i32, i32 } %f1, 0
  %a11 = extractvalue { i32, i32, i32, i32 } %f1, 1
  %a12 = extractvalue { i32, i32, i32, i32 } %f1, 2
  %a13 = extractvalue { i32, i32, i32, i32 } %f1, 3
  %s1 = call { i32, i32, i32, i32, i32, i32, i32, i32 } asm sideeffect "wgmma.mma_async.sync.aligned.m64n16k32.s32.s8.s8 {$0, $1, $2, $3, $4, $5, $6, $7}, {$8, $9, $10, $11}, $12, 1;", "=r,=r,=r,=r,=r,=r,=r,=r,r,r,r,r,l,0,1,2,3,4,5,6,7"(i32 %a10, i32 %a11, i32 %a12, i32 %a13, i64 %second, i32 %s0_0, i32 %s0_1, i32 %s0_2, i32 %s0_3, i32 %s0_4, i32 %s0_5, i32 %s0_6, i32 %s0_7)
  %s1_0 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 0
  %s1_1 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 1
  %s1_2 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 2
  %s1_3 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 3
  %s1_4 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 4
  %s1_5 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 5
  %s1_6 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 6
  %s1_7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %s1, 7
  call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  call void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 1)
  %sums = call { i32, i32, i32, i32, i32, i32, i32, i32 } asm sideeffect "wgmma.wait_group.sync.aligned 0;", "=r,=r,=r,=r,=r,=r,=r,=r,0,1,2,3,4,5,6,7"(i32 %s1_0, i32 %s1_1, i32 %s1_2, i32 %s1_3, i32 %s1_4, i32 %s1_5, i32 %s1_6, i32 %s1_7)
  %lineout = shl i32 %line, 4
  %column = shl i32 %q, 1
  %out0 = or i32 %lineout, %column
  %v0 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 0
  %o0 = add i32 %out0, 0
  %q0 = getelementptr i32, ptr addrspace(1) %c, i32 %o0
  store i32 %v0, ptr addrspace(1) %q0, align 4
  %v1 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 1
  %o1 = add i32 %out0, 1
  %q1 = getelementptr i32, ptr addrspace(1) %c, i32 %o1
  store i32 %v1, ptr addrspace(1) %q1, align 4
  %v2 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 2
  %o2 = add i32 %out0, 128
  %q2 = getelementptr i32, ptr addrspace(1) %c, i32 %o2
  store i32 %v2, ptr addrspace(1) %q2, align 4
  %v3 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 3
  %o3 = add i32 %out0, 129
  %q3 = getelementptr i32, ptr addrspace(1) %c, i32 %o3
  store i32 %v3, ptr addrspace(1) %q3, align 4
  %v4 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 4
  %o4 = add i32 %out0, 8
  %q4 = getelementptr i32, ptr addrspace(1) %c, i32 %o4
  store i32 %v4, ptr addrspace(1) %q4, align 4
  %v5 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 5
  %o5 = add i32 %out0, 9
  %q5 = getelementptr i32, ptr addrspace(1) %c, i32 %o5
  store i32 %v5, ptr addrspace(1) %q5, align 4
  %v6 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 6
  %o6 = add i32 %out0, 136
  %q6 = getelementptr i32, ptr addrspace(1) %c, i32 %o6
  store i32 %v6, ptr addrspace(1) %q6, align 4
  %v7 = extractvalue { i32, i32, i32, i32, i32, i32, i32, i32 } %sums, 7
  %o7 = add i32 %out0, 137
  %q7 = getelementptr i32, ptr addrspace(1) %c, i32 %o7
  store i32 %v7, ptr addrspace(1) %q7, align 4
  ret void
}
)";

} // namespace kernels

#endif // SETUN_TEST_UNIT_NVPTX_KERNELS_H
