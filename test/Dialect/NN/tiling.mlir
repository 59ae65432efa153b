// RUN: setun-opt %s --transform-interpreter --canonicalize --cse | FileCheck %s

// Norms are cut over their tokens; gamma and beta are read whole.
// CHECK-LABEL: @layer_norm
// CHECK: scf.for %[[M:[a-z0-9]+]] = %c0 to %c8 step %c4
// CHECK:   %[[X:.*]] = tensor.extract_slice %arg0[%[[M]], 0] [4, 16] [1, 1]
// CHECK:   %[[T:.*]] = nn.layer_norm ins(%[[X]], %arg1, %arg2 : tensor<4x16xf32>, tensor<16xf32>, tensor<16xf32>) outs(%{{.*}} : tensor<4x16xf32>)
// CHECK:   tensor.insert_slice %[[T]] into %{{.*}}[%[[M]], 0] [4, 16] [1, 1]
func.func @layer_norm(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>, %y: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %r = nn.layer_norm ins(%x, %g, %b : tensor<8x16xf32>, tensor<16xf32>, tensor<16xf32>) outs(%y : tensor<8x16xf32>) {epsilon = 1.0e-5 : f32, tag = "layer_norm"} -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// CHECK-LABEL: @rms_norm
// CHECK: scf.for %[[M:[a-z0-9]+]] = %c0 to %{{.*}} step %c4
// CHECK:   %[[X:.*]] = memref.subview %arg0[%[[M]], 0] [%{{.*}}, 16] [1, 1]
// CHECK:   nn.rms_norm ins(%[[X]], %arg1 : memref<?x16xf32, strided<[16, 1], offset: ?>>, memref<16xf32>) outs(%{{.*}} :
func.func @rms_norm(%x: memref<?x16xf32>, %g: memref<16xf32>, %y: memref<?x16xf32>) {
  nn.rms_norm ins(%x, %g : memref<?x16xf32>, memref<16xf32>) outs(%y : memref<?x16xf32>) {epsilon = 1.0e-5 : f32, tag = "rms_norm"}
  return
}

// CHECK-LABEL: @norm_quantize
// CHECK: scf.for %[[M:[a-z0-9]+]] = %c0 to %c8 step %c4 iter_args
// CHECK:   ternary.norm_quantize ins(%{{.*}}, %arg1 : tensor<4x16xf32>, tensor<16xf32>) outs(%{{.*}}, %{{.*}} : tensor<4x16xi8>, tensor<4xf32>)
func.func @norm_quantize(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %q: tensor<8x16xi8>, %c: tensor<8xf32>) -> (tensor<8x16xi8>, tensor<8xf32>) {
  %r:2 = ternary.norm_quantize ins(%x, %g : tensor<8x16xf32>, tensor<16xf32>) outs(%q, %c : tensor<8x16xi8>, tensor<8xf32>)
    {norm_eps = 1.0e-5 : f32, tag = "norm_quantize"} -> tensor<8x16xi8>, tensor<8xf32>
  return %r#0, %r#1 : tensor<8x16xi8>, tensor<8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %l = transform.structured.match attributes {tag = "layer_norm"} in %root : (!transform.any_op) -> !transform.any_op
    %l0, %l1 = transform.structured.tile_using_for %l tile_sizes [4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %r = transform.structured.match attributes {tag = "rms_norm"} in %root : (!transform.any_op) -> !transform.any_op
    %r0, %r1 = transform.structured.tile_using_for %r tile_sizes [4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %n = transform.structured.match attributes {tag = "norm_quantize"} in %root : (!transform.any_op) -> !transform.any_op
    %n0, %n1 = transform.structured.tile_using_for %n tile_sizes [4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
