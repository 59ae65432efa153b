func.func @ternary_product(%x: memref<?x100xi8>, %w: memref<1650xi8>, %acc: memref<?x66xi32>) {
  ternary.matmul ins(%x, %w : memref<?x100xi8>, memref<1650xi8>) outs(%acc : memref<?x66xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}
  return
}
