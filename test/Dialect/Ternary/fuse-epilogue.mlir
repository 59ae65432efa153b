// RUN: setun-opt %s --ternary-fuse-epilogue --split-input-file | FileCheck %s

// A product's conversion, scales, reshape, bias and residual: one loop nest in the residual's shape, constants as
// scalars, the reshape on the integers.
// CHECK-LABEL: @epilogue
// CHECK-SAME: %[[ACC:.*]]: tensor<?x8xi32>, %[[S:.*]]: tensor<?xf32>, %[[BIAS:.*]]: tensor<8xf32>, %[[R:.*]]: tensor<?x?x8xf32>
// CHECK-DAG: %[[A3:.*]] = tensor.expand_shape %[[ACC]]
// CHECK-DAG: %[[S2:.*]] = tensor.expand_shape %[[S]]
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel"]}
// CHECK-SAME: ins(%[[R]], %[[A3]], %[[S2]], %[[BIAS]] : tensor<?x?x8xf32>, tensor<?x?x8xi32>, tensor<?x?xf32>, tensor<8xf32>)
// CHECK: ^bb0(%[[D:.*]]: f32, %[[A:.*]]: i32, %[[B:.*]]: f32, %[[C:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[F:.*]] = arith.sitofp %[[A]] : i32 to f32
// CHECK: %[[M:.*]] = arith.mulf %[[F]], %cst : f32
// CHECK: %[[Q:.*]] = arith.divf %[[M]], %[[B]] : f32
// CHECK: %[[P:.*]] = arith.addf %[[Q]], %[[C]] : f32
// CHECK: arith.addf %[[D]], %[[P]] : f32
// CHECK-NOT: linalg.generic
// CHECK: return %[[Y]]
func.func @epilogue(%acc: tensor<?x8xi32>, %s: tensor<?xf32>, %bias: tensor<8xf32>, %r: tensor<?x?x8xf32>, %b: index, %n: index, %m: index) -> tensor<?x?x8xf32> {
  %ws = arith.constant dense<0.5> : tensor<f32>
  %e = tensor.empty(%m) : tensor<?x8xf32>
  %e3 = tensor.empty(%b, %n) : tensor<?x?x8xf32>
  %f = arith.sitofp %acc : tensor<?x8xi32> to tensor<?x8xf32>
  %wb = linalg.broadcast ins(%ws : tensor<f32>) outs(%e : tensor<?x8xf32>) dimensions = [0, 1]
  %g = arith.mulf %f, %wb : tensor<?x8xf32>
  %sb = linalg.broadcast ins(%s : tensor<?xf32>) outs(%e : tensor<?x8xf32>) dimensions = [1]
  %h = arith.divf %g, %sb : tensor<?x8xf32>
  %h3 = tensor.expand_shape %h [[0, 1], [2]] output_shape [%b, %n, 8] : tensor<?x8xf32> into tensor<?x?x8xf32>
  %bb = linalg.broadcast ins(%bias : tensor<8xf32>) outs(%e3 : tensor<?x?x8xf32>) dimensions = [0, 1]
  %i = arith.addf %h3, %bb : tensor<?x?x8xf32>
  %y = arith.addf %r, %i : tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// SiLU reads its input twice: still one loop nest with one exp.
// CHECK-LABEL: @gate
// CHECK: linalg.generic
// CHECK: math.exp
// CHECK-NOT: math.exp
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @gate(%g: tensor<4x8xi32>, %u: tensor<4x8xi32>) -> tensor<4x8xf32> {
  %one = arith.constant dense<1.0> : tensor<4x8xf32>
  %c = arith.constant dense<3.0> : tensor<4x8xf32>
  %gf = arith.sitofp %g : tensor<4x8xi32> to tensor<4x8xf32>
  %gs = arith.divf %gf, %c : tensor<4x8xf32>
  %uf = arith.sitofp %u : tensor<4x8xi32> to tensor<4x8xf32>
  %n = arith.negf %gs : tensor<4x8xf32>
  %x = math.exp %n : tensor<4x8xf32>
  %p = arith.addf %x, %one : tensor<4x8xf32>
  %s = arith.divf %one, %p : tensor<4x8xf32>
  %a = arith.mulf %gs, %s : tensor<4x8xf32>
  %y = arith.mulf %a, %uf : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// What is computed once a row stays once a row, what two loops read is computed once, and nothing enters a reduction.
// CHECK-LABEL: @once
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]}
// CHECK: arith.divf
// CHECK: %[[E:.*]] = linalg.generic
// CHECK: math.exp
// CHECK: linalg.reduce { arith.addf } ins(%[[E]] :
// CHECK: linalg.generic
// CHECK-NOT: math.exp
func.func @once(%x: tensor<4x8xf32>, %c: tensor<4xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %k = arith.constant dense<127.0> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %s = arith.divf %k, %c : tensor<4xf32>
  %sb = linalg.broadcast ins(%s : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %m = arith.mulf %x, %sb : tensor<4x8xf32>
  %p = math.exp %m : tensor<4x8xf32>
  %t = linalg.reduce { arith.addf } ins(%p : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
  %y = arith.addf %p, %sb : tensor<4x8xf32>
  return %t, %y : tensor<4xf32>, tensor<4x8xf32>
}

// -----

// Nothing elementwise, nothing to do: a dense product keeps its name even beside a reshape.
// CHECK-LABEL: @product
// CHECK-NEXT: tensor.collapse_shape
// CHECK-NEXT: linalg.matmul
// CHECK-NEXT: tensor.expand_shape
// CHECK-NEXT: return
func.func @product(%x: tensor<2x2x8xf32>, %w: tensor<8x4xf32>, %z: tensor<4x4xf32>) -> tensor<2x2x4xf32> {
  %c = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x2x8xf32> into tensor<4x8xf32>
  %y = linalg.matmul ins(%c, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
  %e = tensor.expand_shape %y [[0, 1], [2]] output_shape [2, 2, 4] : tensor<4x4xf32> into tensor<2x2x4xf32>
  return %e : tensor<2x2x4xf32>
}
