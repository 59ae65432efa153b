// RUN: setun-opt %s --setun-add-drawing-kernels --split-input-file | FileCheck %s

// Weights are whole numbers of a product of doubles, each step rounded: no fma. Sums are of integers.
// CHECK-LABEL: gpu.module @setun_kernels
// CHECK: gpu.func @setun_draw_largest(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-SAME: known_block_size = array<i32: 256, 1, 1>
// CHECK: arith.divf {{.*}} : f64
// CHECK: gpu.func @setun_draw_weigh
// CHECK-NOT: math.fma
// CHECK: arith.fptosi {{.*}} : f64 to i64
// CHECK: llvm.atomicrmw add {{.*}} syncscope("device") monotonic : !llvm.ptr, i64
// CHECK: gpu.func @setun_draw_rank
// CHECK: gpu.func @setun_draw_share
// CHECK: scf.while
// CHECK: memref.atomic_rmw addi {{.*}} : (i64, memref<256xi64, #gpu.address_space<workgroup>>)
// CHECK: gpu.func @setun_draw_sum
// CHECK: gpu.func @setun_draw_pick
// CHECK: arith.mului_extended
// CHECK: llvm.store {{.*}} : i64
module {
  gpu.module @setun_kernels {}
  func.func @main(%logits: memref<1x?x256xf32> {setun.output}) { return }
}

// -----

// CHECK-LABEL: @half
// CHECK: gpu.func @setun_draw_largest_bf16
// CHECK: gpu.func @setun_draw_pick
module @half {
  gpu.module @setun_kernels {}
  func.func @main(%logits: memref<?x256xbf16> {setun.output}) { return }
}

// -----

// Nothing that may be logits: integers, a single row, an input.
// CHECK-LABEL: @none
// CHECK-NOT: setun_draw
module @none {
  gpu.module @setun_kernels {}
  func.func @main(%a: memref<1x256xi32> {setun.output}, %b: memref<256xf32> {setun.output}, %c: memref<1x256xf32>) { return }
}

// -----

// No kernels, no device.
// CHECK-LABEL: @host
// CHECK-NOT: setun_draw
module @host {
  func.func @main(%logits: memref<1x?x256xf32> {setun.output}) { return }
}
