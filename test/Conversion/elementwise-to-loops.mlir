// RUN: setun-opt %s --setun-convert-elementwise-to-loops --canonicalize --cse | FileCheck %s

// Dimensions that lie side by side everywhere become one, cut into chunks.
// CHECK-LABEL: @collapsed
// CHECK: memref.collapse_shape %{{.*}} {{\[\[}}0, 1]] : memref<?x64xf32> into memref<?xf32>
// CHECK: scf.forall
// CHECK:   scf.for {{.*}} step %c8
// CHECK:     arith.addf {{.*}} : vector<8xf32>
// CHECK:   scf.for {{.*}} step %c1
// CHECK:     arith.addf {{.*}} : f32
// CHECK: {setun.grain = 8 : i64}
func.func @collapsed(%x: memref<?x64xf32>, %y: memref<?x64xf32>) {
  linalg.map {arith.addf} ins(%x, %x : memref<?x64xf32>, memref<?x64xf32>) outs(%y : memref<?x64xf32>)
  return
}

// A value that all lanes of a row share is read once, before the loop.
// CHECK-LABEL: @shared
// CHECK: scf.for
// CHECK:   %[[S:.*]] = memref.load %{{.*}} : memref<4xf32>
// CHECK:   scf.for
// CHECK:     vector.broadcast
// CHECK:     arith.mulf
func.func @shared(%x: memref<4x64xf32>, %s: memref<4xf32>, %y: memref<4x64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                  iterator_types = ["parallel", "parallel"]}
    ins(%x, %s : memref<4x64xf32>, memref<4xf32>) outs(%y : memref<4x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  }
  return
}

// Rows that lie apart stay two loops.
// CHECK-LABEL: @strided
// CHECK-NOT: collapse_shape
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     vector.store
func.func @strided(%v: f32, %y: memref<4x64xf32, strided<[100, 1]>>) {
  linalg.fill ins(%v : f32) outs(%y : memref<4x64xf32, strided<[100, 1]>>)
  return
}

// A body that reads a buffer of its own stays scalar.
// CHECK-LABEL: @gather
// CHECK-NOT: vector
// CHECK: return
func.func @gather(%t: memref<?xf32>, %i: memref<64xindex>, %y: memref<64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
    ins(%i : memref<64xindex>) outs(%y : memref<64xf32>) {
  ^bb0(%a: index, %o: f32):
    %0 = memref.load %t[%a] : memref<?xf32>
    linalg.yield %0 : f32
  }
  return
}

// CHECK-LABEL: @others
// CHECK: linalg.fill
// CHECK: linalg.reduce
func.func @others(%x: tensor<4xf32>, %m: memref<4x8xf32>, %r: memref<4xf32>, %f: f32) -> tensor<4xf32> {
  %0 = linalg.fill ins(%f : f32) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  linalg.reduce {arith.addf} ins(%m : memref<4x8xf32>) outs(%r : memref<4xf32>) dimensions = [1]
  return %0 : tensor<4xf32>
}

// A size of 1 whose stride says nothing: pairs of loops could be merged, all three not.
// CHECK-LABEL: @unit_size_in_the_middle
func.func @unit_size_in_the_middle(%x: memref<2x1x8xf32, strided<[64, 8, 1], offset: ?>>, %y: memref<2x1x8xf32>) {
  // CHECK-NOT: linalg
  // CHECK: return
  linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>],
                  iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : memref<2x1x8xf32, strided<[64, 8, 1], offset: ?>>) outs(%y : memref<2x1x8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %a : f32
    linalg.yield %0 : f32
  }
  return
}
