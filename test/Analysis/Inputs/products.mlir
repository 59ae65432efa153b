// Products of every form with weights of fixed sizes, as models have them.
func.func @ternary_bytes(%x: memref<?x130xi8>, %w: memref<4608xi8>, %acc: memref<?x100xi32>) {
  ternary.matmul ins(%x, %w : memref<?x130xi8>, memref<4608xi8>) outs(%acc : memref<?x100xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_bytes_whole(%x: memref<?x6912xi8>, %w: memref<4423680xi8>, %acc: memref<?x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<?x6912xi8>, memref<4423680xi8>) outs(%acc : memref<?x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_decode(%x: memref<1x2560xi8>, %w: memref<1638400xi8>, %acc: memref<1x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<1x2560xi8>, memref<1638400xi8>) outs(%acc : memref<1x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_prefill(%x: memref<64x2560xi8>, %w: memref<409600xi8>, %acc: memref<64x640xi32>) {
  ternary.matmul ins(%x, %w : memref<64x2560xi8>, memref<409600xi8>) outs(%acc : memref<64x640xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_floats(%x: memref<?x128xf32>, %w: memref<2048xi8>, %acc: memref<?x64xf32>) {
  ternary.matmul ins(%x, %w : memref<?x128xf32>, memref<2048xi8>) outs(%acc : memref<?x64xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_halves(%x: memref<?x96xf16>, %w: memref<3072xi8>, %acc: memref<?x100xf32>) {
  ternary.matmul ins(%x, %w : memref<?x96xf16>, memref<3072xi8>) outs(%acc : memref<?x100xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_scaled(%x: memref<?x96xf32>, %w: memref<3072xi8>, %s: memref<100x2xf32>, %acc: memref<?x100xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<?x96xf32>, memref<3072xi8>, memref<100x2xf32>) outs(%acc : memref<?x100xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_scaled_bytes(%x: memref<3x128xi8>, %w: memref<2048xi8>, %s: memref<64x4xf32>, %acc: memref<3x64xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<3x128xi8>, memref<2048xi8>, memref<64x4xf32>) outs(%acc : memref<3x64xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
