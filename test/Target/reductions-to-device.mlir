// RUN: setun-opt %s --setun-reductions-to-device --canonicalize --cse | FileCheck %s

// A warp a row.
// CHECK-LABEL: @rows
// CHECK: gpu.launch
// CHECK-NOT: gpu.barrier
// CHECK: scf.for {{.*}} step %c32 iter_args
// CHECK: arith.addf
// CHECK-COUNT-5: gpu.shuffle xor
// CHECK-NOT: gpu.barrier
// CHECK: memref.store
// CHECK: return
func.func @rows(%a: memref<?x512xf32>, %y: memref<?xf32>) {
  linalg.reduce { arith.addf } ins(%a : memref<?x512xf32>) outs(%y : memref<?xf32>) dimensions = [1]
  return
}

// A block for a long row.
// CHECK-LABEL: @long
// CHECK: scf.for {{.*}} step %c256 iter_args
// CHECK: arith.maximumf
// CHECK: gpu.barrier
// CHECK: return
func.func @long(%a: memref<?x6912xbf16>, %y: memref<?xbf16>) {
  linalg.reduce { arith.maximumf } ins(%a : memref<?x6912xbf16>) outs(%y : memref<?xbf16>) dimensions = [1]
  return
}

// Columns: no shuffle, the warps of a block share the rows.
// CHECK-LABEL: @columns
// CHECK: gpu.launch
// CHECK-NOT: gpu.shuffle
// CHECK: scf.for {{.*}} step %c8 iter_args
// CHECK: gpu.barrier
// CHECK: return
func.func @columns(%a: memref<?x?xi32>, %y: memref<?xi32>) {
  linalg.reduce { arith.addi } ins(%a : memref<?x?xi32>) outs(%y : memref<?xi32>) dimensions = [0]
  return
}

// What folds into two places at once goes the common way, and so does what has nothing to fold.
// CHECK-LABEL: @two
// CHECK: linalg.generic
func.func @two(%a: memref<?x?xf32>, %y: memref<?xf32>, %z: memref<?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]} ins(%a : memref<?x?xf32>) outs(%y, %z : memref<?xf32>, memref<?xf32>) {
  ^bb0(%p: f32, %o: f32, %u: f32):
    %0 = arith.addf %o, %p : f32
    %1 = arith.maximumf %u, %p : f32
    linalg.yield %0, %1 : f32, f32
  }
  return
}
// CHECK-LABEL: @fill
// CHECK: linalg.fill
func.func @fill(%v: f32, %y: memref<?xf32>) {
  linalg.fill ins(%v : f32) outs(%y : memref<?xf32>)
  return
}
