// RUN: setun-opt %s --nn-raise-rotary-embedding --split-input-file | FileCheck %s
// RUN: setun-opt %s --nn-raise-rotary-embedding=keep-proofs --split-input-file | FileCheck %s --check-prefix=PROOF

// The angles are concatenated with themselves; cos and sin are computed on one half.
// CHECK-LABEL: @angles
// CHECK-SAME: %[[X:.*]]: tensor<1x4x?x8xf32>, %[[F:.*]]: tensor<1x1x?x4xf32>, %[[S:.*]]: index
// CHECK: %[[C:.*]] = math.cos %[[F]] : tensor<1x1x?x4xf32>
// CHECK: %[[C3:.*]] = tensor.expand_shape %{{.*}} output_shape [1, %{{.*}}, 4] : tensor<?x4xf32> into tensor<1x?x4xf32>
// CHECK: %[[N:.*]] = math.sin %[[F]] : tensor<1x1x?x4xf32>
// CHECK: nn.rotary_embedding ins(%[[X]], %[[C3]], %{{.*}} : tensor<1x4x?x8xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>)
// CHECK-NOT: tensor.concat
// PROOF-LABEL: func.func private @proof_0(
// PROOF: tensor.concat
// PROOF: func.func private @proof_0_raised(
// PROOF-SAME: setun.raise = "rotary_embedding"
// PROOF: nn.rotary_embedding
func.func @angles(%x: tensor<1x4x?x8xf32>, %f: tensor<1x1x?x4xf32>, %s: index) -> tensor<1x4x?x8xf32> {
  %e = tensor.empty(%s) : tensor<1x4x?x8xf32>
  %f2 = tensor.concat dim(3) %f, %f : (tensor<1x1x?x4xf32>, tensor<1x1x?x4xf32>) -> tensor<1x1x?x8xf32>
  %cos = math.cos %f2 : tensor<1x1x?x8xf32>
  %sin = math.sin %f2 : tensor<1x1x?x8xf32>
  %cc = tensor.collapse_shape %cos [[0, 1], [2], [3]] : tensor<1x1x?x8xf32> into tensor<1x?x8xf32>
  %cb = linalg.broadcast ins(%cc : tensor<1x?x8xf32>) outs(%e : tensor<1x4x?x8xf32>) dimensions = [1]
  %sc = tensor.collapse_shape %sin [[0, 1], [2], [3]] : tensor<1x1x?x8xf32> into tensor<1x?x8xf32>
  %sb = linalg.broadcast ins(%sc : tensor<1x?x8xf32>) outs(%e : tensor<1x4x?x8xf32>) dimensions = [1]
  %c2 = arith.constant 2 : index
  %d = tensor.dim %x, %c2 : tensor<1x4x?x8xf32>
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [1, 4, %d, 4] [1, 1, 1, 1] : tensor<1x4x?x8xf32> to tensor<1x4x?x4xf32>
  %x2 = tensor.extract_slice %x[0, 0, 0, 4] [1, 4, %d, 4] [1, 1, 1, 1] : tensor<1x4x?x8xf32> to tensor<1x4x?x4xf32>
  %n = arith.negf %x2 : tensor<1x4x?x4xf32>
  %r = tensor.concat dim(3) %n, %x1 : (tensor<1x4x?x4xf32>, tensor<1x4x?x4xf32>) -> tensor<1x4x?x8xf32>
  %a = arith.mulf %x, %cb : tensor<1x4x?x8xf32>
  %b = arith.mulf %r, %sb : tensor<1x4x?x8xf32>
  %y = arith.addf %a, %b : tensor<1x4x?x8xf32>
  return %y : tensor<1x4x?x8xf32>
}

// -----

