// RUN: setun-opt %s --nn-raise-attention | FileCheck %s

// Masks of fused attention. Numbers that are known: three queries after two earlier keys; repeated heads go too.
// CHECK-LABEL: @data
// CHECK: %[[P:.*]] = arith.constant 2 : index
// CHECK: nn.attention ins(%arg0, %arg1, %arg1 : tensor<1x2x3x8xf32>, tensor<1x1x5x8xf32>, tensor<1x1x5x8xf32>) past(%[[P]]) {{.*}} {causal,
func.func @data(%q: tensor<1x2x3x8xf32>, %k: tensor<1x1x5x8xf32>, %y: tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32> {
  %m = arith.constant dense<[[[[0.0, 0.0, 0.0, -3.4e38, -3.4e38], [0.0, 0.0, 0.0, 0.0, -3.4e38], [0.0, 0.0, 0.0, 0.0, 0.0]]]]> : tensor<1x1x3x5xf32>
  %e = tensor.empty() : tensor<1x1x2x5x8xf32>
  %k5 = linalg.broadcast ins(%k : tensor<1x1x5x8xf32>) outs(%e : tensor<1x1x2x5x8xf32>) dimensions = [2]
  %k4 = tensor.collapse_shape %k5 [[0], [1, 2], [3], [4]] : tensor<1x1x2x5x8xf32> into tensor<1x2x5x8xf32>
  %a = nn.attention ins(%q, %k4, %k4 : tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) mask(%m : tensor<1x1x3x5xf32>)
    outs(%y : tensor<1x2x3x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x3x8xf32>
  return %a : tensor<1x2x3x8xf32>
}

// A triangle cut from ones, compared with zero, and minima where it was cut (is_causal before opset 23).
// CHECK-LABEL: @triangle
// CHECK: past(%{{.*}}) {{.*}} {causal,
func.func @triangle(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x?x8xf32>, %y: tensor<1x2x?x8xf32>, %s: index) -> tensor<1x2x?x8xf32> {
  %one = arith.constant 1.0 : f32
  %zero = arith.constant 0.0 : f32
  %min = arith.constant -3.4e38 : f32
  %c0 = arith.constant 0 : index
  %e = tensor.empty(%s, %s) : tensor<?x?xf32>
  %ones = linalg.fill ins(%one : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %tri = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
    ins(%ones : tensor<?x?xf32>) outs(%e : tensor<?x?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %edge = arith.addi %i, %c0 : index
    %holds = arith.cmpi sle, %j, %edge : index
    %v = arith.select %holds, %in, %zero : f32
    linalg.yield %v : f32
  } -> tensor<?x?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %b = linalg.fill ins(%min : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %cut = arith.cmpf oeq, %tri, %z : tensor<?x?xf32>
  %m = arith.select %cut, %b, %z : tensor<?x?xi1>, tensor<?x?xf32>
  %m4 = tensor.expand_shape %m [[0, 1, 2], [3]] output_shape [1, 1, %s, %s] : tensor<?x?xf32> into tensor<1x1x?x?xf32>
  %a = nn.attention ins(%q, %k, %k : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) mask(%m4 : tensor<1x1x?x?xf32>)
    outs(%y : tensor<1x2x?x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x?x8xf32>
  return %a : tensor<1x2x?x8xf32>
}

// One query: j <= p and j > p - 4, as booleans.
// CHECK-LABEL: @window
// CHECK-SAME: %[[P:[a-z0-9]*]]: index
// CHECK: past(%[[P]]) {{.*}} {causal, scale = 5.000000e-01 : f32, window = 4 : i64}
func.func @window(%q: tensor<1x2x1x8xf32>, %k: tensor<1x2x?x8xf32>, %y: tensor<1x2x1x8xf32>, %p: index, %t: index) -> tensor<1x2x1x8xf32> {
  %c4 = arith.constant 4 : index
  %e = tensor.empty(%t) : tensor<?xi1>
  %m = linalg.generic {indexing_maps = [affine_map<(j) -> (j)>], iterator_types = ["parallel"]} outs(%e : tensor<?xi1>) {
  ^bb0(%out: i1):
    %j = linalg.index 0 : index
    %l = arith.subi %p, %c4 : index
    %a = arith.cmpi sle, %j, %p : index
    %b = arith.cmpi sgt, %j, %l : index
    %c = arith.andi %a, %b : i1
    linalg.yield %c : i1
  } -> tensor<?xi1>
  %m4 = tensor.expand_shape %m [[0, 1, 2, 3]] output_shape [1, 1, 1, %t] : tensor<?xi1> into tensor<1x1x1x?xi1>
  %a = nn.attention ins(%q, %k, %k : tensor<1x2x1x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) mask(%m4 : tensor<1x1x1x?xi1>)
    outs(%y : tensor<1x2x1x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x1x8xf32>
  return %a : tensor<1x2x1x8xf32>
}

// Not causal: a strict triangle off by data, a mask of padding for several queries, numbers that are neither 0 nor minima.
// CHECK-LABEL: @unknown
// CHECK-COUNT-3: mask(
// CHECK-NOT: causal
// CHECK: return
func.func @unknown(%q: tensor<1x2x3x8xf32>, %k: tensor<1x2x5x8xf32>, %y: tensor<1x2x3x8xf32>, %p: index) -> (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %min = arith.constant dense<-3.4e38> : tensor<5xf32>
  %hole = arith.constant dense<[[[[0.0, 0.0, 0.0, -3.4e38, -3.4e38], [0.0, -3.4e38, 0.0, 0.0, -3.4e38], [0.0, 0.0, 0.0, 0.0, 0.0]]]]> : tensor<1x1x3x5xf32>
  %soft = arith.constant dense<[[[[0.0, 0.0, 0.0, -2.0, -2.0], [0.0, 0.0, 0.0, 0.0, -2.0], [0.0, 0.0, 0.0, 0.0, 0.0]]]]> : tensor<1x1x3x5xf32>
  %e = tensor.empty() : tensor<5xi1>
  %c = linalg.generic {indexing_maps = [affine_map<(j) -> (j)>], iterator_types = ["parallel"]} outs(%e : tensor<5xi1>) {
  ^bb0(%out: i1):
    %j = linalg.index 0 : index
    %a = arith.cmpi sle, %j, %p : index
    linalg.yield %a : i1
  } -> tensor<5xi1>
  %pad = arith.select %c, %zero, %min : tensor<5xi1>, tensor<5xf32>
  %pad4 = tensor.expand_shape %pad [[0, 1, 2, 3]] output_shape [1, 1, 1, 5] : tensor<5xf32> into tensor<1x1x1x5xf32>
  %a0 = nn.attention ins(%q, %k, %k : tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) mask(%hole : tensor<1x1x3x5xf32>)
    outs(%y : tensor<1x2x3x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x3x8xf32>
  %a1 = nn.attention ins(%q, %k, %k : tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) mask(%pad4 : tensor<1x1x1x5xf32>)
    outs(%y : tensor<1x2x3x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x3x8xf32>
  %a2 = nn.attention ins(%q, %k, %k : tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) mask(%soft : tensor<1x1x3x5xf32>)
    outs(%y : tensor<1x2x3x8xf32>) {scale = 0.5 : f32} -> tensor<1x2x3x8xf32>
  return %a0, %a1, %a2 : tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>
}
