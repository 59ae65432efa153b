// Products of a prompt, of a model of 2560 features: short and long ones.

#lines = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>

func.func @tokens_16(%x: memref<16x2560xi8>, %w: memref<8847360xi8>, %acc: memref<16x13824xi32>) {
  ternary.matmul ins(%x, %w : memref<16x2560xi8>, memref<8847360xi8>) outs(%acc : memref<16x13824xi32>) {encoding = #lines}
  return
}

func.func @tokens_64(%x: memref<64x6912xi8>, %w: memref<4423680xi8>, %acc: memref<64x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<64x6912xi8>, memref<4423680xi8>) outs(%acc : memref<64x2560xi32>) {encoding = #lines}
  return
}

func.func @tokens_512(%x: memref<512x2560xi8>, %w: memref<8847360xi8>, %acc: memref<512x13824xi32>) {
  ternary.matmul ins(%x, %w : memref<512x2560xi8>, memref<8847360xi8>) outs(%acc : memref<512x13824xi32>) {encoding = #lines}
  return
}

func.func @tokens_many(%x: memref<?x2560xi8>, %w: memref<8847360xi8>, %acc: memref<?x13824xi32>) {
  ternary.matmul ins(%x, %w : memref<?x2560xi8>, memref<8847360xi8>) outs(%acc : memref<?x13824xi32>) {encoding = #lines}
  return
}
