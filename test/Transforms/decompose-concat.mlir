// RUN: setun-opt %s --setun-decompose-concat | FileCheck %s

// CHECK-LABEL: func.func @two
// CHECK-SAME:    %[[A:.*]]: tensor<2x3xf32>, %[[B:.*]]: tensor<2x?xf32>
// CHECK:         %[[E:.*]] = tensor.empty
// CHECK:         %[[F:.*]] = tensor.insert_slice %[[A]] into %[[E]][0, 0]
// CHECK:         tensor.insert_slice %[[B]] into %[[F]][0, 3]
// CHECK-NOT:     tensor.concat
func.func @two(%a: tensor<2x3xf32>, %b: tensor<2x?xf32>) -> tensor<2x?xf32> {
  %0 = tensor.concat dim(1) %a, %b : (tensor<2x3xf32>, tensor<2x?xf32>) -> tensor<2x?xf32>
  return %0 : tensor<2x?xf32>
}

// CHECK-LABEL: func.func @none
// CHECK-NEXT:    return
func.func @none(%a: tensor<2xf32>) -> tensor<2xf32> {
  return %a : tensor<2xf32>
}
