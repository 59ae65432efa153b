// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-select-encoding="target=x86-64-avx2" | FileCheck %s
// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-select-encoding="target=x86-64" | FileCheck %s
// RUN: not setun-opt %s --split-input-file --setun-select-encoding="target=vax" 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: unknown target 'vax'; known are x86-64-avx2, generic

ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>

// CHECK-LABEL: @main
func.func @main(%x: tensor<?x8xi8>, %a: tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<?x2xi32>) {
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  // CHECK-COUNT-2: ternary.matmul {{.*}}setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>) -> tensor<?x2xi32>
  %1 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>) -> tensor<?x2xi32>
  return %0, %1 : tensor<?x2xi32>, tensor<?x2xi32>
}

// -----

// A product that has its packed weight already stays as it is.
// CHECK-LABEL: @packed
// CHECK-NOT: setun.encoding
func.func @packed(%x: tensor<?x8xi8>, %w: tensor<128xi8>, %a: tensor<?x2xi32>) -> tensor<?x2xi32> {
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<128xi8>) outs(%a : tensor<?x2xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
}
