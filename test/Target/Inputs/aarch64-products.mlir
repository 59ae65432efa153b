// One product of 2560 x 2560 for each number of tokens that has a form of its own; rows of one tile a step.
func.func @ternary_decode(%x: memref<1x2560xi8>, %w: memref<1638400xi8>, %acc: memref<1x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<1x2560xi8>, memref<1638400xi8>) outs(%acc : memref<1x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_two(%x: memref<2x2560xi8>, %w: memref<1638400xi8>, %acc: memref<2x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<2x2560xi8>, memref<1638400xi8>) outs(%acc : memref<2x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_four(%x: memref<4x2560xi8>, %w: memref<1638400xi8>, %acc: memref<4x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<4x2560xi8>, memref<1638400xi8>) outs(%acc : memref<4x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_eight(%x: memref<8x2560xi8>, %w: memref<1638400xi8>, %acc: memref<8x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<8x2560xi8>, memref<1638400xi8>) outs(%acc : memref<8x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_prefill(%x: memref<64x2560xi8>, %w: memref<1638400xi8>, %acc: memref<64x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<64x2560xi8>, memref<1638400xi8>) outs(%acc : memref<64x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
