// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-select-encoding="target=x86-64:avx2" | FileCheck %s
// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-select-encoding="target=x86-64" | FileCheck %s
// RUN: setun-opt %s --split-input-file --setun-select-encoding="target=x86-64 encoding=2x16x16x4" | FileCheck %s --check-prefix=FORCED
// RUN: not setun-opt %s --split-input-file --setun-select-encoding="target=x86-64 encoding=2x1x4x1" 2>&1 | FileCheck %s --check-prefix=UNREAD
// RUN: not setun-opt %s --split-input-file --setun-select-encoding="target=x86-64 encoding=5x1x4x1" 2>&1 | FileCheck %s --check-prefix=INVALID
// RUN: not setun-opt %s --split-input-file --setun-select-encoding="target=vax" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: setun-opt %s --split-input-file --setun-select-encoding="target=x86-64 products=addsub" | FileCheck %s
// RUN: not setun-opt %s --split-input-file --setun-select-encoding="target=x86-64 products=few" 2>&1 | FileCheck %s --check-prefix=PRODUCTS

// PRODUCTS: unknown products 'few'; known: addsub, best
// FORCED-COUNT-3: setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 4>
// UNREAD: cannot take the encoding 2x1x4x1 on target x86-64; it can take 2x16x16x1, 2x16x16x2, 2x16x16x4
// INVALID: '5x1x4x1' is no encoding: expected BITSxROWSxCOLSxINTERLEAVE
// UNKNOWN: unknown target 'vax'; known: native, generic, x86-64 ({{.*}}avx2, baseline)

ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<64xi8>>) : tensor<32x8x!ternary.trit>

// CHECK-LABEL: @main
func.func @main(%x: tensor<?x8xi8>, %a: tensor<?x32xi32>) -> (tensor<?x32xi32>, tensor<?x32xi32>) {
  %w = ml_program.global_load_const @w : tensor<32x8x!ternary.trit>
  // CHECK-COUNT-2: ternary.matmul {{.*}}setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<32x8x!ternary.trit>) outs(%a : tensor<?x32xi32>) -> tensor<?x32xi32>
  %1 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<32x8x!ternary.trit>) outs(%a : tensor<?x32xi32>) -> tensor<?x32xi32>
  return %0, %1 : tensor<?x32xi32>, tensor<?x32xi32>
}

// -----

// Two rows fit one tile of 16: more of them, interleaved, would be padding.
ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>

// CHECK-LABEL: @few_rows
func.func @few_rows(%x: tensor<?x8xi8>, %a: tensor<?x2xi32>) -> tensor<?x2xi32> {
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  // CHECK: ternary.matmul {{.*}}setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>) -> tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
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
