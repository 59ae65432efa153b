// RUN: setun-opt %s --setun-dense-to-device --canonicalize --cse | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// How many rows there are decides, on the host. The head's weights: four rows a warp, 16 bytes a lane, the next ones
// asked for before these are multiplied; bf16 becomes f32 by a shift or a mask.
// CHECK-LABEL: @head
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK-COUNT-4: vector.load %arg1[{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<8xbf16>
// CHECK: gpu.barrier
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK-COUNT-4: vector.load %arg1[{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<8xbf16>
// CHECK: arith.shli
// CHECK: math.fma
// CHECK-NOT: arith.truncf
// CHECK: else
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK: else
// CHECK: gpu.launch
// CHECK-NOT: linalg.matmul
// CHECK: return
func.func @head(%x: memref<?x2560xf32>, %w: memref<32000x2560xbf16>, %y: memref<?x32000xf32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<?x2560xf32>, memref<32000x2560xbf16>)
    outs(%y : memref<?x32000xf32>)
  return
}

// One row is known: one launch.
// CHECK-LABEL: @bytes
// CHECK-NOT: scf.if {{.*}} else
// CHECK: gpu.launch
// CHECK: vector.load %arg1{{.*}} vector<16xi8>
// CHECK: nvvm.dot.accumulate.4way
// CHECK-NOT: gpu.launch
// CHECK: return
func.func @bytes(%x: memref<1x512xi8>, %w: memref<96x512xi8>, %y: memref<1x96xi32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<1x512xi8>, memref<96x512xi8>) outs(%y : memref<1x96xi32>)
  return
}

// [K, N]: lanes along n.
// CHECK-LABEL: @columns
// CHECK: gpu.launch
// CHECK: vector.load %arg1{{.*}} vector<4xf32>
// CHECK-NOT: gpu.shuffle
// CHECK: return
func.func @columns(%x: memref<1x512xf32>, %w: memref<512x32000xf32>, %y: memref<1x32000xf32>) {
  linalg.matmul ins(%x, %w : memref<1x512xf32>, memref<512x32000xf32>) outs(%y : memref<1x32000xf32>)
  return
}

// Sums narrower than 32 bits, and work that is no product, are left.
// CHECK-LABEL: @narrow
// CHECK: linalg.matmul
func.func @narrow(%x: memref<?x8xi8>, %w: memref<8x?xi8>, %y: memref<?x?xi8>) {
  linalg.matmul ins(%x, %w : memref<?x8xi8>, memref<8x?xi8>) outs(%y : memref<?x?xi8>)
  return
}
// CHECK-LABEL: @fill
// CHECK: linalg.fill
func.func @fill(%v: f32, %y: memref<?xf32>) {
  linalg.fill ins(%v : f32) outs(%y : memref<?xf32>)
  return
}
