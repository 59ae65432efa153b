// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-materialize-encoding | FileCheck %s

// Row 0 is +1 -1 0 0 ..., row 1 is 0 ...: codes 2, 0, 1, 1 in canonical order. Packed, byte 4 r + c holds columns c, c + 4,
// c + 8, c + 12 of row r: columns 0 and 1 change bytes 0 (0x56) and 1 (0x54), all others are zero trits (0x55).
// Two products share one packed global, and the canonical bytes are gone.
// CHECK: ml_program.global private @w(dense_resource<w_packed> : tensor<128xi8>) : tensor<128xi8>
ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<[82, 85, 85, 85]> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>

// CHECK-LABEL: @main
func.func @main(%x: tensor<?x8xi8>, %a: tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<?x2xi32>) {
  // CHECK: %[[W:.*]] = ml_program.global_load_const @w : tensor<128xi8>
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<?x8xi8>, tensor<128xi8>) {{.*}} {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<?x8xi8>, tensor<128xi8>)
  %1 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  return %0, %1 : tensor<?x2xi32>, tensor<?x2xi32>
}
// CHECK: w_packed: "0x400000005654555555

// -----

// A weight that something else reads too keeps its trits beside the packed bytes.
// CHECK: ml_program.global private @w(#ternary.trits
// CHECK: ml_program.global private @w_0(dense_resource<w_packed{{.*}}> : tensor<128xi8>) : tensor<128xi8>
ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>

// CHECK-LABEL: @two_readers
func.func @two_readers(%x: tensor<?x8xi8>, %a: tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<2x8x!ternary.trit>) {
  // CHECK-DAG: ml_program.global_load_const @w_0 : tensor<128xi8>
  // CHECK-DAG: ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  return %0, %w : tensor<?x2xi32>, tensor<2x8x!ternary.trit>
}

// -----

// CHECK-LABEL: @constant
func.func @constant(%x: tensor<1x4xi8>, %a: tensor<1x1xi32>) -> tensor<1x1xi32> {
  %w = ternary.constant dense<[[1, 1, 1, 1]]> : tensor<1x4xi8> -> tensor<1x4x!ternary.trit>
  // CHECK: %[[W:.*]] = arith.constant dense<{{.*}}> : tensor<128xi8>
  // CHECK: ternary.matmul ins(%{{.*}}, %[[W]] : tensor<1x4xi8>, tensor<128xi8>)
  %0 = ternary.matmul ins(%x, %w : tensor<1x4xi8>, tensor<1x4x!ternary.trit>) outs(%a : tensor<1x1xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// Without a chosen encoding nothing changes.
// CHECK: ml_program.global private @plain(#ternary.trits
ml_program.global private @plain(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>
func.func @plain_reader() -> tensor<2x8x!ternary.trit> {
  %w = ml_program.global_load_const @plain : tensor<2x8x!ternary.trit>
  return %w : tensor<2x8x!ternary.trit>
}

// -----

func.func @argument(%x: tensor<?x8xi8>, %w: tensor<2x8x!ternary.trit>, %a: tensor<?x2xi32>) -> tensor<?x2xi32> {
  // expected-error @+1 {{cannot be packed: its weight is not a constant}}
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
}

// -----

ml_program.global private @w(#ml_program.extern<tensor<2x8x!ternary.trit>>) : tensor<2x8x!ternary.trit>
func.func @outside(%x: tensor<?x8xi8>, %a: tensor<?x2xi32>) -> tensor<?x2xi32> {
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  // expected-error @+1 {{cannot be packed: its weight @w has no value of trits}}
  %0 = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%a : tensor<?x2xi32>)
    {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
}
