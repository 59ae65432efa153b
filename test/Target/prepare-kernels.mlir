// Kernels get the device frame, faults, alignment and intrinsics.
// RUN: setun-opt %s --pass-pipeline="builtin.module(gpu.module(setun-prepare-kernels))" | FileCheck %s
// CHECK: gpu.module @k attributes {setun.messages = ["index out of range", "empty"]}
// CHECK: gpu.func @checks(%[[FRAME:.*]]: !llvm.ptr, %[[OK:.*]]: i1, %[[FULL:.*]]: i1)
// CHECK-SAME: workgroup(%{{.*}} : memref<4xi8, #gpu.address_space<workgroup>> {llvm.align = 128 : i64}) kernel
// CHECK-NOT: cf.assert
// CHECK: scf.if
// CHECK:   %[[FIRST:.*]] = llvm.mlir.constant(1 : i32)
// CHECK:   llvm.cmpxchg %[[FRAME]], %{{.*}}, %[[FIRST]] monotonic monotonic
// CHECK: scf.if
// CHECK:   %[[SECOND:.*]] = llvm.mlir.constant(2 : i32)
// CHECK:   llvm.cmpxchg %[[FRAME]], %{{.*}}, %[[SECOND]] monotonic monotonic
// The same message is the same fault.
// CHECK: scf.if
// CHECK:   %[[AGAIN:.*]] = llvm.mlir.constant(1 : i32)
// CHECK:   llvm.cmpxchg %[[FRAME]], %{{.*}}, %[[AGAIN]] monotonic monotonic
// CHECK: gpu.func @root(%{{.*}}: !llvm.ptr, %[[X:.*]]: f32)
// CHECK-NOT: math.
// CHECK: llvm.call_intrinsic "llvm.sqrt"(%[[X]]) : (f32) -> f32
// Tensor cores that read shared memory themselves want whole patterns of exchanged rows.
// CHECK: gpu.func @matrices
// CHECK-SAME: {llvm.align = 1024 : i64}
// What is no kernel stays as it is.
// CHECK: gpu.func @helper(%{{.*}}: f32) {
gpu.module @k {
  gpu.func @checks(%ok: i1, %full: i1) workgroup(%shared: memref<4xi8, #gpu.address_space<workgroup>>) kernel {
    cf.assert %ok, "index out of range"
    cf.assert %full, "empty"
    cf.assert %full, "index out of range"
    gpu.return
  }
  gpu.func @root(%x: f32) kernel {
    %0 = math.sqrt %x : f32
    gpu.return
  }
  gpu.func @matrices() workgroup(%shared: memref<2048xi8, #gpu.address_space<workgroup>>) kernel {
    llvm.inline_asm has_side_effects "wgmma.fence.sync.aligned;", "" : () -> ()
    gpu.return
  }
  gpu.func @helper(%x: f32) {
    gpu.return
  }
}
