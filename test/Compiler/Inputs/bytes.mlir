// One product of int8 activations, at the ternary stage.
ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<64xi8>>) : tensor<16x16x!ternary.trit>
func.func @main(%x: tensor<1x16xi8> {setun.name = "x", setun.shape = affine_map<() -> (1, 16)>})
    -> (tensor<1x16xi32> {setun.name = "y", setun.shape = affine_map<() -> (1, 16)>}) attributes {setun.entry} {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<1x16xi32>
  %sums = linalg.fill ins(%zero : i32) outs(%empty : tensor<1x16xi32>) -> tensor<1x16xi32>
  %w = ml_program.global_load_const @w : tensor<16x16x!ternary.trit>
  %y = ternary.matmul ins(%x, %w : tensor<1x16xi8>, tensor<16x16x!ternary.trit>) outs(%sums : tensor<1x16xi32>) -> tensor<1x16xi32>
  return %y : tensor<1x16xi32>
}
