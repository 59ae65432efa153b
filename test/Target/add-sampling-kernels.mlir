// RUN: setun-opt %s --setun-add-sampling-kernels --split-input-file | FileCheck %s

// CHECK-LABEL: gpu.module @setun_kernels
// CHECK: gpu.func @setun_argmax(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: !llvm.ptr)
// CHECK-SAME: known_block_size = array<i32: 1024, 1, 1>
// CHECK: gpu.block_id x
// CHECK-COUNT-8: llvm.load {{.*}} -> f32
// CHECK: gpu.barrier
// CHECK: llvm.store {{.*}} : i64
// CHECK-NOT: setun_argmax_
module {
  gpu.module @setun_kernels {}
  func.func @main(%logits: memref<1x?x256xf32> {setun.output}) { return }
}

// -----

// CHECK-LABEL: @half
// CHECK: gpu.func @setun_argmax_bf16
module @half {
  gpu.module @setun_kernels {}
  func.func @main(%logits: memref<?x256xbf16> {setun.output}) { return }
}

// -----

// Nothing that may be logits: integers, a single row, an input.
// CHECK-LABEL: @none
// CHECK-NOT: setun_argmax
module @none {
  gpu.module @setun_kernels {}
  func.func @main(%a: memref<1x256xi32> {setun.output}, %b: memref<256xf32> {setun.output}, %c: memref<1x256xf32>) { return }
}

// -----

// No kernels, no device.
// CHECK-LABEL: @host
// CHECK-NOT: setun_argmax
module @host {
  func.func @main(%logits: memref<1x?x256xf32> {setun.output}) { return }
}
