// RUN: setun-opt %s --setun-lower-expand-shapes --canonicalize | FileCheck %s
// RUN: setun-opt %s --setun-lower-expand-shapes --expand-strided-metadata -o /dev/null

// CHECK-LABEL: @two_dynamic
// CHECK-SAME: (%[[V:.*]]: memref<?x40xf32>, %[[B:.*]]: index, %[[S:.*]]: index)
// CHECK: %[[OUTER:.*]] = arith.muli %[[S]], %c40
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%[[B]], %[[S]], 40], strides: [%[[OUTER]], 40, 1]
func.func @two_dynamic(%v: memref<?x40xf32>, %b: index, %s: index) -> memref<?x?x40xf32> {
  %e = memref.expand_shape %v [[0, 1], [2]] output_shape [%b, %s, 40] : memref<?x40xf32> into memref<?x?x40xf32>
  return %e : memref<?x?x40xf32>
}

// CHECK-LABEL: @static_strided
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [%{{.*}}], sizes: [2, 3, 4], strides: [24, 8, 1]
func.func @static_strided(%v: memref<6x4xf32, strided<[8, 1], offset: ?>>) -> memref<2x3x4xf32, strided<[24, 8, 1], offset: ?>> {
  %e = memref.expand_shape %v [[0, 1], [2]] output_shape [2, 3, 4] : memref<6x4xf32, strided<[8, 1], offset: ?>> into memref<2x3x4xf32, strided<[24, 8, 1], offset: ?>>
  return %e : memref<2x3x4xf32, strided<[24, 8, 1], offset: ?>>
}

// CHECK-LABEL: @nothing_to_do
// CHECK-NOT: reinterpret_cast
func.func @nothing_to_do(%v: memref<4x8xf32>) -> memref<32xf32> {
  %c = memref.collapse_shape %v [[0, 1]] : memref<4x8xf32> into memref<32xf32>
  return %c : memref<32xf32>
}

// Of a buffer without dimensions.
// CHECK-LABEL: func @scalar(
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [1, 1], strides: [1, 1]
func.func @scalar(%m: memref<f32>) -> memref<1x1xf32> {
  %e = memref.expand_shape %m [] output_shape [1, 1] : memref<f32> into memref<1x1xf32>
  return %e : memref<1x1xf32>
}
