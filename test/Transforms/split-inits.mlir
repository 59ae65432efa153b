// RUN: setun-opt %s --setun-split-inits | FileCheck %s
// RUN: setun-opt %s --setun-split-inits -one-shot-bufferize="bufferize-function-boundaries" -canonicalize \
// RUN:   | FileCheck %s --check-prefix=BUFFER

// CHECK-LABEL: func.func @two
// CHECK:         %[[F:.*]] = linalg.fill
// CHECK-NEXT:    linalg.matmul {{.*}} outs(%[[F]]
// CHECK:         %[[G:.*]] = linalg.fill
// CHECK:         linalg.matmul {{.*}} outs(%[[G]]
// BUFFER-LABEL: func.func @two
// BUFFER-NOT:   memref.copy
// BUFFER:       return
func.func @two(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = linalg.matmul ins(%b, %a : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0, %1 : tensor<4x4xf32>, tensor<4x4xf32>
}

// A fill of something that is not empty is kept: it writes what somebody may own.
// CHECK-LABEL: func.func @kept
// CHECK:         %[[F:.*]] = linalg.fill
// CHECK-NOT:     linalg.fill
// CHECK:         return %[[F]], %[[F]]
func.func @kept(%e: tensor<4xf32>, %v: f32) -> (tensor<4xf32>, tensor<4xf32>) {
  %f = linalg.fill ins(%v : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %f, %f : tensor<4xf32>, tensor<4xf32>
}
