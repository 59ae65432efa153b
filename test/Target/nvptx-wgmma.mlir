// Products of many tokens on Hopper alone: what four warps do together, in its order.
// RUN: setun-opt %s --pass-pipeline="builtin.module(setun-convert-ternary-to-loops{target=cuda:sm_90a},canonicalize,cse)" | FileCheck %s
// RUN: setun-opt %s --pass-pipeline="builtin.module(setun-convert-ternary-to-loops{target=cuda:sm_90},canonicalize,cse)" | FileCheck %s --check-prefix=PLAIN

// PLAIN-NOT: wgmma
// PLAIN: nvvm.mma.sync
// PLAIN-NOT: wgmma

// Weights of the first stage are asked for before the kernel in front has ended.
// CHECK-LABEL: func.func @products
// CHECK: gpu.launch
// CHECK-COUNT-8: vector.load %{{.*}} : memref<{{.*}}xi8{{.*}}>, vector<16xi8>
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvgpu.device_async_copy
// CHECK: %[[ZEROS:.*]] = llvm.inline_asm has_side_effects {{.*}}"wgmma.fence.sync.aligned;"
// CHECK: scf.for
// CHECK:   nvvm.cp.async.wait.group 3
// CHECK:   nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
// CHECK:   gpu.barrier
// CHECK:   nvgpu.device_async_copy
// CHECK:   nvvm.cp.async.commit.group
// CHECK-COUNT-4: "wgmma.fence.sync.aligned;"
// CHECK:   "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8
// CHECK:   "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8
// CHECK:   nvvm.wgmma.commit.group.sync.aligned
// CHECK:   nvvm.wgmma.wait.group.sync.aligned 1
// CHECK:   scf.yield
// CHECK: "wgmma.wait_group.sync.aligned 0;"
// CHECK: gpu.barrier
#lines = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>
func.func @products(%x: memref<512x2560xi8>, %w: memref<2457600xi8>, %acc: memref<512x3840xi32>) {
  ternary.matmul ins(%x, %w : memref<512x2560xi8>, memref<2457600xi8>) outs(%acc : memref<512x3840xi32>) {encoding = #lines}
  return
}
