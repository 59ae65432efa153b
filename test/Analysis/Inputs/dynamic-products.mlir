// Products whose sizes are known at run time alone.
func.func @ternary_bytes(%x: memref<?x?xi8>, %w: memref<?xi8>, %acc: memref<?x?xi32>) {
  ternary.matmul ins(%x, %w : memref<?x?xi8>, memref<?xi8>) outs(%acc : memref<?x?xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_floats(%x: memref<?x?xf32>, %w: memref<?xi8>, %acc: memref<?x?xf32>) {
  ternary.matmul ins(%x, %w : memref<?x?xf32>, memref<?xi8>) outs(%acc : memref<?x?xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
func.func @ternary_scaled(%x: memref<?x?xf32>, %w: memref<?xi8>, %s: memref<?x?xf32>, %acc: memref<?x?xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<?x?xf32>, memref<?xi8>, memref<?x?xf32>) outs(%acc : memref<?x?xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}
