// RUN: setun-opt %s --setun-quantize-to-device --canonicalize --cse | FileCheck %s

// A block a row, which is read once, 16 bytes at a time; the largest magnitude on the bits of |x|.
// CHECK-LABEL: @norm
// CHECK: gpu.launch blocks(%[[ROW:[a-z0-9]*]], {{.*}} threads({{.*}} = %c256,
// CHECK-SAME: workgroup
// CHECK-COUNT-3: vector.load %arg0[%[[ROW]], {{.*}}] {alignment = 16 : i64}
// CHECK: gpu.shuffle xor
// CHECK: gpu.barrier
// CHECK: math.sqrt
// CHECK: arith.maxsi {{.*}} : vector<4xi32>
// CHECK: %[[C:.*]] = arith.maximumf
// CHECK-NOT: vector.load %arg0
// CHECK: vector.store {{.*}} {alignment = 4 : i64} : memref<?x2560xi8>, vector<4xi8>
// CHECK: memref.store %[[C]], %arg3[%[[ROW]]]
// CHECK-NOT: ternary.
func.func @norm(%x: memref<?x2560xf32>, %g: memref<2560xf32>, %q: memref<?x2560xi8>, %c: memref<?xf32>) {
  ternary.norm_quantize ins(%x, %g : memref<?x2560xf32>, memref<2560xf32>) outs(%q, %c : memref<?x2560xi8>, memref<?xf32>)
    {norm_eps = 1.0e-5 : f32}
  return
}

// Short rows: a warp each, four of them in a block, no barrier. bf16 rounds after every step.
// CHECK-LABEL: @short
// CHECK: gpu.launch {{.*}} = %c128,
// CHECK-NOT: gpu.barrier
// CHECK: arith.truncf {{.*}} : f32 to bf16
// CHECK-NOT: gpu.barrier
// CHECK: return
func.func @short(%x: memref<?x64xbf16>, %q: memref<?x64xi8>, %c: memref<?xbf16>) {
  ternary.quantize ins(%x : memref<?x64xbf16>) outs(%q, %c : memref<?x64xi8>, memref<?xbf16>)
  return
}

// Rows that may begin anywhere are read one by one.
// CHECK-LABEL: @strided
// CHECK: gpu.launch
// CHECK-NOT: vector.load
// CHECK: memref.load
// CHECK-NOT: vector.load
// CHECK: return
func.func @strided(%x: memref<?x64xf32, strided<[?, 1], offset: ?>>, %q: memref<?x64xi8>, %c: memref<?xf32>) {
  ternary.quantize ins(%x : memref<?x64xf32, strided<[?, 1], offset: ?>>) outs(%q, %c : memref<?x64xi8>, memref<?xf32>)
  return
}

// One scale for all: found by one block, used by a second launch.
// CHECK-LABEL: @tensor
// CHECK: gpu.launch
// CHECK: arith.maxsi
// CHECK: gpu.launch
// CHECK-NOT: arith.maxsi {{.*}} vector
// CHECK: memref.load %arg2[]
// CHECK: return
func.func @tensor(%x: memref<?x64xf32>, %q: memref<?x64xi8>, %c: memref<f32>) {
  ternary.quantize ins(%x : memref<?x64xf32>) outs(%q, %c : memref<?x64xi8>, memref<f32>) {per_tensor}
  return
}

// The host cannot compute with what it would have to read from the device: left alone, and so is work on tensors.
// CHECK-LABEL: @reads
// CHECK: ternary.quantize
func.func @reads(%n: memref<index>, %x: memref<?x64xf32>, %q: memref<?x64xi8>, %c: memref<?xf32>) {
  %size = memref.load %n[] : memref<index>
  %some = memref.subview %x[0, 0] [%size, 64] [1, 1] : memref<?x64xf32> to memref<?x64xf32, strided<[64, 1]>>
  ternary.quantize ins(%some : memref<?x64xf32, strided<[64, 1]>>) outs(%q, %c : memref<?x64xi8>, memref<?xf32>)
  return
}
// CHECK-LABEL: @tensors
// CHECK: ternary.quantize
func.func @tensors(%x: tensor<?x64xf32>, %q: tensor<?x64xi8>, %c: tensor<?xf32>) -> tensor<?x64xi8> {
  %0, %1 = ternary.quantize ins(%x : tensor<?x64xf32>) outs(%q, %c : tensor<?x64xi8>, tensor<?xf32>) -> tensor<?x64xi8>, tensor<?xf32>
  return %0 : tensor<?x64xi8>
}
