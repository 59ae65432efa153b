// A decode step: what moves is the new token's key and value into the caches, and nothing else.
// RUN: setun-opt %s --setun-encode --setun-bufferize | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-NOT:     memref.copy
// CHECK:         %[[Y:.*]] = memref.collapse_shape %arg3
// CHECK:         call @nn_rms_norm_0
// CHECK:         %[[K:.*]] = memref.subview %arg1[0, 0, %{{.*}}, 0]
// CHECK:         call @linalg_generic_0(%{{.*}}, %[[K]])
// CHECK:         %[[V:.*]] = memref.subview %arg2[0, 0, %{{.*}}, 0]
// CHECK:         call @linalg_generic_0(%{{.*}}, %[[V]])
// CHECK:         call @nn_attention_0
// The last product writes the output itself.
// CHECK-NOT:     memref.copy
// CHECK:         call @linalg_matmul_0(%{{.*}}, %{{.*}}, %[[Y]])
// CHECK-NOT:     memref.copy
// CHECK:         return
// One kernel copies for both caches.
// CHECK:       func.func private @linalg_generic_0
// CHECK-NOT:   memref.copy
#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>
ml_program.global private @gamma(#ml_program.extern : tensor<32xf32>) : tensor<32xf32>
ml_program.global private @head(#ml_program.extern : tensor<61x32xf32>) : tensor<61x32xf32>
func.func @main(%x: tensor<1x?x32xf32> {setun.name = "x", setun.shape = affine_map<()[s, p, c] -> (1, s, 32)>},
                %k: tensor<1x1x?x32xf32> {setun.name = "k", setun.state = "k1", setun.axis = 2 : i64, setun.position = "p",
                                          setun.shape = affine_map<()[s, p, c] -> (1, 1, c, 32)>},
                %v: tensor<1x1x?x32xf32> {setun.name = "v", setun.state = "v1", setun.axis = 2 : i64, setun.position = "p",
                                          setun.shape = affine_map<()[s, p, c] -> (1, 1, c, 32)>},
                %s: index {setun.symbol = "s"}, %p: index {setun.symbol = "p"}, %c: index {setun.symbol = "capacity"})
    -> (tensor<1x?x61xf32> {setun.name = "y", setun.shape = affine_map<()[s, p, c] -> (1, s, 61)>},
        tensor<1x1x?x32xf32> {setun.name = "k1", setun.shape = affine_map<()[s, p, c] -> (1, 1, s + p, 32)>},
        tensor<1x1x?x32xf32> {setun.name = "v1", setun.shape = affine_map<()[s, p, c] -> (1, 1, s + p, 32)>})
    attributes {setun.entry} {
  %zero = arith.constant 0.0 : f32
  %gamma = ml_program.global_load_const @gamma : tensor<32xf32>
  %head = ml_program.global_load_const @head : tensor<61x32xf32>
  %e = tensor.empty(%s) : tensor<1x?x32xf32>
  %n = nn.rms_norm ins(%x, %gamma : tensor<1x?x32xf32>, tensor<32xf32>) outs(%e : tensor<1x?x32xf32>)
    {epsilon = 1.0e-5 : f32} -> tensor<1x?x32xf32>
  %f = tensor.collapse_shape %n [[0], [1, 2]] : tensor<1x?x32xf32> into tensor<1x?xf32>
  %q = tensor.expand_shape %f [[0, 1], [2, 3]] output_shape [1, 1, %s, 32] : tensor<1x?xf32> into tensor<1x1x?x32xf32>
  %new = tensor.insert_slice %q into %k[0, 0, %p, 0] [1, 1, %s, 32] [1, 1, 1, 1] : tensor<1x1x?x32xf32> into tensor<1x1x?x32xf32>
  %nev = tensor.insert_slice %q into %v[0, 0, %p, 0] [1, 1, %s, 32] [1, 1, 1, 1] : tensor<1x1x?x32xf32> into tensor<1x1x?x32xf32>
  %t = affine.apply affine_map<()[s, p] -> (s + p)>()[%s, %p]
  %kl = tensor.extract_slice %new[0, 0, 0, 0] [1, 1, %t, 32] [1, 1, 1, 1] : tensor<1x1x?x32xf32> to tensor<1x1x?x32xf32>
  %vl = tensor.extract_slice %nev[0, 0, 0, 0] [1, 1, %t, 32] [1, 1, 1, 1] : tensor<1x1x?x32xf32> to tensor<1x1x?x32xf32>
  %e4 = tensor.empty(%s) : tensor<1x1x?x32xf32>
  %a = nn.attention ins(%q, %kl, %vl : tensor<1x1x?x32xf32>, tensor<1x1x?x32xf32>, tensor<1x1x?x32xf32>) past(%p)
    outs(%e4 : tensor<1x1x?x32xf32>) {causal, scale = 0.2 : f32} -> tensor<1x1x?x32xf32>
  %a2 = tensor.collapse_shape %a [[0, 1, 2], [3]] : tensor<1x1x?x32xf32> into tensor<?x32xf32>
  %eh = tensor.empty(%s) : tensor<?x61xf32>
  %fh = linalg.fill ins(%zero : f32) outs(%eh : tensor<?x61xf32>) -> tensor<?x61xf32>
  %h = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%a2, %head : tensor<?x32xf32>, tensor<61x32xf32>)
    outs(%fh : tensor<?x61xf32>) -> tensor<?x61xf32>
  %y = tensor.expand_shape %h [[0, 1], [2]] output_shape [1, %s, 61] : tensor<?x61xf32> into tensor<1x?x61xf32>
  return %y, %new, %nev : tensor<1x?x61xf32>, tensor<1x1x?x32xf32>, tensor<1x1x?x32xf32>
}
