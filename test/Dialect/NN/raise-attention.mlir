// RUN: setun-opt %s --nn-raise-attention --split-input-file | FileCheck %s
// RUN: setun-opt %s --nn-raise-attention=keep-proofs --split-input-file | FileCheck %s --check-prefix=PROOF

#id = affine_map<(d0) -> (d0)>

// A decode or prompt step in the eager form: keys transposed, heads repeated, scores scaled, a mask from indices added.
// CHECK-LABEL: @eager
// CHECK-SAME: %[[Q:.*]]: tensor<1x4x?x8xf32>, %[[K:.*]]: tensor<1x2x?x8xf32>, %[[V:.*]]: tensor<1x2x?x8xf32>, %[[S:.*]]: index, %[[P:.*]]: index, %[[T:.*]]: index
// CHECK: nn.attention ins(%[[Q]], %[[K]], %[[V]] : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) past(%[[P]])
// CHECK-SAME: {causal, scale = 5.000000e-01 : f32}
// CHECK-NOT: math.exp
// CHECK-NOT: linalg.generic
// PROOF: func.func private @proof_0_raised(
// PROOF-SAME: setun.raise = "attention"
// PROOF: nn.attention
func.func @eager(%q: tensor<1x4x?x8xf32>, %k: tensor<1x2x?x8xf32>, %v: tensor<1x2x?x8xf32>, %s: index, %p: index, %t: index) -> tensor<1x4x?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %ninf = arith.constant 0xFF800000 : f32
  // j <= i + p
  %ej = tensor.empty(%t) : tensor<?xi64>
  %j = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%ej : tensor<?xi64>) {
  ^bb0(%out: i64):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i64
    linalg.yield %1 : i64
  } -> tensor<?xi64>
  %ei = tensor.empty(%s) : tensor<?xi64>
  %i = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%ei : tensor<?xi64>) {
  ^bb0(%out: i64):
    %0 = linalg.index 0 : index
    %1 = arith.addi %0, %p : index
    %2 = arith.index_cast %1 : index to i64
    linalg.yield %2 : i64
  } -> tensor<?xi64>
  %eb = tensor.empty(%s, %t) : tensor<?x?xi64>
  %ib = linalg.broadcast ins(%i : tensor<?xi64>) outs(%eb : tensor<?x?xi64>) dimensions = [1]
  %jb = linalg.broadcast ins(%j : tensor<?xi64>) outs(%eb : tensor<?x?xi64>) dimensions = [0]
  %c = arith.cmpi sle, %jb, %ib : tensor<?x?xi64>
  %em = tensor.empty(%s, %t) : tensor<?x?xf32>
  %m0 = linalg.fill ins(%zero : f32) outs(%em : tensor<?x?xf32>) -> tensor<?x?xf32>
  %m1 = linalg.fill ins(%ninf : f32) outs(%em : tensor<?x?xf32>) -> tensor<?x?xf32>
  %m = arith.select %c, %m0, %m1 : tensor<?x?xi1>, tensor<?x?xf32>
  // repeat_kv
  %e5 = tensor.empty(%t) : tensor<1x2x2x?x8xf32>
  %k5 = linalg.broadcast ins(%k : tensor<1x2x?x8xf32>) outs(%e5 : tensor<1x2x2x?x8xf32>) dimensions = [2]
  %k4 = tensor.collapse_shape %k5 [[0], [1, 2], [3], [4]] : tensor<1x2x2x?x8xf32> into tensor<1x4x?x8xf32>
  %v5 = linalg.broadcast ins(%v : tensor<1x2x?x8xf32>) outs(%e5 : tensor<1x2x2x?x8xf32>) dimensions = [2]
  %v3 = tensor.collapse_shape %v5 [[0, 1, 2], [3], [4]] : tensor<1x2x2x?x8xf32> into tensor<4x?x8xf32>
  %et = tensor.empty(%t) : tensor<1x4x8x?xf32>
  %kt = linalg.transpose ins(%k4 : tensor<1x4x?x8xf32>) outs(%et : tensor<1x4x8x?xf32>) permutation = [0, 1, 3, 2]
  %q3 = tensor.collapse_shape %q [[0, 1], [2], [3]] : tensor<1x4x?x8xf32> into tensor<4x?x8xf32>
  %kt3 = tensor.collapse_shape %kt [[0, 1], [2], [3]] : tensor<1x4x8x?xf32> into tensor<4x8x?xf32>
  %es3 = tensor.empty(%s, %t) : tensor<4x?x?xf32>
  %z3 = linalg.fill ins(%zero : f32) outs(%es3 : tensor<4x?x?xf32>) -> tensor<4x?x?xf32>
  %s3 = linalg.batch_matmul ins(%q3, %kt3 : tensor<4x?x8xf32>, tensor<4x8x?xf32>) outs(%z3 : tensor<4x?x?xf32>) -> tensor<4x?x?xf32>
  %s4 = tensor.expand_shape %s3 [[0, 1], [2], [3]] output_shape [1, 4, %s, %t] : tensor<4x?x?xf32> into tensor<1x4x?x?xf32>
  %es = tensor.empty(%s, %t) : tensor<1x4x?x?xf32>
  %h = linalg.fill ins(%half : f32) outs(%es : tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %ss = arith.mulf %s4, %h : tensor<1x4x?x?xf32>
  %mb = linalg.broadcast ins(%m : tensor<?x?xf32>) outs(%es : tensor<1x4x?x?xf32>) dimensions = [0, 1]
  %sm = arith.addf %ss, %mb : tensor<1x4x?x?xf32>
  %er = tensor.empty(%s) : tensor<1x4x?xf32>
  %rn = linalg.fill ins(%ninf : f32) outs(%er : tensor<1x4x?xf32>) -> tensor<1x4x?xf32>
  %rz = linalg.fill ins(%zero : f32) outs(%er : tensor<1x4x?xf32>) -> tensor<1x4x?xf32>
  %mx = linalg.reduce { arith.maximumf } ins(%sm : tensor<1x4x?x?xf32>) outs(%rn : tensor<1x4x?xf32>) dimensions = [3]
  %mxb = linalg.broadcast ins(%mx : tensor<1x4x?xf32>) outs(%es : tensor<1x4x?x?xf32>) dimensions = [3]
  %d = arith.subf %sm, %mxb : tensor<1x4x?x?xf32>
  %x = math.exp %d : tensor<1x4x?x?xf32>
  %su = linalg.reduce { arith.addf } ins(%x : tensor<1x4x?x?xf32>) outs(%rz : tensor<1x4x?xf32>) dimensions = [3]
  %sub = linalg.broadcast ins(%su : tensor<1x4x?xf32>) outs(%es : tensor<1x4x?x?xf32>) dimensions = [3]
  %pr = arith.divf %x, %sub : tensor<1x4x?x?xf32>
  %nan = arith.cmpf uno, %pr, %pr : tensor<1x4x?x?xf32>
  %pz = linalg.fill ins(%zero : f32) outs(%es : tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %pg = arith.select %nan, %pz, %pr : tensor<1x4x?x?xi1>, tensor<1x4x?x?xf32>
  %p3 = tensor.collapse_shape %pg [[0, 1], [2], [3]] : tensor<1x4x?x?xf32> into tensor<4x?x?xf32>
  %ey = tensor.empty(%s) : tensor<4x?x8xf32>
  %yz = linalg.fill ins(%zero : f32) outs(%ey : tensor<4x?x8xf32>) -> tensor<4x?x8xf32>
  %y3 = linalg.batch_matmul ins(%p3, %v3 : tensor<4x?x?xf32>, tensor<4x?x8xf32>) outs(%yz : tensor<4x?x8xf32>) -> tensor<4x?x8xf32>
  %y = tensor.expand_shape %y3 [[0, 1], [2], [3]] output_shape [1, 4, %s, 8] : tensor<4x?x8xf32> into tensor<1x4x?x8xf32>
  return %y : tensor<1x4x?x8xf32>
}

// -----

// Static sizes; queries and keys are both scaled, scores are capped, an unknown mask stays an operand.
// CHECK-LABEL: @capped
// CHECK: %[[M:.*]] = tensor.expand_shape %arg3 {{.*}} : tensor<3x5xf32> into tensor<1x1x3x5xf32>
// CHECK: nn.attention ins(%arg0, %arg1, %arg2 : tensor<2x2x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x6xf32>) mask(%[[M]] : tensor<1x1x3x5xf32>)
// CHECK-SAME: {scale = 2.500000e-01 : f32, softcap = 3.000000e+01 : f32}
func.func @capped(%q: tensor<2x2x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x6xf32>, %m: tensor<3x5xf32>) -> tensor<4x3x6xf32> {
  %hq = arith.constant dense<0.5> : tensor<2x2x3x8xf32>
  %hk = arith.constant dense<0.5> : tensor<2x2x8x5xf32>
  %cap = arith.constant dense<30.0> : tensor<4x3x5xf32>
  %z = arith.constant dense<0.0> : tensor<4x3x5xf32>
  %zy = arith.constant dense<0.0> : tensor<4x3x6xf32>
  %ninf = arith.constant dense<0xFF800000> : tensor<2x2x3xf32>
  %zr = arith.constant dense<0.0> : tensor<2x2x3xf32>
  %e = tensor.empty() : tensor<2x2x3x5xf32>
  %et = tensor.empty() : tensor<2x2x8x5xf32>
  %qs = arith.mulf %q, %hq : tensor<2x2x3x8xf32>
  %kt = linalg.transpose ins(%k : tensor<2x2x5x8xf32>) outs(%et : tensor<2x2x8x5xf32>) permutation = [0, 1, 3, 2]
  %ks = arith.mulf %kt, %hk : tensor<2x2x8x5xf32>
  %q3 = tensor.collapse_shape %qs [[0, 1], [2], [3]] : tensor<2x2x3x8xf32> into tensor<4x3x8xf32>
  %k3 = tensor.collapse_shape %ks [[0, 1], [2], [3]] : tensor<2x2x8x5xf32> into tensor<4x8x5xf32>
  %v3 = tensor.collapse_shape %v [[0, 1], [2], [3]] : tensor<2x2x5x6xf32> into tensor<4x5x6xf32>
  %s3 = linalg.batch_matmul ins(%q3, %k3 : tensor<4x3x8xf32>, tensor<4x8x5xf32>) outs(%z : tensor<4x3x5xf32>) -> tensor<4x3x5xf32>
  %u = arith.divf %s3, %cap : tensor<4x3x5xf32>
  %t = math.tanh %u : tensor<4x3x5xf32>
  %c = arith.mulf %t, %cap : tensor<4x3x5xf32>
  %s4 = tensor.expand_shape %c [[0, 1], [2], [3]] output_shape [2, 2, 3, 5] : tensor<4x3x5xf32> into tensor<2x2x3x5xf32>
  %mb = linalg.broadcast ins(%m : tensor<3x5xf32>) outs(%e : tensor<2x2x3x5xf32>) dimensions = [0, 1]
  %sm = arith.addf %mb, %s4 : tensor<2x2x3x5xf32>
  %mx = linalg.reduce { arith.maximumf } ins(%sm : tensor<2x2x3x5xf32>) outs(%ninf : tensor<2x2x3xf32>) dimensions = [3]
  %mxb = linalg.broadcast ins(%mx : tensor<2x2x3xf32>) outs(%e : tensor<2x2x3x5xf32>) dimensions = [3]
  %d = arith.subf %sm, %mxb : tensor<2x2x3x5xf32>
  %x = math.exp %d : tensor<2x2x3x5xf32>
  %su = linalg.reduce { arith.addf } ins(%x : tensor<2x2x3x5xf32>) outs(%zr : tensor<2x2x3xf32>) dimensions = [3]
  %sub = linalg.broadcast ins(%su : tensor<2x2x3xf32>) outs(%e : tensor<2x2x3x5xf32>) dimensions = [3]
  %pr = arith.divf %x, %sub : tensor<2x2x3x5xf32>
  %p3 = tensor.collapse_shape %pr [[0, 1], [2], [3]] : tensor<2x2x3x5xf32> into tensor<4x3x5xf32>
  %y3 = linalg.batch_matmul ins(%p3, %v3 : tensor<4x3x5xf32>, tensor<4x5x6xf32>) outs(%zy : tensor<4x3x6xf32>) -> tensor<4x3x6xf32>
  return %y3 : tensor<4x3x6xf32>
}

// -----

// Not a softmax (the sum is over the wrong dimension), and keys that are not transposed: nothing is found.
// CHECK-LABEL: @other
// CHECK-NOT: nn.attention
func.func @other(%q: tensor<4x5x5xf32>, %k: tensor<4x5x5xf32>, %v: tensor<4x5x5xf32>) -> tensor<4x5x5xf32> {
  %z = arith.constant dense<0.0> : tensor<4x5x5xf32>
  %ninf = arith.constant dense<0xFF800000> : tensor<4x5xf32>
  %zr = arith.constant dense<0.0> : tensor<4x5xf32>
  %e = tensor.empty() : tensor<4x5x5xf32>
  %s = linalg.batch_matmul ins(%q, %k : tensor<4x5x5xf32>, tensor<4x5x5xf32>) outs(%z : tensor<4x5x5xf32>) -> tensor<4x5x5xf32>
  %mx = linalg.reduce { arith.maximumf } ins(%s : tensor<4x5x5xf32>) outs(%ninf : tensor<4x5xf32>) dimensions = [2]
  %mxb = linalg.broadcast ins(%mx : tensor<4x5xf32>) outs(%e : tensor<4x5x5xf32>) dimensions = [2]
  %d = arith.subf %s, %mxb : tensor<4x5x5xf32>
  %x = math.exp %d : tensor<4x5x5xf32>
  %su = linalg.reduce { arith.addf } ins(%x : tensor<4x5x5xf32>) outs(%zr : tensor<4x5xf32>) dimensions = [1]
  %sub = linalg.broadcast ins(%su : tensor<4x5xf32>) outs(%e : tensor<4x5x5xf32>) dimensions = [1]
  %pr = arith.divf %x, %sub : tensor<4x5x5xf32>
  %y = linalg.batch_matmul ins(%pr, %v : tensor<4x5x5xf32>, tensor<4x5x5xf32>) outs(%z : tensor<4x5x5xf32>) -> tensor<4x5x5xf32>
  return %y : tensor<4x5x5xf32>
}
