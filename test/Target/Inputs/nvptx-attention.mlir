// Attention of one query: 20 heads on 5, of 128 (BitNet 2B-4T); 32 on 8, of 96 (Falcon3) in f16; a window, 333 elements.
!q = memref<1x20x1x128xf32>
!k = memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>
func.func @bitnet(%q: !q, %k: !k, %v: !k, %past: index, %y: !q, %s: memref<139392xf32>) {
  nn.attention ins(%q, %k, %v : !q, !k, !k) past(%past) outs(%y : !q) scratch(%s : memref<139392xf32>) {causal, scale = 0.125 : f32}
  return
}
!qf = memref<1x32x1x96xf16>
!kf = memref<1x8x?x96xf16, strided<[?, ?, 96, 1]>>
func.func @falcon(%q: !qf, %k: !kf, %v: !kf, %past: index, %y: !qf) {
  nn.attention ins(%q, %k, %v : !qf, !kf, !kf) past(%past) outs(%y : !qf) {causal, scale = 0.125 : f32}
  return
}
!qo = memref<1x4x1x333xf32>
!ko = memref<1x2x?x333xf32>
func.func @odd(%q: !qo, %k: !ko, %v: !ko, %past: index, %y: !qo) {
  nn.attention ins(%q, %k, %v : !qo, !ko, !ko) past(%past) outs(%y : !qo) {causal, window = 512 : i64, softcap = 30.0 : f32, scale = 0.125 : f32}
  return
}
// 512 queries and more.
!qm = memref<1x20x512x128xf32>
func.func @prompt(%q: !qm, %k: !k, %v: !k, %past: index, %y: !qm) {
  nn.attention ins(%q, %k, %v : !qm, !k, !k) past(%past) outs(%y : !qm) {causal, scale = 0.125 : f32}
  return
}
