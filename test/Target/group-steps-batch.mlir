// Rows of several sequences: the sums and the scales are seen as [sequences, positions, ...], and still one step.
// RUN: setun-opt %s --setun-group-steps | FileCheck %s
func.func @main(%x: tensor<?x64xf32>, %t: index, %l: index) -> (tensor<3x4x?x8xf32>)
    attributes {setun.entry} {
  %w = arith.constant dense<0> : tensor<512xi8>
  %q0 = tensor.empty(%t) : tensor<?x64xi8>
  %s0 = tensor.empty(%t) : tensor<?xf32>
  %a0 = tensor.empty(%t) : tensor<?x32xi32>
  %c0 = tensor.empty(%l) : tensor<3x?xf32>
  %y0 = tensor.empty(%l) : tensor<3x4x?x8xf32>
  %q:2 = ternary.quantize ins(%x : tensor<?x64xf32>) outs(%q0, %s0 : tensor<?x64xi8>, tensor<?xf32>)
    {spelling = #ternary<spelling reciprocal>} -> tensor<?x64xi8>, tensor<?xf32>
  %s = tensor.expand_shape %q#1 [[0, 1]] output_shape [3, %l] : tensor<?xf32> into tensor<3x?xf32>
  %c = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
                       iterator_types = ["parallel", "parallel"]}
    ins(%s : tensor<3x?xf32>) outs(%c0 : tensor<3x?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %127 = arith.constant 127.0 : f32
    %v = arith.divf %127, %in : f32
    linalg.yield %v : f32
  } -> tensor<3x?xf32>
  %a = ternary.matmul ins(%q#0, %w : tensor<?x64xi8>, tensor<512xi8>) outs(%a0 : tensor<?x32xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>} -> tensor<?x32xi32>
  %e = tensor.expand_shape %a [[0, 1], [2, 3]] output_shape [3, %l, 4, 8] : tensor<?x32xi32> into tensor<3x?x4x8xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1)>,
                                        affine_map<(d0, d1, d2, d3) -> (d0, d2, d1, d3)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%e, %c : tensor<3x?x4x8xi32>, tensor<3x?xf32>) outs(%y0 : tensor<3x4x?x8xf32>) {
  ^bb0(%sum: i32, %scale: f32, %out: f32):
    %f = arith.sitofp %sum : i32 to f32
    %v = arith.mulf %f, %scale : f32
    linalg.yield %v : f32
  } -> tensor<3x4x?x8xf32>
  return %y : tensor<3x4x?x8xf32>
}
// CHECK: %[[GROUP:[0-9]+]] = scf.execute_region -> tensor<3x4x?x8xf32> no_inline {
// CHECK:   %[[CODES:.*]]:2 = ternary.quantize
// CHECK:   %[[SCALES:.*]] = tensor.expand_shape %[[CODES]]#1
// CHECK:   linalg.generic {{.*}} ins(%[[SCALES]] : tensor<3x?xf32>) {{.*}} attrs = {setun.local}
// CHECK:   %[[SUMS:.*]] = ternary.matmul
// CHECK:   tensor.expand_shape %[[SUMS]]
// CHECK:   linalg.generic
// CHECK: }
// CHECK: return %[[GROUP]]
