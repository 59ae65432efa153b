// One product of 2560 x 2560 for each number of tokens that has a form of its own.
func.func @ternary_one(%x: memref<1x2560xi8>, %w: memref<1638400xi8>, %acc: memref<1x2560xi32>) {
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
func.func @ternary_six(%x: memref<6x2560xi8>, %w: memref<1638400xi8>, %acc: memref<6x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<6x2560xi8>, memref<1638400xi8>) outs(%acc : memref<6x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_fourteen(%x: memref<14x2560xi8>, %w: memref<1638400xi8>, %acc: memref<14x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<14x2560xi8>, memref<1638400xi8>) outs(%acc : memref<14x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_sixteen(%x: memref<16x2560xi8>, %w: memref<1638400xi8>, %acc: memref<16x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<16x2560xi8>, memref<1638400xi8>) outs(%acc : memref<16x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_prefill(%x: memref<128x2560xi8>, %w: memref<1638400xi8>, %acc: memref<128x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<128x2560xi8>, memref<1638400xi8>) outs(%acc : memref<128x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
func.func @ternary_long(%x: memref<14x6912xi8>, %w: memref<4423680xi8>, %acc: memref<14x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<14x6912xi8>, memref<4423680xi8>) outs(%acc : memref<14x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}
  return
}
