// Attention of one query that turns the newest key, 20 heads on 5 of 128 (BitNet 2B-4T); and a norm.
!q = memref<1x20x1x128xf32>
!k = memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>
!new = memref<1x5x1x128xf32, strided<[?, ?, 128, 1], offset: ?>>
func.func @attention(%q: !q, %k: !k, %v: !k, %x: memref<1x5x1x128xf32>, %cos: memref<1x1x64xf32>, %sin: memref<1x1x64xf32>, %new: !new,
                     %past: index, %y: !q, %s: memref<139392xf32>) {
  nn.rotary_embedding ins(%x, %cos, %sin : memref<1x5x1x128xf32>, memref<1x1x64xf32>, memref<1x1x64xf32>) outs(%new : !new) {setun.new_keys}
  nn.attention ins(%q, %k, %v : !q, !k, !k) past(%past) outs(%y : !q) scratch(%s : memref<139392xf32>) {causal, scale = 0.125 : f32}
  return
}
func.func @norm(%x: memref<1x2560xf32>, %g: memref<2560xf32>, %y: memref<1x2560xf32>) {
  nn.rms_norm ins(%x, %g : memref<1x2560xf32>, memref<2560xf32>) outs(%y : memref<1x2560xf32>) {epsilon = 1.0e-5 : f32}
  return
}
