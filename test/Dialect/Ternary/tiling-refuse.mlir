// RUN: setun-opt %s --transform-interpreter --split-input-file --verify-diagnostics

// Packed bytes have no rows to cut.
func.func @encoded(%x: tensor<8x128xi8>, %w: tensor<2048xi8>, %a: tensor<8x64xi32>) -> tensor<8x64xi32> {
  // expected-note@+1 {{target op}}
  %r = ternary.matmul ins(%x, %w : tensor<8x128xi8>, tensor<2048xi8>) outs(%a : tensor<8x64xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} -> tensor<8x64xi32>
  return %r : tensor<8x64xi32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %m = transform.structured.match ops{["ternary.matmul"]} in %root : (!transform.any_op) -> !transform.any_op
    // expected-error@+1 {{too many tiles provided, expected at most 0 found 2}}
    %m0, %m1:2 = transform.structured.tile_using_for %m tile_sizes [4, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// One scale for all tokens: no loop over tokens.
func.func @per_tensor(%x: tensor<8x128xf32>, %q: tensor<8x128xi8>, %c: tensor<f32>) -> tensor<8x128xi8> {
  // expected-note@+1 {{target op}}
  %r:2 = ternary.quantize ins(%x : tensor<8x128xf32>) outs(%q, %c : tensor<8x128xi8>, tensor<f32>) {per_tensor} -> tensor<8x128xi8>, tensor<f32>
  return %r#0 : tensor<8x128xi8>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %m = transform.structured.match ops{["ternary.quantize"]} in %root : (!transform.any_op) -> !transform.any_op
    // expected-error@+1 {{too many tiles provided, expected at most 0 found 1}}
    %m0, %m1 = transform.structured.tile_using_for %m tile_sizes [4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