// Baked tables, one in the IR and one a parameter: their data is looked at. A batch of positions stays a batch.
ml_program.global private @sin(dense<[[[0.5, 0.25, 0.5, 0.25]], [[1.5, 1.25, 1.5, 1.25]]]> : tensor<2x1x4xf32>) : tensor<2x1x4xf32>
// CHECK-LABEL: @tables
// CHECK-DAG: %[[C:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [2, 1, 2] [1, 1, 1] : tensor<2x1x4xf32> to tensor<2x1x2xf32>
// CHECK: nn.rotary_embedding ins(%arg0, %{{.*}}, %{{.*}} : tensor<2x3x1x4xf32>, tensor<2x1x2xf32>, tensor<2x1x2xf32>)
func.func @tables(%x: tensor<2x3x1x4xf32>) -> tensor<2x3x1x4xf32> {
  %cos = arith.constant dense<[[[1.0, 2.0, 1.0, 2.0]], [[3.0, 4.0, 3.0, 4.0]]]> : tensor<2x1x4xf32>
  %sin = ml_program.global_load_const @sin : tensor<2x1x4xf32>
  %e = tensor.empty() : tensor<2x3x1x4xf32>
  %cb = linalg.broadcast ins(%cos : tensor<2x1x4xf32>) outs(%e : tensor<2x3x1x4xf32>) dimensions = [1]
  %sb = linalg.broadcast ins(%sin : tensor<2x1x4xf32>) outs(%e : tensor<2x3x1x4xf32>) dimensions = [1]
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [2, 3, 1, 2] [1, 1, 1, 1] : tensor<2x3x1x4xf32> to tensor<2x3x1x2xf32>
  %x2 = tensor.extract_slice %x[0, 0, 0, 2] [2, 3, 1, 2] [1, 1, 1, 1] : tensor<2x3x1x4xf32> to tensor<2x3x1x2xf32>
  %n = arith.negf %x2 : tensor<2x3x1x2xf32>
  %r = tensor.concat dim(3) %n, %x1 : (tensor<2x3x1x2xf32>, tensor<2x3x1x2xf32>) -> tensor<2x3x1x4xf32>
  %a = arith.mulf %cb, %x : tensor<2x3x1x4xf32>
  %b = arith.mulf %sb, %r : tensor<2x3x1x4xf32>
  %y = arith.addf %b, %a : tensor<2x3x1x4xf32>
  return %y : tensor<2x3x1x4xf32>
}

// -----

// Halves that differ, halves that are unknown, halves of another value, and a rotation that is not negated.
// CHECK-LABEL: @unequal
// CHECK-NOT: nn.rotary_embedding
func.func @unequal(%x: tensor<2x3x1x4xf32>, %z: tensor<2x3x1x4xf32>, %t: tensor<2x1x4xf32>) -> (tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>) {
  %bad = arith.constant dense<[[[1.0, 2.0, 1.0, 2.5]], [[3.0, 4.0, 3.0, 4.0]]]> : tensor<2x1x4xf32>
  %good = arith.constant dense<[[[1.0, 2.0, 1.0, 2.0]], [[3.0, 4.0, 3.0, 4.0]]]> : tensor<2x1x4xf32>
  %e = tensor.empty() : tensor<2x3x1x4xf32>
  %bb = linalg.broadcast ins(%bad : tensor<2x1x4xf32>) outs(%e : tensor<2x3x1x4xf32>) dimensions = [1]
  %gb = linalg.broadcast ins(%good : tensor<2x1x4xf32>) outs(%e : tensor<2x3x1x4xf32>) dimensions = [1]
  %tb = linalg.broadcast ins(%t : tensor<2x1x4xf32>) outs(%e : tensor<2x3x1x4xf32>) dimensions = [1]
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [2, 3, 1, 2] [1, 1, 1, 1] : tensor<2x3x1x4xf32> to tensor<2x3x1x2xf32>
  %z1 = tensor.extract_slice %z[0, 0, 0, 0] [2, 3, 1, 2] [1, 1, 1, 1] : tensor<2x3x1x4xf32> to tensor<2x3x1x2xf32>
  %x2 = tensor.extract_slice %x[0, 0, 0, 2] [2, 3, 1, 2] [1, 1, 1, 1] : tensor<2x3x1x4xf32> to tensor<2x3x1x2xf32>
  %n = arith.negf %x2 : tensor<2x3x1x2xf32>
  %r = tensor.concat dim(3) %n, %x1 : (tensor<2x3x1x2xf32>, tensor<2x3x1x2xf32>) -> tensor<2x3x1x4xf32>
  %rz = tensor.concat dim(3) %n, %z1 : (tensor<2x3x1x2xf32>, tensor<2x3x1x2xf32>) -> tensor<2x3x1x4xf32>
  %rp = tensor.concat dim(3) %x2, %x1 : (tensor<2x3x1x2xf32>, tensor<2x3x1x2xf32>) -> tensor<2x3x1x4xf32>
  %ag = arith.mulf %gb, %x : tensor<2x3x1x4xf32>
  %ab = arith.mulf %bb, %r : tensor<2x3x1x4xf32>
  %at = arith.mulf %tb, %r : tensor<2x3x1x4xf32>
  %az = arith.mulf %gb, %rz : tensor<2x3x1x4xf32>
  %ap = arith.mulf %gb, %rp : tensor<2x3x1x4xf32>
  %y0 = arith.addf %ab, %ag : tensor<2x3x1x4xf32>
  %y1 = arith.addf %at, %ag : tensor<2x3x1x4xf32>
  %y2 = arith.addf %az, %ag : tensor<2x3x1x4xf32>
  %y3 = arith.addf %ap, %ag : tensor<2x3x1x4xf32>
  return %y0, %y1, %y2, %y3 : tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>
}
