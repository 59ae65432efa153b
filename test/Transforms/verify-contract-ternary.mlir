// RUN: setun-opt %s --setun-verify-contract=stage=ternary --split-input-file --verify-diagnostics | FileCheck %s

#rows = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>
ml_program.global private @w(#ternary.trits<#rows, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x8xi8> {setun.name = "x"},
                %k: tensor<?x2xi32> {setun.name = "k", setun.shape = affine_map<()[s0, s1] -> (s1, 2)>, setun.state = "k1", setun.axis = 0 : i64, setun.position = "past", bufferization.writable = true},
                %p: index {setun.symbol = "past"}, %c: index {setun.symbol = "capacity"})
    -> (tensor<?x2xi32> {setun.name = "k1", setun.shape = affine_map<()[s0, s1] -> (s0 + 1, 2)>}) attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  %e = tensor.empty() : tensor<1x2xi32>
  %y = ternary.matmul ins(%x, %w : tensor<1x8xi8>, tensor<2x8x!ternary.trit>) outs(%e : tensor<1x2xi32>) -> tensor<1x2xi32>
  %b = tensor.insert_slice %y into %k[%p, 0] [1, 2] [1, 1] : tensor<1x2xi32> into tensor<?x2xi32>
  return %b : tensor<?x2xi32>
}

// -----

// expected-error @below {{argument 0 grows: setun.position must name a symbol after lower-state}}
func.func @main(%k: tensor<?x2xi32> {setun.name = "k", setun.shape = affine_map<()[s0] -> (s0, 2)>, setun.state = "k1", setun.axis = 0 : i64},
                %p: index {setun.symbol = "past"})
    -> (tensor<?x2xi32> {setun.name = "k1", setun.shape = affine_map<()[s0] -> (s0, 2)>}) attributes {setun.entry} {
  return %k : tensor<?x2xi32>
}

// -----

ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<4xi8>>) : tensor<2x8x!ternary.trit>
func.func @main() attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<2x8x!ternary.trit>
  // expected-error @below {{'ternary.dequantize' op may not stand in the ternary contract: raise-bit-linear or a decomposition replaces it}}
  %d = ternary.dequantize %w : tensor<2x8x!ternary.trit> -> tensor<2x8xf32>
  return
}

// -----

func.func @main(%x: tensor<1x8xi8> {setun.name = "x"}) attributes {setun.entry} {
  call @f(%x) : (tensor<1x8xi8>) -> ()
  return
}
func.func private @f(%x: tensor<1x8xi8>) {
  %c = arith.constant dense<0> : tensor<4xi8>
  %w = ternary.unpack %c {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<4xi8> -> tensor<2x8x!ternary.trit>
  %e = tensor.empty() : tensor<1x2xi32>
  // expected-error @below {{must read its weight from a parameter}}
  %y = ternary.matmul ins(%x, %w : tensor<1x8xi8>, tensor<2x8x!ternary.trit>) outs(%e : tensor<1x2xi32>) -> tensor<1x2xi32>
  return
}
