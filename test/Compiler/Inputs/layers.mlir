// One of each kind of float layer, in f32, f16 and bf16, for tokens counted at run time.
#nk = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
func.func @main(%x: tensor<?x256xf32> {setun.name = "x", setun.shape = affine_map<()[s] -> (s, 256)>},
                %w: tensor<512x256xf32> {setun.name = "w", setun.shape = affine_map<()[s] -> (512, 256)>},
                %h: tensor<?x256xf16> {setun.name = "h", setun.shape = affine_map<()[s] -> (s, 256)>},
                %wh: tensor<512x256xf16> {setun.name = "wh", setun.shape = affine_map<()[s] -> (512, 256)>},
                %wk32: tensor<256x512xf32> {setun.name = "wk", setun.shape = affine_map<()[s] -> (256, 512)>},
                %g: tensor<256xf16> {setun.name = "g", setun.shape = affine_map<()[s] -> (256)>},
                %q: tensor<1x8x?x64xf16> {setun.name = "q", setun.shape = affine_map<()[s] -> (1, 8, s, 64)>},
                %k: tensor<1x2x?x64xf16> {setun.name = "k", setun.shape = affine_map<()[s] -> (1, 2, s, 64)>},
                %c: tensor<1x?x32xf16> {setun.name = "c", setun.shape = affine_map<()[s] -> (1, s, 32)>},
                %s: index {setun.symbol = "s"})
    -> (tensor<?x512xf32> {setun.name = "head", setun.shape = affine_map<()[s] -> (s, 512)>},
        tensor<?x512xf32> {setun.name = "half_head", setun.shape = affine_map<()[s] -> (s, 512)>},
        tensor<?x512xf32> {setun.name = "columns", setun.shape = affine_map<()[s] -> (s, 512)>},
        tensor<?x256xi8> {setun.name = "int8", setun.shape = affine_map<()[s] -> (s, 256)>},
        tensor<?xf16> {setun.name = "absmax", setun.shape = affine_map<()[s] -> (s)>},
        tensor<?x256xf32> {setun.name = "gate", setun.shape = affine_map<()[s] -> (s, 256)>},
        tensor<1x8x?x64xf16> {setun.name = "y", setun.shape = affine_map<()[s] -> (1, 8, s, 64)>}) attributes {setun.entry} {
  %b = arith.truncf %x : tensor<?x256xf32> to tensor<?x256xbf16>
  %wk = arith.truncf %wk32 : tensor<256x512xf32> to tensor<256x512xbf16>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : bf16
  %e = tensor.empty(%s) : tensor<?x512xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<?x512xf32>) -> tensor<?x512xf32>
  %head = linalg.matmul indexing_maps = #nk ins(%x, %w : tensor<?x256xf32>, tensor<512x256xf32>) outs(%zeros : tensor<?x512xf32>) -> tensor<?x512xf32>
  %half = linalg.matmul indexing_maps = #nk ins(%h, %wh : tensor<?x256xf16>, tensor<512x256xf16>) outs(%zeros : tensor<?x512xf32>) -> tensor<?x512xf32>
  %columns = linalg.matmul ins(%b, %wk : tensor<?x256xbf16>, tensor<256x512xbf16>) outs(%zeros : tensor<?x512xf32>) -> tensor<?x512xf32>
  %q0 = tensor.empty(%s) : tensor<?x256xi8>
  %c0 = tensor.empty(%s) : tensor<?xf16>
  %int8:2 = ternary.norm_quantize ins(%h, %g : tensor<?x256xf16>, tensor<256xf16>) outs(%q0, %c0 : tensor<?x256xi8>, tensor<?xf16>)
    {spelling = #ternary<spelling divide>, norm_eps = 1.0e-5 : f32} -> tensor<?x256xi8>, tensor<?xf16>
  %e2 = tensor.empty(%s) : tensor<?x256xbf16>
  %ones = linalg.fill ins(%one : bf16) outs(%e2 : tensor<?x256xbf16>) -> tensor<?x256xbf16>
  %neg = arith.negf %b : tensor<?x256xbf16>
  %exp = math.exp %neg : tensor<?x256xbf16>
  %sum = arith.addf %exp, %ones : tensor<?x256xbf16>
  %gate = arith.divf %b, %sum : tensor<?x256xbf16>
  %wide = arith.extf %gate : tensor<?x256xbf16> to tensor<?x256xf32>
  %e3 = tensor.empty(%s) : tensor<1x8x?x64xf16>
  %turned = nn.rotary_embedding ins(%q, %c, %c : tensor<1x8x?x64xf16>, tensor<1x?x32xf16>, tensor<1x?x32xf16>) outs(%e3 : tensor<1x8x?x64xf16>) -> tensor<1x8x?x64xf16>
  %past = arith.constant 0 : index
  %y = nn.attention ins(%turned, %k, %k : tensor<1x8x?x64xf16>, tensor<1x2x?x64xf16>, tensor<1x2x?x64xf16>) past(%past) outs(%e3 : tensor<1x8x?x64xf16>)
    {causal, scale = 0.125 : f32} -> tensor<1x8x?x64xf16>
  return %head, %half, %columns, %int8#0, %int8#1, %wide, %y : tensor<?x512xf32>, tensor<?x512xf32>, tensor<?x512xf32>, tensor<?x256xi8>, tensor<?xf16>, tensor<?x256xf32>, tensor<1x8x?x64xf16>
}
