// RUN: setun-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @scale_of_one
// CHECK: ternary.dequantize %arg0 : tensor<4x8x!ternary.trit> -> tensor<4x8xf32>
func.func @scale_of_one(%t: tensor<4x8x!ternary.trit>) -> tensor<4x8xf32> {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %0 = ternary.dequantize %t, %one : tensor<4x8x!ternary.trit>, tensor<4xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: @other_scales
// CHECK: ternary.dequantize %arg0, %{{.*}} : tensor<4x8x!ternary.trit>, tensor<4xf32> -> tensor<4x8xf32>
func.func @other_scales(%t: tensor<4x8x!ternary.trit>) -> tensor<4x8xf32> {
  %s = arith.constant dense<[1.0, 1.0, 1.0, 2.0]> : tensor<4xf32>
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<4xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// A cast to less knowledge is no use to a product.
// CHECK-LABEL: @tensor_cast
// CHECK: ternary.matmul ins(%arg0, %arg1 : tensor<4x8xi8>, tensor<6x8x!ternary.trit>) outs(%arg2 : tensor<4x6xi32>) -> tensor<4x6xi32>
// CHECK-NEXT: tensor.cast
func.func @tensor_cast(%x: tensor<4x8xi8>, %w: tensor<6x8x!ternary.trit>, %a: tensor<4x6xi32>) -> tensor<?x6xi32> {
  %0 = tensor.cast %x : tensor<4x8xi8> to tensor<?x8xi8>
  %1 = tensor.cast %a : tensor<4x6xi32> to tensor<?x6xi32>
  %2 = ternary.matmul ins(%0, %w : tensor<?x8xi8>, tensor<6x8x!ternary.trit>) outs(%1 : tensor<?x6xi32>) -> tensor<?x6xi32>
  return %2 : tensor<?x6xi32>
}

// CHECK-LABEL: @memref_cast
// CHECK-NEXT: ternary.matmul ins(%arg0, %arg1 : memref<4x8xi8>, memref<6x8x!ternary.trit>) outs(%arg2 : memref<4x6xi32>)
// CHECK-NEXT: nn.rms_norm ins(%arg3, %arg4 : memref<4x8xf32>, memref<8xf32>) outs(%arg3 : memref<4x8xf32>)
func.func @memref_cast(%x: memref<4x8xi8>, %w: memref<6x8x!ternary.trit>, %a: memref<4x6xi32>, %f: memref<4x8xf32>, %g: memref<8xf32>) {
  %0 = memref.cast %x : memref<4x8xi8> to memref<?x8xi8>
  %1 = memref.cast %a : memref<4x6xi32> to memref<?x6xi32, strided<[?, 1], offset: ?>>
  ternary.matmul ins(%0, %w : memref<?x8xi8>, memref<6x8x!ternary.trit>) outs(%1 : memref<?x6xi32, strided<[?, 1], offset: ?>>)
  %2 = memref.cast %f : memref<4x8xf32> to memref<?x8xf32>
  nn.rms_norm ins(%2, %g : memref<?x8xf32>, memref<8xf32>) outs(%2 : memref<?x8xf32>) {epsilon = 0.0 : f32}
  return
}

// Nobody reads the result, and tensors have no effect; on buffers the op stays.
// CHECK-LABEL: @dead
// CHECK-NEXT: ternary.quantize ins(%arg3
// CHECK-NEXT: return
func.func @dead(%x: tensor<4x8xf32>, %q: tensor<4x8xi8>, %c: tensor<4xf32>, %mx: memref<4x8xf32>, %mq: memref<4x8xi8>, %mc: memref<4xf32>) {
  %0:2 = ternary.quantize ins(%x : tensor<4x8xf32>) outs(%q, %c : tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xi8>, tensor<4xf32>
  ternary.quantize ins(%mx : memref<4x8xf32>) outs(%mq, %mc : memref<4x8xi8>, memref<4xf32>)
  return
}
