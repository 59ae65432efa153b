// Products of a decode step of a model of 2560 features: QKV, the last of its MLP, gate and up for eight sequences, and what
// has no integers or has scales.

#lines = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>

func.func @ternary_one(%x: memref<1x2560xi8>, %w: memref<2457600xi8>, %acc: memref<1x3840xi32>) {
  ternary.matmul ins(%x, %w : memref<1x2560xi8>, memref<2457600xi8>) outs(%acc : memref<1x3840xi32>) {encoding = #lines}
  return
}

func.func @ternary_long(%x: memref<1x20480xi8>, %w: memref<13107200xi8>, %acc: memref<1x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<1x20480xi8>, memref<13107200xi8>) outs(%acc : memref<1x2560xi32>) {encoding = #lines}
  return
}

func.func @ternary_eight(%x: memref<8x2560xi8>, %w: memref<8847360xi8>, %acc: memref<8x13824xi32>) {
  ternary.matmul ins(%x, %w : memref<8x2560xi8>, memref<8847360xi8>) outs(%acc : memref<8x13824xi32>) {encoding = #lines}
  return
}

func.func @ternary_float(%x: memref<1x2560xf16>, %w: memref<2457600xi8>, %acc: memref<1x3840xf32>) {
  ternary.matmul ins(%x, %w : memref<1x2560xf16>, memref<2457600xi8>) outs(%acc : memref<1x3840xf32>) {encoding = #lines}
  return
}

func.func @ternary_scaled(%x: memref<4x2560xi8>, %w: memref<2457600xi8>, %s: memref<3840x20xf32>, %acc: memref<4x3840xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<4x2560xi8>, memref<2457600xi8>, memref<3840x20xf32>) outs(%acc : memref<4x3840xf32>)
    {encoding = #lines}
  return
}
