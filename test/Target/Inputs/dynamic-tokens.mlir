// 2560 x 2560, tokens counted at run time; rows of one tile a step.
func.func @ternary_product(%x: memref<?x2560xi8>, %w: memref<1638400xi8>, %acc: memref<?x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<?x2560xi8>, memref<1638400xi8>) outs(%acc : memref<?x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
