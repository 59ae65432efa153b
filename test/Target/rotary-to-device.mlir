// RUN: setun-opt %s --setun-rotary-to-device | FileCheck %s

// All components are turned: no branch. Products and sums are rounded one by one.
// CHECK-LABEL: func @halves
// CHECK: gpu.launch
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK-COUNT-4: memref.load
// CHECK: arith.mulf
// CHECK: arith.mulf
// CHECK: arith.subf
// CHECK: memref.store %{{.*}} : memref<1x5x?x128xf32, strided<[?, ?, 128, 1], offset: ?>>
// CHECK-NOT: math.fma
// CHECK-NOT: nn.rotary_embedding
func.func @halves(%x: memref<1x5x?x128xf32>, %c: memref<1x?x64xf32>, %y: memref<1x5x?x128xf32, strided<[?, ?, 128, 1], offset: ?>>) {
  nn.rotary_embedding ins(%x, %c, %c : memref<1x5x?x128xf32>, memref<1x?x64xf32>, memref<1x?x64xf32>)
    outs(%y : memref<1x5x?x128xf32, strided<[?, ?, 128, 1], offset: ?>>)
  return
}

// Neighbours are pairs, some components stay as they are; f16 is turned in f32.
// CHECK-LABEL: func @pairs
// CHECK: gpu.launch
// CHECK: scf.if
// CHECK: arith.extf
// CHECK: arith.truncf
// CHECK: } else {
// CHECK: memref.store
func.func @pairs(%x: memref<2x4x?x100xf16>, %c: memref<2x?x20xf16>, %y: memref<2x4x?x100xf16>) {
  nn.rotary_embedding ins(%x, %c, %c : memref<2x4x?x100xf16>, memref<2x?x20xf16>, memref<2x?x20xf16>)
    outs(%y : memref<2x4x?x100xf16>) {interleaved}
  return
}

// CHECK-LABEL: func @tensors
// CHECK: nn.rotary_embedding
func.func @tensors(%x: tensor<1x1x1x8xf32>, %c: tensor<1x1x4xf32>) -> tensor<1x1x1x8xf32> {
  %r = nn.rotary_embedding ins(%x, %c, %c : tensor<1x1x1x8xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>)
    outs(%x : tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  return %r : tensor<1x1x1x8xf32>
}
