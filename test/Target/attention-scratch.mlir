// RUN: setun-opt %s --setun-attention-scratch | FileCheck %s
// RUN: setun-opt %s --setun-attention-scratch --setun-attention-scratch | FileCheck %s

// 264 blocks, 4 heads, 128 sums and 4 more elements each.
// CHECK-LABEL: func @some
// CHECK: %[[S:.*]] = tensor.empty() : tensor<139392xf32>
// CHECK: %[[R:.*]]:2 = nn.attention
// CHECK-SAME: scratch(%[[S]] : tensor<139392xf32>) {causal, scale = 1.250000e-01 : f32, window = 7 : i64}
// CHECK-NOT: tensor.empty
// CHECK: return %[[R]]#0
func.func @some(%q: tensor<1x20x?x128xf32>, %k: tensor<1x5x?x128xf32>, %past: index) -> tensor<1x20x?x128xf32> {
  %r = nn.attention ins(%q, %k, %k : tensor<1x20x?x128xf32>, tensor<1x5x?x128xf32>, tensor<1x5x?x128xf32>) past(%past)
    outs(%q : tensor<1x20x?x128xf32>) {causal, scale = 0.125 : f32, window = 7 : i64} -> tensor<1x20x?x128xf32>
  return %r : tensor<1x20x?x128xf32>
}

// No kernels, no scratch.
// CHECK-LABEL: func @none
// CHECK-NOT: tensor.empty
// CHECK: nn.attention
func.func @none(%q: tensor<1x2x1x?xf32>) -> tensor<1x2x1x?xf32> {
  %r = nn.attention ins(%q, %q, %q : tensor<1x2x1x?xf32>, tensor<1x2x1x?xf32>, tensor<1x2x1x?xf32>)
    outs(%q : tensor<1x2x1x?xf32>) {scale = 1.0 : f32} -> tensor<1x2x1x?xf32>
  return %r : tensor<1x2x1x?xf32>
}
