ml_program.global private @w(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32> {setun.data = {file = "FOLDER/out.safetensors", offset = 0 : i64, length = 8 : i64}}
func.func @main(%x: tensor<2xf32> {setun.name = "x"}) -> (tensor<2xf32> {setun.name = "y"}) attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<2xf32>
  %y = arith.mulf %x, %w : tensor<2xf32>
  return %y : tensor<2xf32>
}
