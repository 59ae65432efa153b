// RUN: setun-opt %s --setun-widen-reductions | FileCheck %s

// CHECK-LABEL: func @sum(
// CHECK: %[[X:.*]] = arith.extf %{{.*}} : tensor<4x8xf32> to tensor<4x8xf64>
// CHECK: %[[Z:.*]] = arith.extf %{{.*}} : tensor<4xf32> to tensor<4xf64>
// CHECK: %[[S:.*]] = linalg.reduce ins(%[[X]] : tensor<4x8xf64>) outs(%[[Z]] : tensor<4xf64>) dimensions = [1]
// CHECK: arith.addf %{{.*}}, %{{.*}} : f64
// CHECK: arith.truncf %[[S]] : tensor<4xf64> to tensor<4xf32>
func.func @sum(%x: tensor<4x8xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %s = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
  return %s : tensor<4xf32>
}

// bf16 goes by way of f32.
// CHECK-LABEL: func @sum_bf16(
// CHECK: arith.extf %{{.*}} : tensor<8xbf16> to tensor<8xf32>
// CHECK: arith.extf %{{.*}} : tensor<8xf32> to tensor<8xf64>
// CHECK: arith.truncf %{{.*}} : tensor<f64> to tensor<f32>
// CHECK: arith.truncf %{{.*}} : tensor<f32> to tensor<bf16>
func.func @sum_bf16(%x: tensor<8xbf16>, %z: tensor<bf16>) -> tensor<bf16> {
  %s = linalg.reduce { arith.addf } ins(%x : tensor<8xbf16>) outs(%z : tensor<bf16>) dimensions = [0]
  return %s : tensor<bf16>
}

// Nothing to do: a maximum, a sum of integers, a sum in f64, a reduction that is more than a sum.
// CHECK-LABEL: func @others(
// CHECK-NOT: arith.extf
func.func @others(%x: tensor<8xf32>, %z: tensor<f32>, %i: tensor<8xi32>, %iz: tensor<i32>, %d: tensor<8xf64>, %dz: tensor<f64>)
    -> (tensor<f32>, tensor<i32>, tensor<f64>, tensor<f32>) {
  %m = linalg.reduce { arith.maximumf } ins(%x : tensor<8xf32>) outs(%z : tensor<f32>) dimensions = [0]
  %s = linalg.reduce { arith.addi } ins(%i : tensor<8xi32>) outs(%iz : tensor<i32>) dimensions = [0]
  %t = linalg.reduce { arith.addf } ins(%d : tensor<8xf64>) outs(%dz : tensor<f64>) dimensions = [0]
  %u = linalg.reduce ins(%x : tensor<8xf32>) outs(%z : tensor<f32>) dimensions = [0]
    (%in: f32, %acc: f32) {
      %sq = arith.mulf %in, %in : f32
      %r = arith.addf %acc, %sq : f32
      linalg.yield %r : f32
    }
  return %m, %s, %t, %u : tensor<f32>, tensor<i32>, tensor<f64>, tensor<f32>
}
