// RUN: setun-opt %s --ternary-raise-bit-linear --split-input-file --verify-diagnostics | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// No quantizer: the product takes floats, its bias stays an addition.
// CHECK-LABEL: @weight_only
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%arg0, %arg1 : tensor<3x8xf32>, tensor<4x8x!ternary.trit>) outs(%{{.*}} : tensor<3x4xf32>)
// CHECK: %[[M:.*]] = arith.mulf %[[ACC]]
// CHECK: arith.addf %[[M]], %arg2
func.func @weight_only(%x: tensor<3x8xf32>, %t: tensor<4x8x!ternary.trit>, %bias: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %ws = arith.constant dense<0.5> : tensor<1xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  // expected-remark @below {{takes its activations as floats: they are not rounded to integers}}
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<3x8xf32>, tensor<4x8xf32>) outs(%bias : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: @int16
// CHECK-NOT: ternary.quantize
// CHECK: ternary.matmul ins(%{{.*}}, %arg1 : tensor<3x8xf32>
func.func @int16(%x: tensor<3x8xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<3x4xf32>
  %init = arith.constant dense<0.0> : tensor<3xf32>
  %q = arith.constant dense<32767.0> : tensor<3xf32>
  %ws = arith.constant dense<1.0> : tensor<1xf32>
  %e = tensor.empty() : tensor<3x8xf32>
  %a = math.absf %x : tensor<3x8xf32>
  %c = linalg.reduce { arith.maximumf } ins(%a : tensor<3x8xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %S = arith.divf %q, %c : tensor<3xf32>
  %Sb = linalg.broadcast ins(%S : tensor<3xf32>) outs(%e : tensor<3x8xf32>) dimensions = [1]
  %v = arith.mulf %x, %Sb : tensor<3x8xf32>
  %o = math.roundeven %v : tensor<3x8xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  // expected-remark @below {{they are rounded to the range [-3.276700e+04, 3.276700e+04], which int8 does not hold}}
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%o, %w : tensor<3x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// The largest magnitude is that of a column, not of a token.
// CHECK-LABEL: @columns
// CHECK-NOT: ternary.quantize
func.func @columns(%x: tensor<8x8xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<8x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<8x4xf32>
  %init = arith.constant dense<0.0> : tensor<8xf32>
  %q = arith.constant dense<127.0> : tensor<8xf32>
  %ws = arith.constant dense<1.0> : tensor<1xf32>
  %e = tensor.empty() : tensor<8x8xf32>
  %a = math.absf %x : tensor<8x8xf32>
  %c = linalg.reduce { arith.maximumf } ins(%a : tensor<8x8xf32>) outs(%init : tensor<8xf32>) dimensions = [0]
  %S = arith.divf %q, %c : tensor<8xf32>
  %Sb = linalg.broadcast ins(%S : tensor<8xf32>) outs(%e : tensor<8x8xf32>) dimensions = [0]
  %v = arith.mulf %x, %Sb : tensor<8x8xf32>
  %o = math.roundeven %v : tensor<8x8xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  // expected-remark @below {{they are rounded, but not after a division by their largest magnitude}}
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%o, %w : tensor<8x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// CHECK-LABEL: @wrong_side
// CHECK: linalg.matmul
func.func @wrong_side(%x: tensor<3x4xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<3x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<3x8xf32>
  %ws = arith.constant dense<1.0> : tensor<1xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  // expected-remark @below {{stays dense: its weight is not the [N, K] operand of a plain product}}
  %y = linalg.matmul ins(%x, %w : tensor<3x4xf32>, tensor<4x8xf32>) outs(%zero : tensor<3x8xf32>) -> tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}
