// RUN: setun-opt %s --setun-split-packed-products --split-input-file | FileCheck %s

#nk = [affine_map<(m,n,k)->(m,k)>, affine_map<(m,n,k)->(n,k)>, affine_map<(m,n,k)->(m,n)>]

// q|k|v with a dynamic batch and a bias: three products, and no slice of a result is left.

// CHECK-LABEL: func @packed(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[M:.*]]: index, %[[B:.*]]: index, %[[SEQ:.*]]: index
// CHECK: %[[W:.*]] = ml_program.global_load_const @w
// CHECK: %[[BIAS:.*]] = ml_program.global_load_const @b
// CHECK: %[[WQ:.*]] = tensor.extract_slice %[[W]][0, 0] [8, 4] [1, 1]
// CHECK: tensor.empty(%[[M]]) : tensor<?x4xf32>
// CHECK: %[[ZQ:.*]] = linalg.fill
// CHECK: %[[YQ:.*]] = linalg.matmul ins(%[[X]], %[[WQ]] : tensor<?x8xf32>, tensor<8x4xf32>) outs(%[[ZQ]] : tensor<?x4xf32>)
// CHECK: %[[Q3:.*]] = tensor.expand_shape %[[YQ]] {{\[\[}}0, 1], [2]] output_shape [%[[B]], %[[SEQ]], 4] : tensor<?x4xf32> into tensor<?x?x4xf32>
// CHECK: %[[BQ:.*]] = tensor.extract_slice %[[BIAS]][0] [4] [1]
// CHECK: %[[BBQ:.*]] = linalg.broadcast ins(%[[BQ]] : tensor<4xf32>) outs({{.*}} : tensor<?x?x4xf32>) dimensions = [0, 1]
// CHECK: %[[Q:.*]] = arith.addf %[[Q3]], %[[BBQ]] : tensor<?x?x4xf32>
// CHECK: tensor.extract_slice %[[W]][0, 4] [8, 2] [1, 1]
// CHECK: %[[K:.*]] = arith.addf
// CHECK: tensor.extract_slice %[[W]][0, 6] [8, 2] [1, 1]
// CHECK: %[[V:.*]] = arith.addf
// CHECK: return %[[Q]], %[[K]], %[[V]]
ml_program.global private @w(dense_resource<w> : tensor<8x8xf32>) : tensor<8x8xf32>
ml_program.global private @b(dense_resource<b> : tensor<8xf32>) : tensor<8xf32>
func.func @packed(%x: tensor<?x8xf32>, %m: index, %b: index, %s: index) -> (tensor<?x?x4xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) {
  %w = ml_program.global_load_const @w : tensor<8x8xf32>
  %bias = ml_program.global_load_const @b : tensor<8xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%m) : tensor<?x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul ins(%x, %w : tensor<?x8xf32>, tensor<8x8xf32>) outs(%z : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y3 = tensor.expand_shape %y [[0, 1], [2]] output_shape [%b, %s, 8] : tensor<?x8xf32> into tensor<?x?x8xf32>
  %e3 = tensor.empty(%b, %s) : tensor<?x?x8xf32>
  %bb = linalg.broadcast ins(%bias : tensor<8xf32>) outs(%e3 : tensor<?x?x8xf32>) dimensions = [0, 1]
  %a = arith.addf %y3, %bb : tensor<?x?x8xf32>
  %q = tensor.extract_slice %a[0, 0, 0] [%b, %s, 4] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x4xf32>
  %k = tensor.extract_slice %a[0, 0, 4] [%b, %s, 2] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x2xf32>
  %v = tensor.extract_slice %a[0, 0, 6] [%b, %s, 2] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x2xf32>
  return %q, %k, %v : tensor<?x?x4xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>
}

// -----

// A weight [N, K]; one slice takes fewer rows and keeps its slice.

#nk = [affine_map<(m,n,k)->(m,k)>, affine_map<(m,n,k)->(n,k)>, affine_map<(m,n,k)->(m,n)>]
// CHECK-LABEL: func @rows(
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [4, 8] [1, 1] : tensor<8x8xf32> to tensor<4x8xf32>
// CHECK: %[[A:.*]] = linalg.matmul indexing_maps = [{{.*}}] ins(%{{.*}}, %{{.*}} : tensor<3x8xf32>, tensor<4x8xf32>)
// CHECK: tensor.extract_slice %{{.*}}[4, 0] [4, 8] [1, 1] : tensor<8x8xf32> to tensor<4x8xf32>
// CHECK: %[[B:.*]] = linalg.matmul
// CHECK: %[[ROW:.*]] = tensor.extract_slice %[[B]][2, 0] [1, 4] [1, 1] : tensor<3x4xf32> to tensor<1x4xf32>
// CHECK: return %[[A]], %[[ROW]]
ml_program.global private @w(dense_resource<w> : tensor<8x8xf32>) : tensor<8x8xf32>
func.func @rows(%x: tensor<3x8xf32>, %z: tensor<3x8xf32>) -> (tensor<3x4xf32>, tensor<1x4xf32>) {
  %w = ml_program.global_load_const @w : tensor<8x8xf32>
  %y = linalg.matmul indexing_maps = #nk ins(%x, %w : tensor<3x8xf32>, tensor<8x8xf32>) outs(%z : tensor<3x8xf32>) -> tensor<3x8xf32>
  %a = tensor.extract_slice %y[0, 0] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %b = tensor.extract_slice %y[2, 4] [1, 4] [1, 1] : tensor<3x8xf32> to tensor<1x4xf32>
  return %a, %b : tensor<3x4xf32>, tensor<1x4xf32>
}

// -----

// Left alone: slices that overlap (rotary halves read both sides), another use of the result, a weight that is an input.

// CHECK-LABEL: func @refused(
// CHECK-COUNT-3: linalg.matmul
// CHECK-NOT: linalg.matmul
ml_program.global private @w(dense_resource<w> : tensor<8x8xf32>) : tensor<8x8xf32>
func.func @refused(%x: tensor<3x8xf32>, %z: tensor<3x8xf32>, %in: tensor<8x8xf32>)
    -> (tensor<3x5xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x8xf32>, tensor<3x4xf32>, tensor<3x4xf32>) {
  %w = ml_program.global_load_const @w : tensor<8x8xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x8xf32>, tensor<8x8xf32>) outs(%z : tensor<3x8xf32>) -> tensor<3x8xf32>
  %a = tensor.extract_slice %y[0, 0] [3, 5] [1, 1] : tensor<3x8xf32> to tensor<3x5xf32>
  %b = tensor.extract_slice %y[0, 4] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %y1 = linalg.matmul ins(%x, %w : tensor<3x8xf32>, tensor<8x8xf32>) outs(%z : tensor<3x8xf32>) -> tensor<3x8xf32>
  %c = tensor.extract_slice %y1[0, 0] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %y2 = linalg.matmul ins(%x, %in : tensor<3x8xf32>, tensor<8x8xf32>) outs(%z : tensor<3x8xf32>) -> tensor<3x8xf32>
  %d = tensor.extract_slice %y2[0, 0] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %e = tensor.extract_slice %y2[0, 4] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  return %a, %b, %c, %y1, %d, %e : tensor<3x5xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x8xf32>, tensor<3x4xf32>, tensor<3x4xf32>
}
