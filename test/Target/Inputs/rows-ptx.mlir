#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

func.func @norm_quantize(%x: memref<?x2560xf32>, %g: memref<2560xf32>, %q: memref<?x2560xi8>, %c: memref<?xf32>) {
  ternary.norm_quantize ins(%x, %g : memref<?x2560xf32>, memref<2560xf32>) outs(%q, %c : memref<?x2560xi8>, memref<?xf32>)
    {norm_eps = 1.0e-5 : f32}
  return
}

func.func @norm(%x: memref<?x6912xf32>, %g: memref<6912xf32>, %y: memref<?x6912xf32>) {
  nn.rms_norm ins(%x, %g : memref<?x6912xf32>, memref<6912xf32>) outs(%y : memref<?x6912xf32>) {epsilon = 1.0e-5 : f32}
  return
}

func.func @residual(%x: memref<?x2560xf32>, %y: memref<?x2560xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x2560xf32>) outs(%y : memref<?x2560xf32>) {
  ^bb0(%p: f32, %o: f32):
    %0 = arith.addf %p, %o : f32
    linalg.yield %0 : f32
  }
  return
}

func.func @head(%x: memref<1x2560xf32>, %w: memref<32000x2560xbf16>, %y: memref<1x32000xf32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<1x2560xf32>, memref<32000x2560xbf16>)
    outs(%y : memref<1x32000xf32>)
  return
}

func.func @eight(%x: memref<8x2560xf32>, %w: memref<32000x2560xbf16>, %y: memref<8x32000xf32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<8x2560xf32>, memref<32000x2560xbf16>)
    outs(%y : memref<8x32000xf32>)
  return
}

func.func @bytes(%x: memref<1x2560xi8>, %w: memref<32000x2560xi8>, %y: memref<1x32000xi32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<1x2560xi8>, memref<32000x2560xi8>)
    outs(%y : memref<1x32000xi32>)
  return
}

func.func @tile(%x: memref<512x2560xf32>, %w: memref<32000x2560xbf16>, %y: memref<512x32000xf32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<512x2560xf32>, memref<32000x2560xbf16>)
    outs(%y : memref<512x32000xf32>)
  return
}
