// RUN: setun-opt %s --ternary-fold-weights --split-input-file --verify-diagnostics | FileCheck %s

// A weight that is ternary already, [N, K]: one scale, trits in its parameter's name.

// CHECK-LABEL: ml_program.global private @layers.0.q.weight
// CHECK-SAME: #ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense_resource<[[BLOB:.*]]> : tensor<2xi8>>
// CHECK-SAME: tensor<2x4x!ternary.trit> {setun.deviation = 0.0{{.*}}, setun.source = "layers.0.q", setun.zeros = 3.750000e-01
// CHECK: func @ready(%[[X:.*]]: tensor<?x4xf32>
// CHECK: %[[S:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
// CHECK: %[[T:.*]] = ml_program.global_load_const @layers.0.q.weight : tensor<2x4x!ternary.trit>
// CHECK: %[[W:.*]] = ternary.dequantize %[[T]], %[[S]] : tensor<2x4x!ternary.trit>, tensor<1xf32> -> tensor<2x4xf32>
// CHECK: linalg.matmul indexing_maps = [#{{.*}}, #{{.*}}, #{{.*}}] ins(%[[X]], %[[W]]
// CHECK: [[BLOB]]: "0x{{0*}}400000008661"
#nk = [affine_map<(m,n,k)->(m,k)>, affine_map<(m,n,k)->(n,k)>, affine_map<(m,n,k)->(m,n)>]
ml_program.global private @layers.0.q.weight(dense<[[0.5, 0.0, -0.5, 0.5], [0.0, -0.5, 0.5, 0.0]]> : tensor<2x4xf32>) : tensor<2x4xf32>
func.func @ready(%x: tensor<?x4xf32>, %z: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = ml_program.global_load_const @layers.0.q.weight : tensor<2x4xf32>
  // expected-remark @unknown {{ternary weight 'layers.0.q.weight', 2 x 4: 37.5 % zeros, one scale, largest deviation 0.0e+00}}
  %y = linalg.matmul indexing_maps = #nk ins(%x, %w : tensor<?x4xf32>, tensor<2x4xf32>) outs(%z : tensor<?x2xf32>) -> tensor<?x2xf32> loc("layers.0.q")
  return %y : tensor<?x2xf32>
}

// -----

// The absmean quantizer in the graph, [K, N], scales that differ by output column. The weight is evaluated once for
// both products, the product reads [N, K] then, and a name that the exporter made up gives way to the node's.

