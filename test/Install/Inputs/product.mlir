func.func @product(%q: tensor<?x128xi8>, %w: tensor<64x128x!ternary.trit>, %a: tensor<?x64xi32>) -> tensor<?x64xi32> {
  %acc = ternary.matmul ins(%q, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%a : tensor<?x64xi32>) -> tensor<?x64xi32>
  return %acc : tensor<?x64xi32>
}
