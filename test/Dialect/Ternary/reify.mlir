// RUN: setun-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s

// The sizes of a result are those of its destination: asking for them keeps no product alive.
// CHECK-LABEL: @sizes
// CHECK-NOT: ternary.{{quantize|matmul}}
// CHECK-NOT: nn.rms_norm
// CHECK-DAG: %[[A:.*]] = tensor.dim %arg4
// CHECK-DAG: %[[C:.*]] = tensor.dim %arg2
// CHECK-DAG: %[[N:.*]] = tensor.dim %arg5
// CHECK: return %[[A]], %[[C]], %[[N]]
func.func @sizes(%x: tensor<?x128xf32>, %q0: tensor<?x128xi8>, %c0: tensor<?xf32>, %w: tensor<64x128x!ternary.trit>, %a: tensor<?x64xi32>,
                 %n: tensor<?x128xf32>, %g: tensor<128xf32>) -> (index, index, index) {
  %zero = arith.constant 0 : index
  %q, %c = ternary.quantize ins(%x : tensor<?x128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>) -> tensor<?x128xi8>, tensor<?xf32>
  %r = ternary.matmul ins(%q, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%a : tensor<?x64xi32>) -> tensor<?x64xi32>
  %y = nn.rms_norm ins(%x, %g : tensor<?x128xf32>, tensor<128xf32>) outs(%n : tensor<?x128xf32>) {epsilon = 0.0 : f32} -> tensor<?x128xf32>
  %0 = tensor.dim %r, %zero : tensor<?x64xi32>
  %1 = tensor.dim %c, %zero : tensor<?xf32>
  %2 = tensor.dim %y, %zero : tensor<?x128xf32>
  return %0, %1, %2 : index, index, index
}
