// RUN: setun-opt %s --ternary-decompose-bit-linear --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @per_row
// CHECK-DAG: %[[QMAX:.*]] = arith.constant 1.270000e+02 : f32
// CHECK-DAG: %[[M:.*]] = tensor.dim %arg0, %c0
// CHECK: %[[Q:.*]]:2 = ternary.quantize ins(%arg0 : tensor<?x8xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x8xi8>, tensor<?xf32>) -> tensor<?x8xi8>, tensor<?xf32>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%[[Q]]#0, %arg1 : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(%{{.*}} : tensor<?x4xi32>) -> tensor<?x4xi32>
// CHECK: %[[F:.*]] = arith.sitofp %[[ACC]] : tensor<?x4xi32> to tensor<?x4xf32>
// CHECK: %[[SB:.*]] = linalg.broadcast ins(%arg2 : tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>) dimensions = [0]
// CHECK: %[[P:.*]] = arith.mulf %[[F]], %[[SB]] : tensor<?x4xf32>
// CHECK: %[[B:.*]] = linalg.fill ins(%[[QMAX]] : f32) outs(%{{.*}} : tensor<?xf32>)
// CHECK: %[[D:.*]] = arith.divf %[[Q]]#1, %[[B]] : tensor<?xf32>
// CHECK: %[[DB:.*]] = linalg.broadcast ins(%[[D]] : tensor<?xf32>) outs(%{{.*}} : tensor<?x4xf32>) dimensions = [1]
// CHECK: %[[Y:.*]] = arith.mulf %[[P]], %[[DB]] : tensor<?x4xf32>
// CHECK: %[[BB:.*]] = linalg.broadcast ins(%arg3 : tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>) dimensions = [0]
// CHECK: %[[R:.*]] = arith.addf %[[Y]], %[[BB]] : tensor<?x4xf32>
// CHECK: return %[[R]]
func.func @per_row(%x: tensor<?x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4xf32>, %b: tensor<4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %r = ternary.bit_linear ins(%x, %w, %s, %b : tensor<?x8xf32>, tensor<4x8x!ternary.trit>, tensor<4xf32>, tensor<4xf32>) outs(%y : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// One scale; half floats are widened after the quantizer and narrowed once, at the end. The quantizer's attributes stay.
// CHECK-LABEL: @per_tensor
// CHECK-DAG: %[[QMAX:.*]] = arith.constant dense<1.280000e+02> : tensor<2xf32>
// CHECK: %[[Q:.*]]:2 = ternary.quantize ins(%arg0 : tensor<2x8xbf16>) outs(%{{.*}}, %{{.*}} : tensor<2x8xi8>, tensor<2xbf16>) {clamp = array<i64: -127, 127>, eps = {{.*}}, qmax = 1.280000e+02 : f32}
// CHECK: %[[F:.*]] = arith.sitofp %{{.*}} : tensor<2x4xi32> to tensor<2x4xf32>
// CHECK: %[[S:.*]] = arith.extf %arg2 : tensor<1xbf16> to tensor<1xf32>
// CHECK: %[[C:.*]] = tensor.collapse_shape %[[S]] [] : tensor<1xf32> into tensor<f32>
// CHECK: %[[SB:.*]] = linalg.broadcast ins(%[[C]] : tensor<f32>) outs(%{{.*}} : tensor<2x4xf32>) dimensions = [0, 1]
// CHECK: %[[P:.*]] = arith.mulf %[[F]], %[[SB]] : tensor<2x4xf32>
// CHECK: %[[A:.*]] = arith.extf %[[Q]]#1 : tensor<2xbf16> to tensor<2xf32>
// CHECK: %[[D:.*]] = arith.divf %[[A]], %[[QMAX]] : tensor<2xf32>
// CHECK: arith.mulf %[[P]], %{{.*}} : tensor<2x4xf32>
// CHECK-NOT: arith.addf
// CHECK: %[[R:.*]] = arith.truncf %{{.*}} : tensor<2x4xf32> to tensor<2x4xbf16>
// CHECK: return %[[R]]
func.func @per_tensor(%x: tensor<2x8xbf16>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xbf16>, %y: tensor<2x4xbf16>) -> tensor<2x4xbf16> {
  %r = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xbf16>, tensor<4x8x!ternary.trit>, tensor<1xbf16>) outs(%y : tensor<2x4xbf16>)
    {qmax = 128.0 : f32, clamp = array<i64: -127, 127>, eps = 1.0e-6 : f32} -> tensor<2x4xbf16>
  return %r : tensor<2x4xbf16>
}

// Groups are the product's business: no scale comes after it.
// CHECK-LABEL: @groups
// CHECK: %[[S:.*]] = arith.extf %arg2 : tensor<4x2xf16> to tensor<4x2xf32>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%{{.*}}, %arg1, %[[S]] : tensor<2x8xi8>, tensor<4x8x!ternary.trit>, tensor<4x2xf32>) outs(%{{.*}} : tensor<2x4xf32>) -> tensor<2x4xf32>
// CHECK-NOT: arith.sitofp
// CHECK: arith.divf
// CHECK: %[[R:.*]] = arith.mulf %[[ACC]], %{{.*}} : tensor<2x4xf32>
// CHECK: arith.truncf %[[R]]
func.func @groups(%x: tensor<2x8xf16>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4x2xf16>, %y: tensor<2x4xf16>) -> tensor<2x4xf16> {
  %r = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf16>, tensor<4x8x!ternary.trit>, tensor<4x2xf16>) outs(%y : tensor<2x4xf16>) -> tensor<2x4xf16>
  return %r : tensor<2x4xf16>
}

// Each operand knows one size: what any of them knows, all get. A single row takes a single scale as it is.
// CHECK-LABEL: @mixed_sizes
// CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<2x8xi8>, tensor<1x8x!ternary.trit>) outs(%{{.*}} : tensor<2x1xi32>) -> tensor<2x1xi32>
// CHECK: linalg.broadcast ins(%arg2 : tensor<1xf32>) outs(%{{.*}} : tensor<2x1xf32>) dimensions = [0]
// CHECK: %[[R:.*]] = tensor.cast %{{.*}} : tensor<2x1xf32> to tensor<?x1xf32>
// CHECK: return %[[R]]
func.func @mixed_sizes(%x: tensor<2x?xf32>, %w: tensor<?x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %r = ternary.bit_linear ins(%x, %w, %s : tensor<2x?xf32>, tensor<?x8x!ternary.trit>, tensor<1xf32>) outs(%y : tensor<?x1xf32>) -> tensor<?x1xf32>
  return %r : tensor<?x1xf32>
}

// CHECK-LABEL: @nothing_to_do
// CHECK-NEXT: ternary.matmul
// CHECK-NEXT: return
func.func @nothing_to_do(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xi32>) -> tensor<2x4xi32> {
  %r = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x8x!ternary.trit>) outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return %r : tensor<2x4xi32>
}

// -----

func.func @buffers(%x: memref<2x8xf32>, %w: memref<4x8x!ternary.trit>, %s: memref<4xf32>, %y: memref<2x4xf32>) {
  // expected-error@+1 {{'ternary.bit_linear' op is taken apart on tensors, before bufferization}}
  ternary.bit_linear ins(%x, %w, %s : memref<2x8xf32>, memref<4x8x!ternary.trit>, memref<4xf32>) outs(%y : memref<2x4xf32>)
  return
}
