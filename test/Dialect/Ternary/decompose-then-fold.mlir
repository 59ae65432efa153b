// A whole layer over a float parameter, written with the dialect's own ops, ends as a product with a parameter of trits.
// RUN: setun-opt %s --ternary-decompose-bit-linear --ternary-decompose-quantize-weight --canonicalize --cse \
// RUN:   --ternary-fold-weights --setun-fold-constants --ternary-raise-bit-linear --canonicalize --cse 2>/dev/null | FileCheck %s

ml_program.global private @w(dense<[[0.1, -0.2, 0.3, -0.4], [0.5, -0.6, 0.8, 1.1]]> : tensor<2x4xf32>) : tensor<2x4xf32>

// CHECK: ml_program.global private @w{{.*}}(#ternary.trits<
// CHECK-LABEL: @layer
// CHECK-NOT: linalg.matmul
// CHECK-DAG: arith.constant dense<5.000000e-01>
// CHECK-DAG: %[[W:.*]] = ml_program.global_load_const @w{{.*}} : tensor<2x4x!ternary.trit>
// CHECK-DAG: %[[Q:.*]]:2 = ternary.quantize ins(%arg0 :
// CHECK: ternary.matmul ins(%[[Q]]#0, %[[W]] : tensor<?x4xi8>, tensor<2x4x!ternary.trit>)
func.func @layer(%x: tensor<?x4xf32>, %y: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = ml_program.global_load_const @w : tensor<2x4xf32>
  %t, %s = ternary.quantize_weight %w : tensor<2x4xf32> -> tensor<2x4x!ternary.trit>, tensor<1xf32>
  %r = ternary.bit_linear ins(%x, %t, %s : tensor<?x4xf32>, tensor<2x4x!ternary.trit>, tensor<1xf32>) outs(%y : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %r : tensor<?x2xf32>
}
