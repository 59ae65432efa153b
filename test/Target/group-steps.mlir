// What one kernel can do becomes one step. RUN lines at the end.
func.func @main(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %r: tensor<?x32xf32>, %t: index) -> (tensor<?x32xf32>, tensor<?x32xf32>)
    attributes {setun.entry} {
  %w = arith.constant dense<0> : tensor<512xi8>
  %q0 = tensor.empty(%t) : tensor<?x64xi8>
  %s0 = tensor.empty(%t) : tensor<?xf32>
  %a0 = tensor.empty(%t) : tensor<?x32xi32>
  %y0 = tensor.empty(%t) : tensor<?x32xf32>
  %q:2 = ternary.norm_quantize ins(%x, %g : tensor<?x64xf32>, tensor<64xf32>) outs(%q0, %s0 : tensor<?x64xi8>, tensor<?xf32>)
    {norm_eps = 1.0e-5 : f32, spelling = #ternary<spelling reciprocal>} -> tensor<?x64xi8>, tensor<?xf32>
  %a = ternary.matmul ins(%q#0, %w : tensor<?x64xi8>, tensor<512xi8>) outs(%a0 : tensor<?x32xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>} -> tensor<?x32xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>],
                       iterator_types = ["parallel", "parallel"]}
    ins(%a, %q#1 : tensor<?x32xi32>, tensor<?xf32>) outs(%y0 : tensor<?x32xf32>) {
  ^bb0(%sum: i32, %scale: f32, %out: f32):
    %f = arith.sitofp %sum : i32 to f32
    %v = arith.mulf %f, %scale : f32
    linalg.yield %v : f32
  } -> tensor<?x32xf32>
  // Needs the group's result: it stands behind the group, and what needs it does not join.
  %n = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1, d0)>],
                       iterator_types = ["parallel", "reduction"]}
    ins(%y : tensor<?x32xf32>) outs(%r : tensor<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<?x32xf32>
  %z = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
                       iterator_types = ["parallel", "parallel"]}
    ins(%a, %n : tensor<?x32xi32>, tensor<?x32xf32>) outs(%y0 : tensor<?x32xf32>) {
  ^bb0(%sum: i32, %in: f32, %out: f32):
    %f = arith.sitofp %sum : i32 to f32
    %v = arith.addf %f, %in : f32
    linalg.yield %v : f32
  } -> tensor<?x32xf32>
  return %y, %z : tensor<?x32xf32>, tensor<?x32xf32>
}
// RUN: setun-opt %s --setun-group-steps | FileCheck %s
// CHECK: tensor.empty
// CHECK: tensor.empty
// CHECK: tensor.empty
// CHECK: tensor.empty
// CHECK-NEXT: %[[A:[0-9]+]] = tensor.empty(%{{.*}}) : tensor<?x32xi32>
// CHECK-NEXT: %[[OUT:[0-9]+]] = tensor.empty(%{{.*}}) : tensor<?x32xf32>
// CHECK-NEXT: %[[GROUP:[0-9]+]]:2 = scf.execute_region -> (tensor<?x32xi32>, tensor<?x32xf32>) no_inline {
// CHECK:   ternary.norm_quantize
// CHECK:   %[[SUMS:.*]] = ternary.matmul {{.*}} outs(%[[A]]
// CHECK:   %[[SCALED:.*]] = linalg.generic {{.*}} outs(%[[OUT]]
// CHECK:   scf.yield %[[SUMS]], %[[SCALED]]
// CHECK: }
// CHECK: %[[NEXT:.*]] = linalg.generic {{.*}} ins(%[[GROUP]]#1
// CHECK: linalg.generic {{.*}} ins(%[[GROUP]]#0, %[[NEXT]]
