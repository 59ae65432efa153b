// RUN: setun-opt %s | setun-opt | FileCheck %s

// CHECK-LABEL: @layer
func.func @layer(%x: tensor<?x128xf32>, %q0: tensor<?x128xi8>, %c0: tensor<?xf32>, %w: tensor<64x128x!ternary.trit>,
                 %a0: tensor<?x64xi32>) -> tensor<?x64xi32> {
  // CHECK: ternary.quantize ins(%{{.*}} : tensor<?x128xf32>) {{.*}}spelling = #ternary<spelling reciprocal>
  %q, %c = ternary.quantize ins(%x : tensor<?x128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>)
    {spelling = #ternary<spelling reciprocal>} -> tensor<?x128xi8>, tensor<?xf32>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<?x128xi8>, tensor<64x128x!ternary.trit>)
  %acc = ternary.matmul ins(%q, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%a0 : tensor<?x64xi32>) -> tensor<?x64xi32>
  return %acc : tensor<?x64xi32>
}

// CHECK-LABEL: @dequantize
func.func @dequantize(%t: tensor<4x8x!ternary.trit>, %s: tensor<4x2xf32>) -> (tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xf16>) {
  // CHECK: ternary.dequantize %{{.*}}, %{{.*}} : tensor<4x8x!ternary.trit>, tensor<4x2xf32> -> tensor<4x8xf32>
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<4x2xf32> -> tensor<4x8xf32>
  // CHECK: ternary.dequantize %{{.*}} : tensor<4x8x!ternary.trit> -> tensor<4x8xi8>
  %1 = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xi8>
  // CHECK: ternary.dequantize %{{.*}} : tensor<4x8x!ternary.trit> -> tensor<4x8xf16>
  %2 = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xf16>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xf16>
}