// CHECK-LABEL: ml_program.global private @layers.0.up.weight
// CHECK-SAME: tensor<2x4x!ternary.trit>
// CHECK-NOT: ml_program.global
// CHECK: func @quantizer(
// CHECK-NOT: linalg.reduce
// CHECK: %[[S:.*]] = arith.constant dense<[4.{{0*}}e-01, 2.375000e-01]> : tensor<2xf32>
// CHECK: %[[T:.*]] = ml_program.global_load_const @layers.0.up.weight
// CHECK: %[[W:.*]] = ternary.dequantize %[[T]], %[[S]]
// CHECK: linalg.matmul indexing_maps = [#[[MK:.*]], #[[NK:.*]], #{{.*}}] ins(%{{.*}}, %[[W]] : tensor<3x4xf32>, tensor<2x4xf32>)
// CHECK: ternary.dequantize
// CHECK: linalg.matmul
ml_program.global private @val_7(dense<[[0.5, 0.0], [0.1, -0.5], [-0.5, 0.45], [0.5, 0.0]]> : tensor<4x2xf32>) : tensor<4x2xf32>
func.func @quantizer(%x: tensor<3x4xf32>, %z: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %m = ml_program.global_load_const @val_7 : tensor<4x2xf32>
  %e = tensor.empty() : tensor<2xf32>
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  %a = math.absf %m : tensor<4x2xf32>
  %s = linalg.reduce { arith.addf } ins(%a : tensor<4x2xf32>) outs(%f : tensor<2xf32>) dimensions = [0]
  %c = arith.constant dense<4.0> : tensor<2xf32>
  %s1 = arith.divf %s, %c : tensor<2xf32>
  %e2 = tensor.empty() : tensor<4x2xf32>
  %sb = linalg.broadcast ins(%s1 : tensor<2xf32>) outs(%e2 : tensor<4x2xf32>) dimensions = [0]
  %v = arith.divf %m, %sb : tensor<4x2xf32>
  %r = math.roundeven %v : tensor<4x2xf32>
  %one = arith.constant dense<1.0> : tensor<4x2xf32>
  %mone = arith.constant dense<-1.0> : tensor<4x2xf32>
  %r1 = arith.minimumf %r, %one : tensor<4x2xf32>
  %r2 = arith.maximumf %r1, %mone : tensor<4x2xf32>
  %q = arith.mulf %r2, %sb : tensor<4x2xf32>
  // expected-remark @unknown {{ternary weight 'layers.0.up.weight', 2 x 4: 37.5 % zeros, a scale a row}}
  %y = linalg.matmul ins(%x, %q : tensor<3x4xf32>, tensor<4x2xf32>) outs(%z : tensor<3x2xf32>) -> tensor<3x2xf32> loc("layers.0.up")
  %y1 = linalg.matmul ins(%x, %q : tensor<3x4xf32>, tensor<4x2xf32>) outs(%y : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %y, %y1 : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// Refused: three magnitudes. The computed weight stays, in the transposed layout that the graph's parameter has.

// CHECK-LABEL: func @dense(
// CHECK: %[[W:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [-3.000000e+00, 0.000000e+00]]> : tensor<2x2xf32>
// CHECK: linalg.matmul indexing_maps = [#{{.*}}, #{{.*}}, #{{.*}}] {setun.reason = "w[0,1] = 2 is none of -1, 0, 1"} ins(%{{.*}}, %[[W]]
ml_program.global private @w(dense<[[0.5, 1.0], [-1.5, 0.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
func.func @dense(%x: tensor<3x2xf32>, %z: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = ml_program.global_load_const @w : tensor<2x2xf32>
  %two = arith.constant dense<2.0> : tensor<2x2xf32>
  %d = arith.mulf %w, %two : tensor<2x2xf32>
  %e = tensor.empty() : tensor<2x2xf32>
  %t = linalg.transpose ins(%d : tensor<2x2xf32>) outs(%e : tensor<2x2xf32>) permutation = [1, 0]
  // expected-remark @+1 {{this product stays dense: w[0,1] = 2 is none of -1, 0, 1}}
  %y = linalg.matmul ins(%x, %t : tensor<3x2xf32>, tensor<2x2xf32>) outs(%z : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// Trits as integers have no scale. The tied table stays one parameter; its transpose becomes an indexing map.

// CHECK-LABEL: func @integers(
// CHECK: %[[T:.*]] = ml_program.global_load_const @t : tensor<2x3x!ternary.trit>
// CHECK: %[[W:.*]] = ternary.dequantize %[[T]] : tensor<2x3x!ternary.trit> -> tensor<2x3xi8>
// CHECK: linalg.matmul {{.*}} ins(%{{.*}}, %[[W]] : tensor<?x3xi8>, tensor<2x3xi8>)
// CHECK: %[[TABLE:.*]] = ml_program.global_load_const @table : tensor<5x3xf32>
// CHECK: nn.embedding ins(%{{.*}}, %[[TABLE]]
// CHECK-NOT: linalg.transpose
// CHECK: linalg.matmul indexing_maps = [#[[MK:.*]], #[[NK:.*]], #{{.*}}] ins(%{{.*}}, %[[TABLE]] : tensor<2x3xf32>, tensor<5x3xf32>)
ml_program.global private @t(dense<[[1, 0], [-1, 1], [0, 0]]> : tensor<3x2xi8>) : tensor<3x2xi8>
ml_program.global private @table(dense<1.0> : tensor<5x3xf32>) : tensor<5x3xf32>
func.func @integers(%x: tensor<?x3xi8>, %z: tensor<?x2xi32>, %ids: tensor<2xi64>, %h: tensor<2x3xf32>, %l: tensor<2x5xf32>) -> (tensor<?x2xi32>, tensor<2x3xf32>, tensor<2x5xf32>) {
  %t = ml_program.global_load_const @t : tensor<3x2xi8>
  // expected-remark @+1 {{ternary weight 't', 2 x 3: 50.0 % zeros, plain numbers}}
  %y = linalg.matmul ins(%x, %t : tensor<?x3xi8>, tensor<3x2xi8>) outs(%z : tensor<?x2xi32>) -> tensor<?x2xi32>
  %table = ml_program.global_load_const @table : tensor<5x3xf32>
  %rows = nn.embedding ins(%ids, %table : tensor<2xi64>, tensor<5x3xf32>) outs(%h : tensor<2x3xf32>) -> tensor<2x3xf32>
  %e = tensor.empty() : tensor<3x5xf32>
  %head = linalg.transpose ins(%table : tensor<5x3xf32>) outs(%e : tensor<3x5xf32>) permutation = [1, 0]
  %logits = linalg.matmul ins(%h, %head : tensor<2x3xf32>, tensor<3x5xf32>) outs(%l : tensor<2x5xf32>) -> tensor<2x5xf32>
  return %y, %rows, %logits : tensor<?x2xi32>, tensor<2x3xf32>, tensor<2x5xf32>
}

// -----

// Other forms: a batch of one matrix, a vector on either side.

// CHECK-LABEL: func @forms(
// CHECK: %[[X2:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0, 1], [2]] : tensor<1x?x4xf32> into tensor<?x4xf32>
// CHECK: ternary.dequantize
// CHECK: %[[Y2:.*]] = linalg.matmul {{.*}} ins(%[[X2]], %{{.*}} : tensor<?x4xf32>, tensor<2x4xf32>)
// CHECK: tensor.expand_shape %[[Y2]] {{\[\[}}0, 1], [2]]
// CHECK: %[[V:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0, 1]] output_shape [1, 4] : tensor<4xf32> into tensor<1x4xf32>
// CHECK: ternary.dequantize
// CHECK: linalg.matmul {{.*}} ins(%[[V]], %{{.*}} : tensor<1x4xf32>, tensor<2x4xf32>)
// CHECK: ternary.dequantize
// CHECK: %[[U:.*]] = linalg.matmul {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x2xf32>, tensor<4x2xf32>)
// CHECK: tensor.collapse_shape %[[U]]
ml_program.global private @w(dense<[[[0.5, 0.0], [0.0, -0.5], [-0.5, 0.5], [0.5, 0.0]]]> : tensor<1x4x2xf32>) : tensor<1x4x2xf32>
ml_program.global private @v(dense<[[0.5, 0.0], [0.0, -0.5], [-0.5, 0.5], [0.5, 0.0]]> : tensor<4x2xf32>) : tensor<4x2xf32>
func.func @forms(%x: tensor<1x?x4xf32>, %z: tensor<1x?x2xf32>, %a: tensor<4xf32>, %az: tensor<2xf32>, %b: tensor<2xf32>, %bz: tensor<4xf32>)
    -> (tensor<1x?x2xf32>, tensor<2xf32>, tensor<4xf32>) {
  %w = ml_program.global_load_const @w : tensor<1x4x2xf32>
  %v = ml_program.global_load_const @v : tensor<4x2xf32>
  // expected-remark @+1 {{ternary weight 'w', 2 x 4}}
  %y = linalg.batch_matmul ins(%x, %w : tensor<1x?x4xf32>, tensor<1x4x2xf32>) outs(%z : tensor<1x?x2xf32>) -> tensor<1x?x2xf32>
  // expected-remark @+1 {{ternary weight 'v', 2 x 4}}
  %y1 = linalg.vecmat ins(%a, %v : tensor<4xf32>, tensor<4x2xf32>) outs(%az : tensor<2xf32>) -> tensor<2xf32>
  // expected-remark @+1 {{ternary weight 'v', 4 x 2}}
  %y2 = linalg.matvec ins(%v, %b : tensor<4x2xf32>, tensor<2xf32>) outs(%bz : tensor<4xf32>) -> tensor<4xf32>
  return %y, %y1, %y2 : tensor<1x?x2xf32>, tensor<2xf32>, tensor<4xf32>
}

// -----

// Nothing to do: the right side is an input.

// CHECK-LABEL: func @inputs(
// CHECK-NEXT: linalg.matmul
func.func @inputs(%x: tensor<?x3xf32>, %w: tensor<3x2xf32>, %z: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %y = linalg.matmul ins(%x, %w : tensor<?x3xf32>, tensor<3x2xf32>) outs(%z : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Data that is not there is an error.

// expected-error @+1 {{cannot read 32 bytes at 0 of "/nowhere/weights.bin"}}
ml_program.global private @gone(#ml_program.extern<tensor<2x4xf32>>) : tensor<2x4xf32>
  {setun.data = {file = "/nowhere/weights.bin", offset = 0 : i64, length = 32 : i64}}
func.func @missing(%x: tensor<?x2xf32>, %z: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = ml_program.global_load_const @gone : tensor<2x4xf32>
  %y = linalg.matmul ins(%x, %w : tensor<?x2xf32>, tensor<2x4xf32>) outs(%z : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
