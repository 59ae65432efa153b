// RUN: setun-opt %s --setun-convert-reductions-to-loops --canonicalize --cse | FileCheck %s

// The last dimension: 16 lanes from +0, a tail under a mask, the tree, then the old value plus the sum.
// CHECK-LABEL: @rows
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// Sizes known at run time only: so are the tasks.
// CHECK: arith.divui %c16384
// CHECK: scf.forall
// CHECK:   scf.for {{.*}} step %c1
// CHECK:   %[[MAIN:.*]] = scf.for {{.*}} iter_args(%[[SUM:.*]] = %[[ZERO]]) -> (vector<16xf32>)
// CHECK:     arith.addf %[[SUM]], %{{.*}} : vector<16xf32>
// CHECK:   vector.maskedload
// CHECK:   arith.select
// CHECK:   vector.shuffle {{.*}} [8, 9, 10, 11, 12, 13, 14, 15]
// CHECK:   memref.store
// CHECK: {setun.grain = 1 : i64}
func.func @rows(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  linalg.reduce {arith.addf} ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) dimensions = [1]
  return
}

// Another dimension: the results stand in lanes, the elements come in order.
// CHECK-LABEL: @columns
// CHECK: scf.for {{.*}} step %c8
// CHECK:   scf.for {{.*}} step %c1 iter_args({{.*}}) -> (vector<8xf32>)
// CHECK-NOT: vector.shuffle
// CHECK: return
func.func @columns(%x: memref<16x64xf32>, %y: memref<64xf32>) {
  linalg.reduce {arith.addf} ins(%x : memref<16x64xf32>) outs(%y : memref<64xf32>) dimensions = [0]
  return
}

// A maximum keeps its kind; f16 sums are kept in f32.
// CHECK-LABEL: @kinds
// CHECK: arith.maximumf {{.*}} : vector<16xf32>
// CHECK: arith.extf {{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: arith.truncf {{.*}} : f32 to f16
func.func @kinds(%x: memref<4x64xf32>, %y: memref<4xf32>, %h: memref<4x64xf16>, %z: memref<4xf16>) {
  linalg.reduce {arith.maximumf} ins(%x : memref<4x64xf32>) outs(%y : memref<4xf32>) dimensions = [1]
  linalg.reduce {arith.addf} ins(%h : memref<4x64xf16>) outs(%z : memref<4xf16>) dimensions = [1]
  return
}

// Two results: upstream's loops, in order.
// CHECK-LABEL: @argmax
// CHECK: scf.for
// CHECK-NOT: vector
// CHECK: return
func.func @argmax(%x: memref<64xf32>, %v: memref<f32>, %i: memref<index>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>, affine_map<(i) -> ()>],
                  iterator_types = ["reduction"]} ins(%x : memref<64xf32>) outs(%v, %i : memref<f32>, memref<index>) {
  ^bb0(%a: f32, %best: f32, %at: index):
    %here = linalg.index 0 : index
    %more = arith.cmpf ogt, %a, %best : f32
    %0 = arith.select %more, %a, %best : f32
    %1 = arith.select %more, %here, %at : index
    linalg.yield %0, %1 : f32, index
  }
  return
}

// CHECK-LABEL: @others
// CHECK: linalg.reduce
// CHECK: linalg.fill
func.func @others(%x: tensor<4x8xf32>, %y: tensor<4xf32>, %b: memref<4xf32>, %f: f32) -> tensor<4xf32> {
  %0 = linalg.reduce {arith.addf} ins(%x : tensor<4x8xf32>) outs(%y : tensor<4xf32>) dimensions = [1]
  linalg.fill ins(%f : f32) outs(%b : memref<4xf32>)
  return %0 : tensor<4xf32>
}
