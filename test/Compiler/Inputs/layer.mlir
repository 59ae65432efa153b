// y = x W^T with W in {-0.5, 0, 0.5}; activations are not quantized. [S, 4] -> [S, 3].
#nk = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
func.func @main(%x: tensor<?x4xf32> {setun.name = "x", setun.shape = affine_map<()[s0] -> (s0, 4)>}, %seq: index {setun.symbol = "seq"})
    -> (tensor<?x3xf32> {setun.name = "y/0", setun.shape = affine_map<()[s0] -> (s0, 3)>}) attributes {setun.entry} {
  %w = arith.constant dense<[[0.5, 0.0, -0.5, 0.5], [0.0, 0.0, 0.5, -0.5], [-0.5, 0.5, 0.5, 0.5]]> : tensor<3x4xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%seq) : tensor<?x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3xf32>) -> tensor<?x3xf32>
  %y = linalg.matmul indexing_maps = #nk ins(%x, %w : tensor<?x4xf32>, tensor<3x4xf32>) outs(%init : tensor<?x3xf32>) -> tensor<?x3xf32> loc("proj")
  return %y : tensor<?x3xf32>
}
