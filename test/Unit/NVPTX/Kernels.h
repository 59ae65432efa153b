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

} // namespace kernels

#endif // SETUN_TEST_UNIT_NVPTX_KERNELS_H
