// RUN: setun-opt %s --transform-interpreter --canonicalize --cse | FileCheck %s

// A product is cut over M and N; the weight's rows go with N.
// CHECK-LABEL: @matmul
// CHECK: scf.for %[[M:[a-z0-9]+]] = %{{.*}} to %{{.*}} step %c4
// CHECK:   scf.for %[[N:[a-z0-9]+]] = %c0 to %c64 step %c16
// CHECK:     %[[MS:.*]] = affine.min
// CHECK:     %[[X:.*]] = tensor.extract_slice %arg0[%[[M]], 0] [%[[MS]], 128] [1, 1]
// CHECK:     %[[W:.*]] = tensor.extract_slice %arg1[%[[N]], 0] [16, 128] [1, 1] : tensor<64x128x!ternary.trit> to tensor<16x128x!ternary.trit>
// CHECK:     %[[A:.*]] = tensor.extract_slice %{{.*}}[%[[M]], %[[N]]] [%[[MS]], 16] [1, 1]
// CHECK:     %[[T:.*]] = ternary.matmul ins(%[[X]], %[[W]] : tensor<?x128xi8>, tensor<16x128x!ternary.trit>) outs(%[[A]] : tensor<?x16xi32>) {tag = "matmul"} -> tensor<?x16xi32>
// CHECK:     tensor.insert_slice %[[T]] into %{{.*}}[%[[M]], %[[N]]] [%[[MS]], 16] [1, 1]
func.func @matmul(%x: tensor<?x128xi8>, %w: tensor<64x128x!ternary.trit>, %a: tensor<?x64xi32>) -> tensor<?x64xi32> {
  %r = ternary.matmul ins(%x, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%a : tensor<?x64xi32>) {tag = "matmul"} -> tensor<?x64xi32>
  return %r : tensor<?x64xi32>
}

// Scales go with the rows of the weight; on buffers slices are views.
// CHECK-LABEL: @scales
// CHECK: scf.for %[[N:[a-z0-9]+]] = %c0 to %c64 step %c16
// CHECK:   %[[W:.*]] = memref.subview %arg1[%[[N]], 0] [16, 128] [1, 1]
// CHECK:   %[[S:.*]] = memref.subview %arg2[%[[N]], 0] [16, 2] [1, 1]
// CHECK:   %[[A:.*]] = memref.subview %arg3[0, %[[N]]] [%{{.*}}, 16] [1, 1]
// CHECK:   ternary.matmul ins(%{{.*}}, %[[W]], %[[S]] : {{.*}}) outs(%[[A]] :
func.func @scales(%x: memref<?x128xi8>, %w: memref<64x128x!ternary.trit>, %s: memref<64x2xf32>, %a: memref<?x64xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<?x128xi8>, memref<64x128x!ternary.trit>, memref<64x2xf32>) outs(%a : memref<?x64xf32>) {tag = "scales"}
  return
}

// The quantizer is cut over its tokens and gives two slices.
// CHECK-LABEL: @quantize
// CHECK: scf.for %[[B:[a-z0-9]+]] = {{.*}} iter_args(%[[Q0:[a-z0-9]+]] = %arg1, %[[C0:[a-z0-9]+]] = %arg2) -> (tensor<2x?x128xi8>, tensor<2x?xf32>)
// CHECK:   scf.for %[[M:[a-z0-9]+]] = %{{.*}}
// CHECK:     tensor.extract_slice %arg0[%[[B]], %[[M]], 0] [1, %{{.*}}, 128]
// CHECK:     %[[T:.*]]:2 = ternary.quantize ins(%{{.*}} : tensor<1x?x128xf32>) outs(%{{.*}} : tensor<1x?x128xi8>, tensor<1x?xf32>)
// CHECK:     tensor.insert_slice %[[T]]#0 into %{{.*}}[%[[B]], %[[M]], 0] [1, %{{.*}}, 128]
// CHECK:     tensor.insert_slice %[[T]]#1 into %{{.*}}[%[[B]], %[[M]]] [1, %{{.*}}]
func.func @quantize(%x: tensor<2x?x128xf32>, %q: tensor<2x?x128xi8>, %c: tensor<2x?xf32>) -> (tensor<2x?x128xi8>, tensor<2x?xf32>) {
  %r:2 = ternary.quantize ins(%x : tensor<2x?x128xf32>) outs(%q, %c : tensor<2x?x128xi8>, tensor<2x?xf32>) {tag = "quantize"} -> tensor<2x?x128xi8>, tensor<2x?xf32>
  return %r#0, %r#1 : tensor<2x?x128xi8>, tensor<2x?xf32>
}

// The norm moves into the loop of the product that reads it.
// CHECK-LABEL: @fuse
// CHECK-NOT: nn.rms_norm
// CHECK: scf.for %[[M:[a-z0-9]+]] =
// CHECK:   %[[G:.*]] = nn.rms_norm ins(%{{.*}}, %arg1 : tensor<4x128xf32>, tensor<128xf32>)
// CHECK:   ternary.matmul ins(%[[G]], %arg2 : tensor<4x128xf32>, tensor<64x128x!ternary.trit>)
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @fuse(%x: tensor<8x128xf32>, %g: tensor<128xf32>, %w: tensor<64x128x!ternary.trit>, %a: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %e = tensor.empty() : tensor<8x128xf32>
  %n = nn.rms_norm ins(%x, %g : tensor<8x128xf32>, tensor<128xf32>) outs(%e : tensor<8x128xf32>) {epsilon = 1.0e-6 : f32} -> tensor<8x128xf32>
  %r = ternary.matmul ins(%n, %w : tensor<8x128xf32>, tensor<64x128x!ternary.trit>) outs(%a : tensor<8x64xf32>) {tag = "fuse"} -> tensor<8x64xf32>
  return %r : tensor<8x64xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %m = transform.structured.match attributes {tag = "matmul"} in %root : (!transform.any_op) -> !transform.any_op
    %m0, %m1:2 = transform.structured.tile_using_for %m tile_sizes [4, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %s = transform.structured.match attributes {tag = "scales"} in %root : (!transform.any_op) -> !transform.any_op
    %s0, %s1 = transform.structured.tile_using_for %s tile_sizes [0, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %q = transform.structured.match attributes {tag = "quantize"} in %root : (!transform.any_op) -> !transform.any_op
    %q0, %q1:2 = transform.structured.tile_using_for %q tile_sizes [1, 8] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %f = transform.structured.match attributes {tag = "fuse"} in %root : (!transform.any_op) -> !transform.any_op
    %f0, %f1 = transform.structured.fuse %f tile_sizes [4, 0] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
