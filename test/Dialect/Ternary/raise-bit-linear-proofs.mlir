// RUN: setun-opt %s --ternary-raise-bit-linear=keep-proofs | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: func.func @main
// CHECK-NOT: linalg.matmul
// CHECK: return
func.func @main(%x: tensor<2x3x8xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<6x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<6x4xf32>
  %init = arith.constant dense<0.0> : tensor<2x3xf32>
  %c127 = arith.constant dense<127.0> : tensor<2x3xf32>
  %ws = arith.constant dense<0.5> : tensor<1xf32>
  %e = tensor.empty() : tensor<2x3x8xf32>
  %x0 = arith.addf %x, %x : tensor<2x3x8xf32>
  %a = math.absf %x0 : tensor<2x3x8xf32>
  %c = linalg.reduce { arith.maximumf } ins(%a : tensor<2x3x8xf32>) outs(%init : tensor<2x3xf32>) dimensions = [2]
  %S = arith.divf %c127, %c : tensor<2x3xf32>
  %Sb = linalg.broadcast ins(%S : tensor<2x3xf32>) outs(%e : tensor<2x3x8xf32>) dimensions = [2]
  %v = arith.mulf %x0, %Sb : tensor<2x3x8xf32>
  %o = math.roundeven %v : tensor<2x3x8xf32>
  %q = arith.divf %o, %Sb : tensor<2x3x8xf32>
  %q2 = tensor.collapse_shape %q [[0, 1], [2]] : tensor<2x3x8xf32> into tensor<6x8xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%q2, %w : tensor<6x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<6x4xf32>) -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}

// The slices begin at the quantizer's input.
// CHECK: func.func private @proof_0(%[[X:.*]]: tensor<2x3x8xf32>, %{{.*}}: tensor<4x8x!ternary.trit>) -> tensor<6x4xf32> attributes {setun.proof}
// CHECK-NOT: arith.addf
// CHECK: math.absf %[[X]]
// CHECK: linalg.matmul
// CHECK: func.func private @proof_0_raised(%[[X:.*]]: tensor<2x3x8xf32>, %{{.*}}: tensor<4x8x!ternary.trit>) -> tensor<6x4xf32>
// CHECK-SAME: attributes {setun.raise = "bit_linear", setun.raised_from = @proof_0}
// CHECK: ternary.quantize ins(%[[X]] :
// CHECK: ternary.matmul
