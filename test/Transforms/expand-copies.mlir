// RUN: setun-opt %s --setun-expand-copies | FileCheck %s

// CHECK-LABEL: func.func @strided
// CHECK-SAME:    %[[A:.*]]: memref<?x4xf32>, %[[B:.*]]: memref<?x4xf32, strided<[8, 1]>>)
// CHECK:         linalg.generic {{.*}} ins(%[[A]] : memref<?x4xf32>) outs(%[[B]] : memref<?x4xf32, strided<[8, 1]>>)
// CHECK:           linalg.yield %in
// CHECK-NOT:     memref.copy
func.func @strided(%a: memref<?x4xf32>, %b: memref<?x4xf32, strided<[8, 1]>>) {
  memref.copy %a, %b : memref<?x4xf32> to memref<?x4xf32, strided<[8, 1]>>
  return
}

// What becomes a memcpy stays.
// CHECK-LABEL: func.func @contiguous
// CHECK-NOT:     linalg
// CHECK:         memref.copy
// CHECK:         memref.copy
func.func @contiguous(%a: memref<?x4xf32>, %b: memref<?x4xf32>, %c: memref<f32>, %d: memref<f32>) {
  memref.copy %a, %b : memref<?x4xf32> to memref<?x4xf32>
  memref.copy %c, %d : memref<f32> to memref<f32>
  return
}
