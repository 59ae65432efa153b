// RUN: setun-opt %s --setun-convert-dense-to-loops --canonicalize --cse | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// One token: four weight rows at a time, 16 lanes, and no tail where the size has none.
// CHECK-LABEL: @head
// CHECK: scf.forall (%[[TASK:.*]]) in (128)
// CHECK:   scf.for {{.*}} step %c4
// CHECK:     scf.for {{.*}} step %c16 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-4: memref.prefetch
// CHECK-COUNT-5: vector.load
// CHECK:     vector.shuffle {{.*}} [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]
// CHECK-NOT: maskedload
// CHECK-NOT: math.fma
// CHECK: {setun.grain = 4 : i64}
func.func @head(%x: memref<1x256xf32>, %w: memref<2048x256xf32>, %y: memref<1x2048xf32>) {
  linalg.matmul indexing_maps = [#a, #b, #c] ins(%x, %w : memref<1x256xf32>, memref<2048x256xf32>) outs(%y : memref<1x2048xf32>)
  return
}

// One token or many, told apart at run time. For many, weights of bf16 are widened once for all rows, 512 of k at a time;
// tiles of two by two go on with the sums that wait on the stack.
// CHECK-LABEL: @prefill
// CHECK: scf.if
// CHECK:   scf.forall
// CHECK:     scf.for {{.*}} step %c4
// CHECK:     arith.extf {{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK: } else {
// CHECK:   scf.forall
// CHECK-NEXT: %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<16384xf32>
// CHECK-NEXT: %[[B:.*]] = memref.alloca() {{.*}} : memref<8192xf32>
// CHECK-NEXT: %[[A:.*]] = memref.alloca() {{.*}} : memref<1024xf32>
// CHECK:     scf.for {{.*}} step %c512
// CHECK:       arith.extf {{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK:       vector.store {{.*}}, %[[B]][
// CHECK:       scf.for {{.*}} step %c2
// CHECK:         vector.maskedload
// CHECK-NOT:     arith.extf
// CHECK:         scf.for {{.*}} step %c2
// CHECK-COUNT-4:   vector.load %[[SUMS]][
// CHECK:           scf.for {{.*}} step %c16 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-4:   vector.store {{.*}}, %[[SUMS]][
func.func @prefill(%x: memref<?x?xf32>, %w: memref<?x?xbf16>, %y: memref<?x?xf32>) {
  linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%x, %w : memref<?x?xf32>, memref<?x?xbf16>) outs(%y : memref<?x?xf32>) {
  ^bb0(%p: f32, %q: bf16, %o: f32):
    %0 = arith.extf %q : bf16 to f32
    %1 = arith.mulf %p, %0 : f32
    %2 = arith.addf %o, %1 : f32
    linalg.yield %2 : f32
  }
  return
}

// Columns: sums in a strip on the stack, rows of the weight in order.
// CHECK-LABEL: @columns
// CHECK: scf.forall
// CHECK-NEXT: memref.alloca() {alignment = 64 : i64} : memref<256xf32>
// CHECK: scf.for %{{.*}} = %c0 to %c256 step %c4
// CHECK: {setun.grain = 1 : i64}
func.func @columns(%x: memref<1x256xf32>, %w: memref<256x2048xf32>, %y: memref<1x2048xf32>) {
  linalg.matmul ins(%x, %w : memref<1x256xf32>, memref<256x2048xf32>) outs(%y : memref<1x2048xf32>)
  return
}

// Many tokens: 16 rows of the weight side by side, and tiles of four rows by two registers with their sums in registers.
// CHECK-LABEL: @panel
// CHECK: scf.forall
// CHECK:   %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<16384xf32>
// CHECK:   scf.for {{.*}} step %c16
// CHECK:     scf.for {{.*}} step %c4
// CHECK-COUNT-4: vector.load %[[SUMS]][{{.*}} vector<8xf32>
// CHECK:       scf.for {{.*}} step %c1 iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-4: vector.store {{.*}}, %[[SUMS]][
// CHECK-NOT: step %c4
// CHECK: return
func.func @panel(%x: memref<8x256xf32>, %w: memref<256x2048xf32>, %y: memref<8x2048xf32>) {
  linalg.matmul ins(%x, %w : memref<8x256xf32>, memref<256x2048xf32>) outs(%y : memref<8x2048xf32>)
  return
}

// Little work stays in its thread.
// CHECK-LABEL: @small
// CHECK-NOT: scf.forall
// CHECK: return
func.func @small(%x: memref<1x4xf32>, %w: memref<4x8xf32>, %y: memref<1x8xf32>) {
  linalg.matmul ins(%x, %w : memref<1x4xf32>, memref<4x8xf32>) outs(%y : memref<1x8xf32>)
  return
}

// Not a contraction over one dimension, not on buffers, not a sum of products: left alone.
// CHECK-LABEL: @others
// CHECK: linalg.matmul
// CHECK: linalg.generic
// CHECK: linalg.fill
func.func @others(%x: tensor<4x4xf32>, %b: memref<4x4xf32>, %v: memref<4xf32>, %f: f32) -> tensor<4x4xf32> {
  %0 = linalg.matmul ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) -> tensor<4x4xf32>
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
    ins(%b, %b : memref<4x4xf32>, memref<4x4xf32>) outs(%v : memref<4xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %1 = arith.subf %p, %q : f32
    %2 = arith.addf %o, %1 : f32
    linalg.yield %2 : f32
  }
  linalg.fill ins(%f : f32) outs(%v : memref<4xf32>)
  return %0 : tensor<4x4xf32>
}
