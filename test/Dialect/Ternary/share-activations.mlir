// RUN: setun-opt %s --ternary-share-activations --split-input-file | FileCheck %s

#rows = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>

// CHECK: ml_program.global private @"q|k"(#ternary.trits<{{.*}}, dense_resource<"q|k"> : tensor<6xi8>>)
// CHECK-SAME: : tensor<3x8x!ternary.trit>
// CHECK-SAME: setun.parts = [{name = "q", rows = 2 : i64, setun.zeros = 2.500000e-01 : f64}, {name = "k", rows = 1 : i64}]
// CHECK-NOT: global private @q(
// CHECK: ml_program.global private @o(
ml_program.global private @q(#ternary.trits<#rows, dense<[1, 2, 3, 4]> : tensor<4xi8>>) : tensor<2x8x!ternary.trit> {setun.zeros = 0.25 : f64}
ml_program.global private @k(#ternary.trits<#rows, dense_resource<kb> : tensor<2xi8>>) : tensor<1x8x!ternary.trit>
ml_program.global private @o(#ternary.trits<#rows, dense<85> : tensor<2xi8>>) : tensor<1x8x!ternary.trit>

// Two quantizers of one value are one, two products of it are one; the third product reads another value.
// CHECK-LABEL: @main
// CHECK: %[[X:.*]]:2 = ternary.quantize
// CHECK-NOT: ternary.quantize
// CHECK: %[[W:.*]] = ml_program.global_load_const @"q|k" : tensor<3x8x!ternary.trit>
// CHECK: %[[E:.*]] = tensor.empty(%arg3) : tensor<?x3xi32>
// CHECK: %[[A:.*]] = ternary.matmul ins(%[[X]]#0, %[[W]] : tensor<?x8xi8>, tensor<3x8x!ternary.trit>) outs(%[[E]] : tensor<?x3xi32>)
// CHECK: %[[Q:.*]] = tensor.extract_slice %[[A]][0, 0] [%arg3, 2] [1, 1] : tensor<?x3xi32> to tensor<?x2xi32>
// CHECK: %[[K:.*]] = tensor.extract_slice %[[A]][0, 2] [%arg3, 1] [1, 1] : tensor<?x3xi32> to tensor<?x1xi32>
// CHECK: %[[O:.*]] = ternary.matmul ins(%arg1
// CHECK: return %[[Q]], %[[K]], %[[O]]
func.func @main(%x: tensor<?x8xf32>, %y: tensor<?x8xi8>, %c0: tensor<?xf32>, %m: index) -> (tensor<?x2xi32>, tensor<?x1xi32>, tensor<?x1xi32>) {
  %q0 = tensor.empty(%m) : tensor<?x8xi8>
  %e2 = tensor.empty(%m) : tensor<?x2xi32>
  %e1 = tensor.empty(%m) : tensor<?x1xi32>
  %wq = ml_program.global_load_const @q : tensor<2x8x!ternary.trit>
  %wk = ml_program.global_load_const @k : tensor<1x8x!ternary.trit>
  %wo = ml_program.global_load_const @o : tensor<1x8x!ternary.trit>
  %a, %c = ternary.quantize ins(%x : tensor<?x8xf32>) outs(%q0, %c0 : tensor<?x8xi8>, tensor<?xf32>) -> tensor<?x8xi8>, tensor<?xf32>
  %q = ternary.matmul ins(%a, %wq : tensor<?x8xi8>, tensor<2x8x!ternary.trit>) outs(%e2 : tensor<?x2xi32>) -> tensor<?x2xi32>
  %b, %d = ternary.quantize ins(%x : tensor<?x8xf32>) outs(%q0, %c0 : tensor<?x8xi8>, tensor<?xf32>) -> tensor<?x8xi8>, tensor<?xf32>
  %k = ternary.matmul ins(%b, %wk : tensor<?x8xi8>, tensor<1x8x!ternary.trit>) outs(%e1 : tensor<?x1xi32>) -> tensor<?x1xi32>
  %o = ternary.matmul ins(%y, %wo : tensor<?x8xi8>, tensor<1x8x!ternary.trit>) outs(%e1 : tensor<?x1xi32>) -> tensor<?x1xi32>
  return %q, %k, %o : tensor<?x2xi32>, tensor<?x1xi32>, tensor<?x1xi32>
}

// The rows' bytes, one after the other.
// CHECK: "q|k": "0x40000000010203041122"
{-# dialect_resources: { builtin: { kb: "0x400000001122" } } #-}

// -----

#other = #ternary.encoding<bits = 2, tile = [16, 4], interleave = 1>
ml_program.global private @q(#ternary.trits<#other, dense<85> : tensor<32xi8>>) : tensor<2x8x!ternary.trit>
ml_program.global private @k(#ternary.trits<#other, dense<85> : tensor<32xi8>>) : tensor<1x8x!ternary.trit>

// A layout that has been chosen already, and weights that are not globals: nothing happens.
// CHECK-LABEL: @apart
// CHECK-COUNT-4: ternary.matmul
func.func @apart(%x: tensor<4x8xi8>, %t: tensor<2x8x!ternary.trit>, %e2: tensor<4x2xi32>, %e1: tensor<4x1xi32>) -> (tensor<4x2xi32>, tensor<4x1xi32>, tensor<4x2xi32>, tensor<4x2xi32>) {
  %wq = ml_program.global_load_const @q : tensor<2x8x!ternary.trit>
  %wk = ml_program.global_load_const @k : tensor<1x8x!ternary.trit>
  %q = ternary.matmul ins(%x, %wq : tensor<4x8xi8>, tensor<2x8x!ternary.trit>) outs(%e2 : tensor<4x2xi32>) -> tensor<4x2xi32>
  %k = ternary.matmul ins(%x, %wk : tensor<4x8xi8>, tensor<1x8x!ternary.trit>) outs(%e1 : tensor<4x1xi32>) -> tensor<4x1xi32>
  %t1 = ternary.matmul ins(%x, %t : tensor<4x8xi8>, tensor<2x8x!ternary.trit>) outs(%e2 : tensor<4x2xi32>) -> tensor<4x2xi32>
  %t2 = ternary.matmul ins(%x, %t : tensor<4x8xi8>, tensor<2x8x!ternary.trit>) outs(%e2 : tensor<4x2xi32>) -> tensor<4x2xi32>
  return %q, %k, %t1, %t2 : tensor<4x2xi32>, tensor<4x1xi32>, tensor<4x2xi32>, tensor<4x2xi32>
}
