// RUN: setun-opt %s --ternary-fuse-norm-quant | FileCheck %s

// CHECK-LABEL: @fused
// CHECK-NOT: nn.rms_norm
// CHECK: ternary.norm_quantize ins(%arg0, %arg1 : tensor<4x8xf32>, tensor<8xf32>)
// CHECK-SAME: {clamp = array<i64: -127, 127>, eps = 0.000000e+00 : f32, norm_eps = 1.000000e-01 : f32, qmax = 1.280000e+02 : f32, spelling = #ternary<spelling step>}
func.func @fused(%x: tensor<4x8xf32>, %g: tensor<8xf32>, %e: tensor<4x8xf32>, %q0: tensor<4x8xi8>, %c0: tensor<4xf32>) -> (tensor<4x8xi8>, tensor<4xf32>) {
  %n = nn.rms_norm ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf32>) {epsilon = 0.1 : f32} -> tensor<4x8xf32>
  %q, %c = ternary.quantize ins(%n : tensor<4x8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>)
    {qmax = 128.0 : f32, clamp = array<i64: -127, 127>, eps = 0.0 : f32, spelling = #ternary<spelling step>} -> tensor<4x8xi8>, tensor<4xf32>
  return %q, %c : tensor<4x8xi8>, tensor<4xf32>
}

// The norm has another use; the second quantizer is for the whole tensor; the third has no norm.
// CHECK-LABEL: @apart
// CHECK-NOT: norm_quantize
func.func @apart(%x: tensor<4x8xf32>, %g: tensor<8xf32>, %e: tensor<4x8xf32>, %q0: tensor<4x8xi8>, %c0: tensor<4xf32>, %c1: tensor<f32>)
    -> (tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xi8>, tensor<4x8xi8>) {
  %n = nn.rms_norm ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf32>) {epsilon = 0.1 : f32} -> tensor<4x8xf32>
  %q, %c = ternary.quantize ins(%n : tensor<4x8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xi8>, tensor<4xf32>
  %m = nn.rms_norm ins(%n, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf32>) {epsilon = 0.1 : f32} -> tensor<4x8xf32>
  %r, %d = ternary.quantize ins(%m : tensor<4x8xf32>) outs(%q0, %c1 : tensor<4x8xi8>, tensor<f32>) {per_tensor} -> tensor<4x8xi8>, tensor<f32>
  %s, %f = ternary.quantize ins(%x : tensor<4x8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xi8>, tensor<4xf32>
  return %n, %q, %r, %s : tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xi8>, tensor<4x8xi8>
}
