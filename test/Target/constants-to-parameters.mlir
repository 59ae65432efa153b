// Constants of the entry go where kernels can read them.
// RUN: setun-opt %s --setun-constants-to-parameters | FileCheck %s
// CHECK: func.func @main
// CHECK-COUNT-2: ml_program.global_load_const @constant : tensor<3xf32>
// CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK: %[[ONES:.*]] = linalg.fill ins(%[[ONE]] : f32)
// CHECK: arith.addf %{{.*}} : tensor<3xf32>
// CHECK: ml_program.global private @constant(dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>) : tensor<3xf32>
// CHECK-NOT: ml_program.global
func.func @main() -> (tensor<3xf32>, tensor<5xf32>, i32) attributes {setun.entry} {
  %a = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %b = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %ones = arith.constant dense<1.0> : tensor<5xf32>
  %scalar = arith.constant 7 : i32
  %sum = arith.addf %a, %b : tensor<3xf32>
  return %sum, %ones, %scalar : tensor<3xf32>, tensor<5xf32>, i32
}
