// The arithmetic that quantizers become is evaluated at compile time, and gives the numbers of the definition.
// RUN: setun-opt %s --ternary-decompose-quantize-weight --canonicalize --setun-fold-constants --canonicalize | FileCheck %s

// Magnitudes .1 .2 .3 .4 .5 .6 .8 1.1: mean 0.5, lower median 0.4, maximum 1.1. 0.25 * (1 / 0.5) is a tie: to even.
ml_program.global private @w(dense<[[0.1, -0.2, 0.3, -0.4], [0.5, -0.6, 0.8, 1.1]]> : tensor<2x4xf32>) : tensor<2x4xf32>
ml_program.global private @tie(dense<[[0.25, -0.25, 0.75, -0.75]]> : tensor<1x4xf32>) : tensor<1x4xf32>
ml_program.global private @zero(dense<0.0> : tensor<2x3xf32>) : tensor<2x3xf32>
ml_program.global private @odd(dense<[[3.0, -1.0, 2.0], [0.0, 0.0, 7.0]]> : tensor<2x3xf16>) : tensor<2x3xf16>

// CHECK-LABEL: @absmean
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}0, 0, 1, -1], [1, -1, 1, 1]]> : tensor<2x4xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
// CHECK: return %[[T]], %[[S]]
func.func @absmean() -> (tensor<2x4xi8>, tensor<1xf32>) {
  %w = ml_program.global_load_const @w : tensor<2x4xf32>
  %t, %s = ternary.quantize_weight %w : tensor<2x4xf32> -> tensor<2x4x!ternary.trit>, tensor<1xf32>
  %i = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xi8>
  return %i, %s : tensor<2x4xi8>, tensor<1xf32>
}

// CHECK-LABEL: @absmean_rows
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}0, -1, 1, -1], [1, -1, 1, 1]]> : tensor<2x4xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<[2.500000e-01, 7.500000e-01]> : tensor<2xf32>
// CHECK: return %[[T]], %[[S]]
func.func @absmean_rows() -> (tensor<2x4xi8>, tensor<2xf32>) {
  %w = ml_program.global_load_const @w : tensor<2x4xf32>
  %t, %s = ternary.quantize_weight %w {per_row} : tensor<2x4xf32> -> tensor<2x4x!ternary.trit>, tensor<2xf32>
  %i = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xi8>
  return %i, %s : tensor<2x4xi8>, tensor<2xf32>
}

// The lower of the two middle elements.
// CHECK-LABEL: @absmedian
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}0, 0, 1, -1], [1, -1, 1, 1]]> : tensor<2x4xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<4.000000e-01> : tensor<1xf32>
// CHECK: return %[[T]], %[[S]]
func.func @absmedian() -> (tensor<2x4xi8>, tensor<1xf32>) {
  %w = ml_program.global_load_const @w : tensor<2x4xf32>
  %t, %s = ternary.quantize_weight %w {method = #ternary<weight_method absmedian>} : tensor<2x4xf32> -> tensor<2x4x!ternary.trit>, tensor<1xf32>
  %i = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xi8>
  return %i, %s : tensor<2x4xi8>, tensor<1xf32>
}

// Rows of three: 2, and 0, which eps lifts (1e-5 in f16 is 1.001e-05). Row one: 3/2 = 1.5 -> 2 -> 1, -0.5 -> 0, 1.
// CHECK-LABEL: @absmedian_rows
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}1, 0, 1], [0, 0, 1]]> : tensor<2x3xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<[2.000000e+00, 1.001360e-05]> : tensor<2xf16>
// CHECK: return %[[T]], %[[S]]
func.func @absmedian_rows() -> (tensor<2x3xi8>, tensor<2xf16>) {
  %w = ml_program.global_load_const @odd : tensor<2x3xf16>
  %t, %s = ternary.quantize_weight %w {method = #ternary<weight_method absmedian>, per_row} : tensor<2x3xf16> -> tensor<2x3x!ternary.trit>, tensor<2xf16>
  %i = ternary.dequantize %t : tensor<2x3x!ternary.trit> -> tensor<2x3xi8>
  return %i, %s : tensor<2x3xi8>, tensor<2xf16>
}

// CHECK-LABEL: @absmax
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}0, 0, 0, 0], [0, -1, 1, 1]]> : tensor<2x4xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<1.100000e+00> : tensor<1xf32>
// CHECK: return %[[T]], %[[S]]
func.func @absmax() -> (tensor<2x4xi8>, tensor<1xf32>) {
  %w = ml_program.global_load_const @w : tensor<2x4xf32>
  %t, %s = ternary.quantize_weight %w {method = #ternary<weight_method absmax>} : tensor<2x4xf32> -> tensor<2x4x!ternary.trit>, tensor<1xf32>
  %i = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xi8>
  return %i, %s : tensor<2x4xi8>, tensor<1xf32>
}

// CHECK-LABEL: @ties
// CHECK: %[[T:.*]] = arith.constant dense<{{\[\[}}0, 0, 1, -1]]> : tensor<1x4xi8>
// CHECK: return %[[T]]
func.func @ties() -> tensor<1x4xi8> {
  %w = ml_program.global_load_const @tie : tensor<1x4xf32>
  %t, %s = ternary.quantize_weight %w : tensor<1x4xf32> -> tensor<1x4x!ternary.trit>, tensor<1xf32>
  %i = ternary.dequantize %t : tensor<1x4x!ternary.trit> -> tensor<1x4xi8>
  return %i : tensor<1x4xi8>
}

// CHECK-LABEL: @zeros
// CHECK-DAG: %[[T:.*]] = arith.constant dense<0> : tensor<2x3xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<1.000000e+00> : tensor<1xf32>
// CHECK: return %[[T]], %[[S]]
func.func @zeros() -> (tensor<2x3xi8>, tensor<1xf32>) {
  %w = ml_program.global_load_const @zero : tensor<2x3xf32>
  %t, %s = ternary.quantize_weight %w {eps = 1.0 : f32} : tensor<2x3xf32> -> tensor<2x3x!ternary.trit>, tensor<1xf32>
  %i = ternary.dequantize %t : tensor<2x3x!ternary.trit> -> tensor<2x3xi8>
  return %i, %s : tensor<2x3xi8>, tensor<1xf32>
}
